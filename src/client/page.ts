/**
 * All sources of a page: what they follow, and what comes for them.
 */
import { headersOf } from './headers'
import { link, type Script } from './link'
import type { Change, Controls, Follow, Message } from './messages'
import type { Block } from './parser'
import { slices } from './slices'
import { emit, makeSource, type Source } from './source'
import { isBeyond, lacks, settle } from './standing'

const sources = new Set<Source>()
const byId = new Map<string, Source>()
let script: Script
let send: ((change: Change) => void) | undefined
/** What is said at the end of this task. */
let next: (Change & { follow: Follow[]; drop: string[] }) | undefined
/** The highest event id seen on this connection. */
let position: string | undefined
/** What ids begin with, so that none from before a loss means anything after it. */
let page: string
let count = 0
/** Whether the page is left, and may come back; it must not say anything then. */
let isAway = false

/** Begins with a page that follows nothing yet. */
export function startPage(given: Script): void {
  script = given
  reset()
  addEventListener('pagehide', () => {
    leave()
    isAway = true
  })
  for (const name of ['pageshow', 'online', 'visibilitychange']) {
    addEventListener(name, () => {
      if (document.hidden) return
      if (isAway) sources.forEach(follow)
      isAway = false
      send?.({ page, wake: true })
    })
  }
}

/** Makes a source for an address of the hub; nothing for any other. */
export function open(url: string): Source | undefined {
  const { origin, pathname, search, searchParams } = new URL(url, document.baseURI)
  if (origin !== location.origin || !`${pathname}/`.startsWith(`${script.path}/`)) return
  const source = makeSource(pathname + search, searchParams.get('since') ?? undefined, close)
  sources.add(source)
  follow(source)
  return source
}

function follow(source: Source): void {
  const { url: address, cursor } = source
  const id = page + count++
  source.id = id
  byId.set(id, source)
  ask().follow.push({ id, address, cursor })
}

function close(source: Source): void {
  sources.delete(source)
  if (byId.delete(source.id)) ask().drop.push(source.id)
}

/** What is asked for in one task is one message. */
function ask() {
  if (!next) {
    next = { page, follow: [], drop: [], headers: headersOf() }
    queueMicrotask(() => {
      send ??= link(script, push, relink)
      if (next) send(next)
      next = undefined
    })
  }
  return next
}

/** Nobody takes part any more; up to where each has everything is noted. */
function reset(): void {
  for (const source of sources) {
    if (source.readyState) settle(source, position)
    source.readyState = 0
  }
  next = position = undefined
  byId.clear()
  page = `${Math.random()}-`
}

function leave(): void {
  send?.({ page, bye: true })
  reset()
}

function relink(): void {
  leave()
  send = undefined
  sources.forEach(follow)
}

const { hold, push } = slices(deliver)

function deliver(message: Message): void {
  const [name, data, id, topic] = message as Block
  if (isAway) return
  // Only what a control frame says is no text; a topic may have any name.
  if (typeof data === 'object') {
    return (controls[name as keyof Controls] as (...detail: unknown[]) => void)(data, id)
  }
  const before = position
  const takers: Source[] = []
  if (id && isBeyond(id, before)) position = id
  if (data === undefined) takers.push(...sources)
  else {
    const event = new MessageEvent(name, { data, lastEventId: position as string })
    emit(Object.assign(event, { waitUntil: hold }), (source) => {
      if (source.readyState !== 1 || (id && !lacks(source, id, before))) return
      if (topic && !source.topics?.test(topic)) return
      // A patch is for the page, whoever takes it; but not who is gone.
      if (!source.element?.isConnected) return true
      takers.push(source)
      return name !== 'message' || source === takers[0]
    })
  }
  for (const source of takers) {
    if (id && source.readyState && isBeyond(id, source.cursor)) source.cursor = id
  }
}

const controls: Controls = {
  'hw:follow'(list, opened) {
    for (const [id, topics] of list) {
      const source = byId.get(id)
      if (!source) continue
      source.topics = new RegExp(topics)
      source.joined = position
      source.readyState = 1
      source.onopen?.(new Event('open'))
      announce([source], 'open', opened)
    }
  },
  'hw:over'(list) {
    for (const { id, status, reason = status ? 'gone' : 'done' } of list) {
      const source = byId.get(id)
      if (!source) continue
      byId.delete(id)
      // Not closed yet: htmx 2 would ask again.
      if (status) source.onerror?.(new Event('error'))
      else emit(new MessageEvent('done', { data: '' }), (one) => one === source)
      source.close()
      announce([source], (status ?? 204) === 204 ? 'closed' : 'refused', { status, reason })
    }
  },
  'hw:retry'(detail) {
    // To whom it is news; those that it makes known by this are told the rest.
    for (const source of sources) {
      if (source.readyState || !source.element) source.onerror?.(new Event('error'))
    }
    reset()
    sources.forEach(follow)
    if (detail.silence) announce(sources, 'stale', detail)
    announce(sources, 'retry', detail)
  },
}

/** Tells the elements of sources what becomes of them. */
function announce(group: Iterable<Source>, name: string, detail: object): void {
  for (const { element } of group) {
    element?.dispatchEvent(new CustomEvent(`headwater:${name}`, { bubbles: true, detail }))
  }
}
