/**
 * Events of the log as frames of the wire: live, in catching up, and as a snapshot.
 *
 * A reader who catches up may have on the page already what it is sent (a page is read after its cursor
 * was taken; one 503 makes htmx forget the Last-Event-ID; a history restore brings back old markup). An item
 * is therefore preceded by the deletion of its id, so that it replaces instead of doubling.
 */
import { rootOf } from './fragment'
import type { Html } from './html'
import type { LogEvent } from './log'
import { isMark } from './log/contract'
import { dataOf, frame } from './sse'
import { idSelector, slotSelector, swap } from './swap'
import type { Topic } from './topic'

declare const brand: unique symbol

/** `<epoch>.<seq>`: where an event stands, and what a reader has. */
export type EventId = string & { readonly [brand]: 'EventId' }

/** Names the event with that number. */
export function eventId(epoch: string, seq: number): EventId {
  return `${epoch}.${seq}` as EventId
}

/** The number in an event id of this epoch; nothing for any other text. */
export function seqOf(id: string | null | undefined, epoch: string): number | undefined {
  const found = id?.match(/^([\w-]{1,64})\.(\d{1,16})$/)
  return found?.[1] === epoch ? Number(found[2]) : undefined
}

/** The frame for connections that are live; nothing for a mark. */
export function liveFrame(event: LogEvent, epoch: string): string | undefined {
  return isMark(event) ? undefined : frameOf(event, epoch, htmlOf(event))
}

/** The frame for connections that catch up. */
export function replayFrame(event: LogEvent, epoch: string): string | undefined {
  if (isMark(event)) return undefined
  const html = htmlOf(event)
  return frameOf(event, epoch, event.form === 'item' ? deletionOf(html) + html : html)
}

/** One frame that sets the slots of a topic of kind `log` to these events; it carries no id. */
export function snapshotFrame(topic: Topic, events: readonly LogEvent[]): string {
  const items = events.map(htmlOf).join('')
  return frame({ event: topic, data: swap.innerHTML(slotSelector(topic), items).html })
}

/** The event's HTML as it stands on a page; an item has an id: its own, or one made of its key or number. */
export function htmlOf(event: LogEvent): Html {
  if (event.form !== 'item') return event.data
  const root = rootOf(event.data)
  if (!root) return `<span id="${itemId(event)}">${event.data}</span>`
  if (root.id !== undefined) return event.data
  const { insertAt } = root
  return `${event.data.slice(0, insertAt)} id="${itemId(event)}"${event.data.slice(insertAt)}`
}

/** What takes an item from the page, in front of the item itself; nothing for HTML without an id. */
export function deletionOf(html: Html): Html {
  const id = rootOf(html)?.id
  return id ? swap.delete(idSelector(id)).html : ''
}

function frameOf(event: LogEvent, epoch: string, data: Html): string {
  // A topic holds nothing that would have to be looked for again.
  const id = event.kind === 'signal' ? '' : `id: ${epoch}.${event.seq}\n`
  const name = event.form === 'patch' ? patchName(event) : `event: ${event.topic}\n`
  return id + name + dataOf(data)
}

/** A patch has none; the browser runtime gives it to the pages that follow its topic. */
function patchName({ topic }: LogEvent): string {
  return topic.startsWith('hw:') ? '' : `topic: ${topic}\n`
}

/** Letters, digits, `-` and `_` only, for it is used in selectors too. */
function itemId({ topic, key, seq }: LogEvent): string {
  const name = `${topic}-${key ?? seq}`
  return name.replace(/[^a-zA-Z0-9-]/g, (char) =>
    char === ':' ? '-' : `_${char.codePointAt(0)?.toString(16)}`,
  )
}
