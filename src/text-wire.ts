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
  /** The block that may still change; it stands behind the rest. */
  open?: Html | undefined
  state: TextState
  /** What stands beside the text, of its state: the mark of an active one, the message of a failed one. */
  status: Html
}

const styles = { append: 'beforeend', replace: 'innerHTML', prepend: 'afterbegin' } as const

/** The element in which an open block stands. */
const opened = '<div class="hw-open">'
/** In it, the element that grows; its content is escaped text. */
const grows = /\bclass="(?:[^"]* )?hw-grows(?: [^"]*)?"[^>]*>/

/** User text as it survives the HTML parser and the lines of the wire, character for character. */
export function escapeText(value: string): Html {
  return text(value.toWellFormed()).replaceAll('\0', '\ufffd').replaceAll('\r', '&#13;')
}

/** User text. */
export function textPiece(topic: Topic, value: string, mode: TextMode): Html {
  const escaped = escapeText(value)
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

/** What a format makes of more text. @param isFirst whether no block is open yet */
export function changePiece(topic: Topic, { closed, open, grow }: Change, isFirst: boolean): Html {
  const slot = slotSelector(topic)
  const block = `${slot}>.hw-open`
  let html = ''
  if (isFirst) {
    html = operation('open', slot, 'beforeend', `${opened}${open ?? ''}</div>`)
    if (closed) html += operation('closed', block, 'beforebegin', closed)
  } else {
    if (closed) html += operation('closed', block, 'beforebegin', closed)
    if (open !== undefined) html += operation('open', block, 'innerHTML', open)
  }
  if (grow) html += operation('grow', `${block} .hw-grows`, 'beforeend', escapeText(grow))
  return html
}

/** The last of a format's blocks. */
export function closePiece(topic: Topic, closed: Html): Html {
  const block = `${slotSelector(topic)}>.hw-open`
  return (
    (closed && operation('closed', block, 'beforebegin', closed)) +
    operation('open', silent(block), 'delete', '')
  )
}

/** Lines of a log, of which only the newest so many stay. */
export function linesPiece(topic: Topic, items: Html, limit: number): Html {
  return operation('lines', slotSelector(topic), 'beforeend', items, { 'data-limit': limit })
}

/** All of a text, whatever stood there before. */
export function wholePiece(topic: Topic, { state, status, ...content }: Whole): Html {
  const all = operation('whole', slotSelector(topic), 'innerHTML', shown(content))
  return statusPiece(topic, state, status) + all
}

/** What stands in the slot. */
export function shown({ html, open }: Pick<Whole, 'html' | 'open'>): Html {
  return open === undefined ? html : `${html}${opened}${open}</div>`
}

/** What the pieces of a text come to, in their order. Other HTML that was published to its topic stands where it came. */
export function wholeOf(pieces: readonly Pick<LogEvent, 'data' | 'form'>[]): Whole {
  const whole: Whole = { html: '', state: 'idle', status: '' }
  let limit = Number.POSITIVE_INFINITY
  for (const { data, form } of pieces) {
    if (form === 'patch') continue
    if (!data.startsWith(start)) whole.html += data
    else {
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
  /** The selector of what is deleted. */
  selector: string | undefined
  content: Html
}

const start = '<hx-partial data-op="'
const end = '</hx-partial>'
const head =
  /<hx-partial data-op="(\w+)" hx-target="([^"]*)" hx-swap="(\w+)[^"]*"(?: data-state="(\w+)")?(?: data-limit="(\d+)")?>/y

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

/** Trusted HTML may hold anything, and is therefore always the last. */
const isLast = new Set(['insert', 'replace', 'whole'])

function* operations(data: Html): Generator<Operation> {
  for (let at = 0; at < data.length; ) {
    head.lastIndex = at
    const found = head.exec(data)
    if (!found) return
    const [all, name = '', target = '', style = '', state, limit] = found
    const from = at + all.length
    const to = isLast.has(name) ? data.lastIndexOf(end) : data.indexOf(end, from)
    yield {
      name,
      style,
      state: state as TextState | undefined,
      limit: limit === undefined ? undefined : Number(limit),
      selector: unescapeText(target).match(/:is\((.*)\),document$/s)?.[1],
      content: data.slice(from, to),
    }
    at = to + end.length
  }
}

function apply(whole: Whole, { name, style, state, selector, content }: Operation): void {
  if (name === 'state' && state) Object.assign(whole, { state, status: content })
  else if (name === 'closed') whole.html += content
  else if (name === 'open') whole.open = openOf(style, content)
  else if (name === 'grow') whole.open = grown(whole.open ?? '', content)
  else if (name === 'whole') Object.assign(whole, split(content))
  else if (name === 'delete' && selector) remove(whole, selector)
  else if (style === 'innerHTML') Object.assign(whole, { html: content, open: undefined })
  else if (style === 'afterbegin') whole.html = content + whole.html
  else whole.html += content
}

function openOf(style: string, content: Html): Html | undefined {
  if (style === 'delete') return undefined
  return style === 'beforeend' ? content.slice(opened.length, -'</div>'.length) : content
}

/** What grows contains text only, so that it ends where the next tag begins. */
function grown(open: Html, more: Html): Html {
  const found = grows.exec(open)
  if (!found) return open
  const at = open.indexOf('<', found.index + found[0].length)
  return open.slice(0, at) + more + open.slice(at)
}

/** The open block is the last, and what it was closed by is known. */
function split(content: Html): Pick<Whole, 'html' | 'open'> {
  const at = content.lastIndexOf(opened)
  if (at < 0) return { html: content, open: undefined }
  return { html: content.slice(0, at), open: content.slice(at + opened.length, -'</div>'.length) }
}

function remove(whole: Whole, selector: string): void {
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
