/**
 * The wire: events as the bytes of `text/event-stream`, by the WHATWG HTML standard, section 9.2.
 */

/** One event. A missing name makes it a `message`; an empty `data` is still dispatched. */
export interface Frame {
  event?: string | undefined
  id?: string | undefined
  /** Where it comes from, for who has no name to tell it by; browsers leave the field aside. */
  topic?: string | undefined
  data: string
}

const encoder = new TextEncoder()
const newline = /\r\n|\r|\n/

/**
 * The text of one event. Each line of `data` becomes a `data:` line, whichever way it ended.
 *
 * @throws TypeError when the name or id holds a control character, which would begin another field.
 */
export function frame({ event, id, topic, data }: Frame): string {
  let text = ''
  if (id !== undefined) text += `id: ${field(id, 'id')}\n`
  if (event !== undefined) text += `event: ${field(event, 'name')}\n`
  if (topic !== undefined) text += `topic: ${field(topic, 'topic')}\n`
  return text + dataOf(data)
}

/** The end of an event: its data, and the line that has it dispatched. */
export function dataOf(data: string): string {
  if (!data.includes('\n') && !data.includes('\r')) return `data: ${data}\n\n`
  let text = ''
  for (const line of data.split(newline)) text += `data: ${line}\n`
  return `${text}\n`
}

/** An id alone: it moves the reader's Last-Event-ID and dispatches nothing. */
export function idOnly(id: string): string {
  return `id: ${field(id, 'id')}\n\n`
}

/** How long a browser waits before it comes back, in milliseconds. */
export function retryHint(milliseconds: number): string {
  return `retry: ${Math.round(milliseconds)}\n`
}

/** A comment: seen by proxies and timers, by nobody else. */
export const comment = ':\n\n'

/** UTF-8, with lone surrogates as U+FFFD. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text)
}

function field(value: string, what: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(value)) {
    throw new TypeError(
      `Expected an event ${what} without control characters, got ${JSON.stringify(value)}`,
    )
  }
  return value
}
