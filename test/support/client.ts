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

/** An event as a browser would dispatch it. */
export interface Received {
  /** The Last-Event-ID at that moment, its own or an earlier one. */
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
  #name = ''
  #data: string[] = []

  push(bytes: Uint8Array): string {
    const decoded = this.#decoder.decode(bytes, { stream: true })
    if (decoded === '') return ''
    const text = this.#afterCr && decoded.startsWith('\n') ? decoded.slice(1) : decoded
    this.#afterCr = decoded.endsWith('\r')
    const lines = (this.#rest + text).split(/\r\n|\r|\n/)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#line(line)
    return decoded
  }

  #line(line: string): void {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) {
      this.comments.push(line.slice(1))
      return
    }
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') this.#data.push(value)
    else if (field === 'event') this.#name = value
    else if (field === 'id' && !value.includes('\0')) this.#id = value
    else if (field === 'retry' && /^[0-9]+$/.test(value)) this.retry = Number(value)
  }

  #dispatch(): void {
    this.lastEventId = this.#id
    if (this.#data.length > 0) {
      const name = this.#name || 'message'
      this.events.push({ id: this.#id, name, data: this.#data.join('\n') })
    }
    this.#data = []
    this.#name = ''
  }
}

/** What a request differs in from a plain GET. */
export interface ConnectOptions {
  method?: string
  headers?: Record<string, string>
  lastEventId?: string | undefined
  /** Sent as it is, however malformed. @default the URL's path and query */
  path?: string
}

const opened = new Set<Client>()

/** Ends all clients that were opened in this process. */
export function cutAll(): void {
  for (const client of opened) client.cut()
  opened.clear()
}

/** Sends a request to 127.0.0.1 and resolves when the head of the response is there. */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Client> {
  const client = new Client()
  opened.add(client)
  await client.open(new URL(url), options)
  return client
}

/** One request and its response, however long that takes. */
export class Client extends EventStream {
  status = 0
  headers: Record<string, string> = {}
  /** Whether the response is complete or the socket is gone. */
  ended = false
  #body: string[] = []
  #socket: Socket<undefined> | undefined
  #bytes: Uint8Array<ArrayBufferLike> = new Uint8Array(0)
  /** Bytes to come of the body or chunk; undefined where a chunk's size is to be read. */
  #left: number | undefined
  #chunked = false
  #waiting = new Set<() => unknown>()

  /** The body without its chunked encoding. */
  get raw(): string {
    return this.#body.join('')
  }

  async open(url: URL, { method = 'GET', headers, lastEventId, path }: ConnectOptions) {
    const given: Record<string, string> = {
      host: url.host,
      accept: 'text/event-stream',
      ...headers,
    }
    if (lastEventId !== undefined) given['last-event-id'] = lastEventId
    const fields = Object.entries(given).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `${method} ${path ?? url.pathname + url.search} HTTP/1.1\r\n${fields.join('')}\r\n`
    this.#socket = await Bun.connect({
      hostname: '127.0.0.1',
      port: Number(url.port),
      socket: {
        data: (_, bytes) => this.#take(bytes),
        close: () => this.#end(),
        end: () => this.#end(),
      },
    })
    this.#socket.write(head)
    await this.until(() => this.status > 0 || this.ended)
  }

  /** Resolves when it holds, looked at whenever something arrives. */
  async until(predicate: () => boolean, within = 5_000): Promise<void> {
    if (predicate()) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const look = () => predicate() && resolve()
    const timer = setTimeout(() => reject(new Error(this.#report(within))), within)
    this.#waiting.add(look)
    await promise.finally(() => {
      clearTimeout(timer)
      this.#waiting.delete(look)
    })
  }

  /** Reads no more, so that the buffers between here and the server fill. */
  pause(): void {
    this.#socket?.pause()
  }

  resume(): void {
    this.#socket?.resume()
  }

  /** Cuts the connection at once, without a word. */
  cut(): void {
    this.#socket?.terminate()
    this.#end()
  }

  #end(): void {
    this.ended = true
    for (const look of [...this.#waiting]) look()
  }

  #take(bytes: Uint8Array): void {
    this.#bytes = this.#bytes.byteLength > 0 ? Buffer.concat([this.#bytes, bytes]) : bytes.slice()
    if (this.status === 0) this.#head()
    if (this.status > 0) this.#decode()
    for (const look of [...this.#waiting]) look()
  }

  #head(): void {
    const end = Buffer.from(this.#bytes).indexOf('\r\n\r\n')
    if (end < 0) return
    const [line = '', ...fields] = Buffer.from(this.#bytes.subarray(0, end))
      .toString()
      .split('\r\n')
    for (const field of fields) {
      const colon = field.indexOf(':')
      this.headers[field.slice(0, colon).toLowerCase()] = field.slice(colon + 1).trim()
    }
    this.#chunked = this.headers['transfer-encoding'] === 'chunked'
    const length = Number(this.headers['content-length'] ?? Number.POSITIVE_INFINITY)
    if (!this.#chunked) this.#left = length
    this.#bytes = this.#bytes.subarray(end + 4)
    this.status = Number(line.split(' ')[1])
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
    const size = /^(?:\r\n)?([0-9a-f]+)[^\r]*\r\n/i.exec(
      Buffer.from(this.#bytes.subarray(0, 64)).toString('latin1'),
    )
    if (!size?.[1]) return false
    this.#bytes = this.#bytes.subarray(size[0].length)
    this.#left = Number.parseInt(size[1], 16)
    if (this.#left === 0) this.#end()
    return true
  }

  #report(within: number): string {
    const { status, ended, events, raw } = this
    const last = JSON.stringify(events.slice(-3)).slice(-300)
    return `Not within ${within} ms: ${status}, ended ${ended}, ${events.length} events, last ${last}; ${raw.slice(-300)}`
  }
}
