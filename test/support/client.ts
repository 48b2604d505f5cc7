/**
 * An SSE client that hides nothing: a raw TCP socket, its own request head, and a parser that follows the
 * WHATWG HTML standard, section 9.2.6, to the letter.
 *
 * ```ts
 * const client = await connect(`${site.url}/stream?topic=room:1`, { lastEventId: 'e.7' })
 * await client.until(() => client.events.length === 3)
 * client.cut()
 * ```
 */
import type { Socket } from 'bun'

/** An event as a browser would dispatch it; the id may be that of an earlier one. */
export interface Received {
  id: string
  name: string
  data: string
}

/** Parses an event stream in whatever pieces it comes. An event without its blank line is never dispatched. */
export class EventStream {
  readonly events: Received[] = []
  readonly comments: string[] = []
  lastEventId = ''
  retry: number | undefined
  #decoder = new TextDecoder()
  #rest = ''
  #afterCr = false
  #id = ''
  #isNamed = false
  #name = ''
  #data: string[] = []

  push(bytes: Uint8Array): string {
    const decoded = this.#decoder.decode(bytes, { stream: true })
    const text = this.#afterCr && decoded.startsWith('\n') ? decoded.slice(1) : decoded
    if (decoded !== '') this.#afterCr = decoded.endsWith('\r')
    const lines = (this.#rest + text).split(/\r\n|\r|\n/)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#line(line)
    return decoded
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    const [field, rest] = colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1)]
    const value = rest.replace(/^ /, '')
    if (colon === 0) this.comments.push(line.slice(1))
    else if (field === 'data') this.#data.push(value)
    else if (field === 'event') this.#name = value
    else if (field === 'id' && !value.includes('\0')) this.#identify(value)
    else if (field === 'retry' && /^[0-9]+$/.test(value)) this.retry = Number(value)
  }

  #identify(id: string): void {
    this.#id = id
    this.#isNamed = true
  }

  #dispatch(): void {
    this.lastEventId = this.#id
    const event = { id: this.#id, name: this.#name || 'message', data: this.#data.join('\n') }
    const isEvent = this.#data.length > 0
    const own = this.#isNamed ? this.#id : undefined
    this.#data = []
    this.#name = ''
    this.#isNamed = false
    if (isEvent) this.events.push(event)
    this.framed(own, isEvent ? event : undefined)
  }

  /** Told of each frame: the id that it carries itself, and the event, if there is one. */
  protected framed(_id: string | undefined, _event: Received | undefined): void {}
}

/** What a request differs in from a plain GET. */
export interface ConnectOptions {
  method?: string
  headers?: Record<string, string>
  lastEventId?: string | undefined
  /** Sent as it is, however malformed. @default the URL's path and query */
  path?: string
  /** Sent with its length. @default none */
  body?: string
}

const opened = new Set<Client>()

/** Ends all clients that were opened in this process. */
export function cutAll(): void {
  for (const client of opened) if (opened.delete(client)) client.cut()
}

/** Sends a request to 127.0.0.1 and resolves when the head of the response is there. */
export function connect(url: string, options: ConnectOptions = {}): Promise<Client> {
  return new Client().open(new URL(url), options)
}

/** One request and its response, however long that takes. */
export class Client extends EventStream {
  status = 0
  headers: Record<string, string> = {}
  /** Whether the response is complete or the socket is gone. */
  ended = false
  #body: string[] = []
  #socket: Socket<undefined> | undefined
  /** Of the request, not sent yet. */
  #unsent: Uint8Array = Buffer.alloc(0)
  #bytes = Buffer.alloc(0)
  /** Bytes to come of the body or chunk; undefined where a chunk's size is to be read. */
  #left: number | undefined
  #chunked = false
  #waiting = new Set<() => unknown>()

  get raw(): string {
    return this.#body.join('')
  }

  async open(url: URL, { method = 'GET', headers, lastEventId, path, body }: ConnectOptions) {
    opened.add(this)
    const given: Record<string, string> = { host: url.host, ...headers }
    if (lastEventId !== undefined) given['last-event-id'] = lastEventId
    if (body !== undefined) given['content-length'] = String(Buffer.byteLength(body))
    const fields = Object.entries(given).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `${method} ${path ?? url.pathname + url.search} HTTP/1.1\r\n${fields.join('')}\r\n`
    this.#socket = await Bun.connect({
      hostname: '127.0.0.1',
      port: Number(url.port),
      socket: {
        data: (_, bytes) => this.#take(bytes),
        drain: () => this.#send(),
        close: () => this.#end(),
      },
    })
    this.#unsent = Buffer.from(head + (body ?? ''))
    this.#send()
    await this.until(() => this.status > 0 || this.ended)
    return this
  }

  /** Resolves when it holds, looked at whenever something arrives. */
  async until(predicate: () => boolean, within = 5_000): Promise<void> {
    if (predicate()) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const look = () => predicate() && resolve()
    const timer = setTimeout(() => reject(this.#late(within)), within)
    this.#waiting.add(look)
    await promise.finally(() => {
      clearTimeout(timer)
      this.#waiting.delete(look)
    })
  }

  /** Reads no more until `resume`, so that the buffers between here and the server fill. */
  pause = () => this.#socket?.pause()
  resume = () => this.#socket?.resume()

  /** Cuts the connection at once, without a word. */
  cut(): void {
    this.#socket?.terminate()
    this.#end()
  }

  #send(): void {
    if (this.#unsent.byteLength === 0) return
    const sent = this.#socket?.write(this.#unsent) ?? 0
    this.#unsent = this.#unsent.subarray(Math.max(0, sent))
  }

  #end(): void {
    this.ended = true
    for (const look of [...this.#waiting]) look()
  }

  #take(bytes: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    if (this.status === 0) this.#head()
    if (this.status > 0) this.#decode()
    for (const look of [...this.#waiting]) look()
  }

  #head(): void {
    const end = this.#bytes.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = this.#bytes.toString('latin1', 0, end)
    for (const [, name = '', value = ''] of head.matchAll(/\r\n([^:]+):\s*(.*)/g)) {
      this.headers[name.toLowerCase()] = value
    }
    this.#chunked = this.headers['transfer-encoding'] === 'chunked'
    const length = Number(this.headers['content-length'] ?? Number.POSITIVE_INFINITY)
    if (!this.#chunked) this.#left = length
    this.#bytes = this.#bytes.subarray(end + 4)
    this.status = Number(head.split(' ')[1])
    if (length === 0) this.#end()
  }

  #decode(): void {
    while (this.#bytes.byteLength > 0) {
      if (this.#left === undefined && !this.#size()) return
      const part = this.#bytes.subarray(0, this.#left)
      this.#left = (this.#left ?? 0) - part.byteLength
      this.#bytes = this.#bytes.subarray(part.byteLength)
      this.#body.push(this.push(part))
      if (this.#left > 0) continue
      if (!this.#chunked) return this.#end()
      this.#left = undefined
    }
  }

  /** Reads the size of a chunk, and the line end of the one before; false when it is not there yet. */
  #size(): boolean {
    const size = /^(?:\r\n)?([0-9a-f]+)[^\r]*\r\n/i.exec(this.#bytes.toString('latin1', 0, 64))
    if (!size?.[1]) return false
    this.#bytes = this.#bytes.subarray(size[0].length)
    this.#left = Number.parseInt(size[1], 16)
    if (this.#left === 0) this.#end()
    return true
  }

  #late(within: number): Error {
    const state = { ...this, events: this.events.length, raw: this.raw.slice(-500) }
    return new Error(`Not within ${within} ms: ${JSON.stringify(state)}`)
  }
}
