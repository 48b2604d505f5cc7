import { tokenOf } from '../serving/tokens'

/** What the readers of chats have counted together. */
export interface Counts {
  /** Events that are shown: not those that a page's stream is run with. */
  events: number
  /** Of the sockets, with the head of the response. */
  bytes: number
  /** Events that are not understood. */
  damaged: number
}

/** One text as its reader has it, and when each token of it came. */
export class Chat {
  text = ''
  /** Microseconds since 1970, by token. */
  readonly arrivals: number[] = []
  readonly #n: number
  /** Characters up to the end of the token that comes next. */
  #next: number

  /** @param n which text of `tokens.ts` it is to become */
  constructor(n: number) {
    this.#n = n
    this.#next = tokenOf(n, 0).length
  }

  /** Takes the data of an event. @returns whether it is understood */
  take(data: string, at: number): boolean {
    if (!data.startsWith('<')) this.text += plain(data)
    else if (!this.#apply(data)) return false
    while (this.#next <= this.text.length) {
      this.arrivals.push(at)
      this.#next += tokenOf(this.#n, this.arrivals.length).length
    }
    return true
  }

  #apply(data: string): boolean {
    for (const operation of data.split('</hx-partial>').slice(0, -1)) {
      const found = operation.match(/^<hx-partial data-op="(state|whole)"[^>]*>(.*)$/s)
      if (!found) return false
      if (found[1] === 'whole') this.text = plain(found[2] as string)
    }
    return true
  }
}

/** A connection's events, for the chats that they name. */
export class ChatReader {
  #chats: ReadonlyMap<string, Chat>
  #counts: Counts
  #body: Body
  #decoder = new TextDecoder()
  #rest = ''

  /** @param chats by their topic */
  constructor(chats: ReadonlyMap<string, Chat>, counts: Counts) {
    this.#chats = chats
    this.#counts = counts
    this.#body = new Body()
  }

  /** @param at microseconds since 1970 */
  read(bytes: Uint8Array, at: number): void {
    this.#counts.bytes += bytes.byteLength
    for (const part of this.#body.parts(bytes)) {
      this.#rest += this.#decoder.decode(part, { stream: true })
    }
    const frames = this.#rest.split('\n\n')
    this.#rest = frames.pop() ?? ''
    for (const frame of frames) this.#take(frame, at)
  }

  #take(frame: string, at: number): void {
    let name = ''
    const data: string[] = []
    for (const line of frame.split('\n')) {
      if (line.startsWith('event:')) name = fieldOf(line, 6)
      else if (line.startsWith('data:')) data.push(fieldOf(line, 5))
    }
    const chat = this.#chats.get(name)
    if (!chat) return
    this.#counts.events++
    if (!chat.take(data.join('\n'), at)) this.#counts.damaged++
  }
}

/** The body of a response, whose bytes come in any pieces. */
class Body {
  /** Of the head, then of the line before a chunk. */
  #line = ''
  #state: 'head' | 'size' | 'chunk' | 'plain' = 'head'
  #left = 0

  #readHead(): void {
    if (!this.#line.endsWith('\r\n\r\n')) return
    if (!this.#line.startsWith('HTTP/1.1 200')) throw new Error(`Refused: ${this.#line}`)
    this.#state = /\bchunked\b/i.test(this.#line) ? 'size' : 'plain'
    this.#line = ''
  }

  /** What ends the chunk before is in the line, too. */
  #readSize(): void {
    const found = this.#line.match(/^(?:\r\n)?([\da-f]+)\r\n$/i)
    if (!found) return
    this.#left = Number.parseInt(found[1] as string, 16)
    this.#state = this.#left > 0 ? 'chunk' : 'size'
    this.#line = ''
  }

  /** Those of the bytes that are body. */
  *parts(bytes: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#state === 'plain') return yield bytes.subarray(at)
      if (this.#state === 'chunk') {
        const to = Math.min(bytes.length, at + this.#left)
        yield bytes.subarray(at, to)
        this.#left -= to - at
        at = to
        if (this.#left === 0) this.#state = 'size'
      } else {
        this.#line += String.fromCharCode(bytes[at++] as number)
        if (this.#state === 'head') this.#readHead()
        else this.#readSize()
      }
    }
  }
}

function fieldOf(line: string, from: number): string {
  return line.slice(line[from] === ' ' ? from + 1 : from)
}

const entities: Record<string, string> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#x27;': "'",
  '&#10;': '\n',
}

/** The text that was escaped. */
function plain(html: string): string {
  if (!html.includes('&')) return html
  return html.replace(/&(?:amp|lt|gt|quot|#x27|#10);/g, (entity) => entities[entity] as string)
}
