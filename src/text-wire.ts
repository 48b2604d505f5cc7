/**
 * A running text on the wire and in the log: its pieces, and what they come to.
 *
 * A piece is plain escaped text, which is added to the slot, or it is a list of operations that name their own
 * targets, in a form that htmx 2 and 4 apply by themselves and `dist/text.js` applies better. In the log a text is
 * the list of its pieces; from time to time one that sets all of it takes their place.
 */
import type { Change } from './format'
import { type Html, tag, text } from './html'
import type { LogEvent } from './log'
import { slotSelector } from './swap'
import type { Topic } from './topic'

/** Where new text goes: behind what is there, in its place, or before it. */
export type TextMode = 'append' | 'replace' | 'prepend'

/** How a text stands: `idle` has not begun, `stopped` was ended by its reader. */
export type TextState = 'idle' | 'active' | 'done' | 'stopped' | 'failed'

/** All that a text shows. */
export interface Whole {
  html: Html
  /** The block that may still change, behind the rest, and its name. */
  open?: { name: string; html: Html } | undefined
  state: TextState
  /** What stands beside the text, of its state: the mark of an active one, the message of a failed one. */
  status: Html
}

const styles = { append: 'beforeend', replace: 'innerHTML', prepend: 'afterbegin' } as const

/** The element in which an open block stands. */
const block = /^<div class="hw-open" data-open="(\w+)">(.*)<\/div>$/s
/** In it, the element that grows; its content is escaped text. */
const grows = /\bclass="(?:[^"]* )?hw-grows(?: [^"]*)?"[^>]*>/

/** User text as it survives the HTML parser and the lines of the wire, character for character. */
export function escapeText(value: string): Html {
  return text(value.toWellFormed()).replaceAll('\0', '\ufffd').replaceAll('\r', '&#13;')
}

/** User text, escaped. */
export function textPiece(topic: Topic, escaped: Html, mode: TextMode): Html {
  return mode === 'append' ? escaped : operation('text', slotSelector(topic), styles[mode], escaped)
}

/** Trusted HTML at one end. */
export function insertPiece(topic: Topic, html: Html, at: 'append' | 'prepend'): Html {
  return operation('insert', slotSelector(topic), styles[at], html)
}

/** Trusted HTML in the place of everything. */
export function replacePiece(topic: Topic, html: Html): Html {
  return operation('replace', slotSelector(topic), styles.replace, html)
}

/** Removes what a selector names within the text. */
export function deletePiece(topic: Topic, selector: string): Html {
  return operation('delete', silent(`${slotSelector(topic)} :is(${selector})`), 'delete', '')
}

/** How the text stands from here on. */
export function statePiece(topic: Topic, state: TextState, error = ''): Html {
  return statusPiece(topic, state, statusOf(state, error))
}

/**
 * What a format makes of more text.
 *
 * @param name of the open block, letters and digits; another one for each run of the format
 * @param isFirst whether that block is not there yet
 */
export function changePiece(
  topic: Topic,
  { closed, open, grow }: Change,
  name: string,
  isFirst: boolean,
): Html {
  const own = blockSelector(topic, name)
  let html = ''
  // htmx 4 looks for all targets before it changes anything.
  const [target, where] = isFirst ? [slotSelector(topic), 'beforeend'] : [own, 'beforebegin']
  if (closed) html += operation('closed', target, where, closed)
  if (isFirst) html += openOperation(topic, name, open ?? '')
  else if (open !== undefined) html += operation('open', own, 'innerHTML', open)
  return grow ? html + operation('grow', `${own} .hw-grows`, 'beforeend', escapeText(grow)) : html
}

/** The last of a format's blocks. */
export function closePiece(topic: Topic, closed: Html, name: string): Html {
  const own = blockSelector(topic, name)
  const last = closed && operation('closed', own, 'beforebegin', closed)
  return last + operation('open', silent(own), 'delete', '')
}

/** Lines of a log, of which only the newest so many stay. */
export function linesPiece(topic: Topic, items: Html, limit: number): Html {
  return operation('lines', slotSelector(topic), 'beforeend', items, { 'data-limit': limit })
}

/** All of a text, whatever stood there before. */
export function wholePiece(topic: Topic, { html, open, state, status }: Whole): Html {
  const slot = slotSelector(topic)
  const more = open && { 'data-length': html.length }
  const all = operation('whole', slot, 'innerHTML', html, more)
  return (
    statusPiece(topic, state, status) +
    all +
    (open ? openOperation(topic, open.name, open.html) : '')
  )
}

/** What stands in the slot. */
export function shown({ html, open }: Pick<Whole, 'html' | 'open'>): Html {
  return open ? html + blockOf(open.name, open.html) : html
}

/** What the pieces of a text come to, in their order. */
export function wholeOf(pieces: readonly Pick<LogEvent, 'data' | 'form'>[]): Whole {
  const whole: Whole = { html: '', state: 'idle', status: '' }
  let limit = Number.POSITIVE_INFINITY
  for (const { data, form } of pieces) {
    if (form === 'patch') continue
    if (!data.startsWith(start)) {
      leave(whole)
      whole.html += data
    } else {
      for (const one of operations(data)) {
        apply(whole, one)
        if (one.limit) limit = one.limit
      }
    }
  }
  whole.html = newest(whole.html, limit)
  return whole
}

interface Operation {
  name: string
  style: string
  state: TextState | undefined
  limit: number | undefined
  target: string
  content: Html
}

const start = '<hx-partial data-op="'
const end = '</hx-partial>'
const head =
  /<hx-partial data-op="(\w+)" hx-target="([^"]*)" hx-swap="(\w+)[^"]*"(?: data-(?:state|limit|length)="(\w+)")?>/y

function operation(
  name: string,
  target: string,
  style: string,
  content: Html,
  more: Record<string, string | number> = {},
): Html {
  return tag(
    'hx-partial',
    { 'data-op': name, 'hx-target': target, 'hx-swap': `${style} settle:0ms`, ...more },
    content,
  )
}

/** Trusted HTML may hold anything, and is therefore the last, or says how long it is. */
const isTrusted = new Set(['insert', 'replace', 'whole'])

function* operations(data: Html): Generator<Operation> {
  for (let at = 0; at < data.length; ) {
    head.lastIndex = at
    const found = head.exec(data)
    if (!found) return
    const [all, name = '', target = '', style = '', more] = found
    const from = at + all.length
    const number = Number(more)
    let to = data.indexOf(end, from)
    if (isTrusted.has(name)) to = more ? from + number : data.lastIndexOf(end)
    yield {
      name,
      style,
      state: name === 'state' ? (more as TextState) : undefined,
      limit: name === 'lines' ? number : undefined,
      target: unescapeText(target),
      content: data.slice(from, to),
    }
    at = to + end.length
  }
}

function apply(whole: Whole, { name, style, state, target, content }: Operation): void {
  const own = /\[data-open=(\w+)\]/.exec(target)?.[1]
  const { open } = whole
  if (state) Object.assign(whole, { state, status: content })
  else if (name === 'delete') remove(whole, target)
  else if (name === 'open' && style === 'beforeend') begin(whole, content)
  else if (own !== undefined) {
    // A block that was left by a writer who died stays as it was.
    if (open?.name === own) change(whole, open, name, style, content)
  } else if (style === 'innerHTML') Object.assign(whole, { html: content, open: undefined })
  else if (style === 'afterbegin') whole.html = content + whole.html
  else {
    leave(whole)
    whole.html += content
  }
}

function begin(whole: Whole, content: Html): void {
  leave(whole)
  const [, name = '', html = ''] = block.exec(content) ?? []
  whole.open = { name, html }
}

/** What comes behind an open block comes behind it for good. */
function leave(whole: Whole): void {
  whole.html = shown(whole)
  whole.open = undefined
}

function change(
  whole: Whole,
  open: { name: string; html: Html },
  operation: string,
  style: string,
  content: Html,
): void {
  if (operation === 'closed') whole.html += content
  else if (operation === 'grow') whole.open = { ...open, html: grown(open.html, content) }
  else whole.open = style === 'delete' ? undefined : { ...open, html: content }
}

/** What grows contains text only, so that it ends where the next tag begins. */
function grown(open: Html, more: Html): Html {
  const found = grows.exec(open)
  if (!found) return open
  const at = open.indexOf('<', found.index + found[0].length)
  return open.slice(0, at) + more + open.slice(at)
}

function remove(whole: Whole, target: string): void {
  const selector = target.match(/:is\((.*)\),document$/s)?.[1] ?? ''
  if (selector === '') return
  const rewriter = new HTMLRewriter().on(selector, { element: (element) => void element.remove() })
  whole.html = rewriter.transform(whole.html)
}

/** The newest items of a list. */
function newest(html: Html, limit: number): Html {
  if (limit === Number.POSITIVE_INFINITY) return html
  let at = html.length
  for (let n = 0; n < limit && at > 0; n++) at = html.lastIndexOf('<li', at - 1)
  return at > 0 ? html.slice(at) : html
}

function blockSelector(topic: Topic, name: string): string {
  return `${slotSelector(topic)}>[data-open=${name}]`
}

function blockOf(name: string, html: Html): Html {
  return tag('div', { class: 'hw-open', 'data-open': name }, html)
}

function openOperation(topic: Topic, name: string, html: Html): Html {
  return operation('open', slotSelector(topic), 'beforeend', blockOf(name, html))
}

function statusPiece(topic: Topic, state: TextState, status: Html): Html {
  const target = slotSelector(topic).replace('[sse-swap', '[data-stream-state')
  return operation('state', target, 'innerHTML', status, { 'data-state': state })
}

function statusOf(state: TextState, error: string): Html {
  if (state === 'active') return '<span data-stream-active></span>'
  if (state !== 'failed') return ''
  return tag('p', { class: 'hw-text-error', role: 'alert' }, escapeText(error))
}

/** htmx 2 logs an error for a target that is not there; both majors find `document`, and leave it alone. */
function silent(target: string): string {
  return `${target},document`
}

const entities: Record<string, string> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#x27;': "'",
  '&#13;': '\r',
  '&amp;': '&',
}

/** The text that was escaped. */
export function unescapeText(html: Html): string {
  return html.replace(/&(?:lt|gt|quot|amp|#x27|#13);/g, (entity) => entities[entity] as string)
}
