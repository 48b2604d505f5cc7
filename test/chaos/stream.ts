/**
 * One response over a raw socket, as frames. Unlike a browser it tells which frame has an id of its own, and it keeps
 * nothing that was read.
 */
import type { Socket } from 'bun'

/** What stands between two blank lines. */
export interface Frame {
  /** Its own `id:` field. */
  id: string | undefined
  event: string
  /** Nothing where there is no `data:` field: then nothing is dispatched. */
  data: string | undefined
  /** Milliseconds. */
  retry: number | undefined
}

/** What is told of a response. */
export interface Listener {
  head(status: number): void
  frame(frame: Frame): void
  /** Once, however it ended. */
  end(): void
}

/** A GET to 127.0.0.1 whose response is read until it ends. */
export class Stream {
  bytes = 0
  #listener: Listener
  #socket: Socket<undefined> | undefined
  #rest = Buffer.alloc(0)
  #status = 0
  #chunked = false
  /** Bytes to come of the chunk; undefined where its size is to be read. */
  #left: number | undefined
  #decoder = new TextDecoder()
  #text = ''
  #ended = false

  constructor(port: number, path: string, headers: Record<string, string>, listener: Listener) {
    this.#listener = listener
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${fields.join('')}\r\n`
    Bun.connect({
      hostname: '127.0.0.1',
      port,
      socket: {
        open: (socket) => {
          this.#socket = socket
          if (this.#ended) socket.terminate()
          else socket.write(head)
        },
        data: (_, bytes) => this.#take(bytes),
        close: () => this.#end(),
        error: () => this.#end(),
      },
    }).catch(() => this.#end())
  }

  /** Leaves at once. */
  cut(): void {
    this.#socket?.terminate()
    this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#listener.end()
  }

  #take(bytes: Buffer): void {
    if (this.#ended) return
    this.bytes += bytes.byteLength
    this.#rest = this.#rest.byteLength > 0 ? Buffer.concat([this.#rest, bytes]) : Buffer.from(bytes)
    if (this.#status === 0 && !this.#head()) return
    while (this.#rest.byteLength > 0 && !this.#ended) {
      if (this.#left === undefined && !this.#size()) return
      const part = this.#rest.subarray(0, this.#left)
      this.#rest = this.#rest.subarray(part.byteLength)
      this.#left = (this.#left ?? 0) - part.byteLength
      this.#read(this.#decoder.decode(part, { stream: true }))
      if (this.#left > 0) continue
      if (!this.#chunked) return this.cut()
      this.#left = undefined
    }
  }

  #head(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n')
    if (end < 0) return false
    const head = this.#rest.toString('latin1', 0, end)
    this.#rest = this.#rest.subarray(end + 4)
    this.#status = Number(head.split(' ')[1])
    this.#chunked = /\r\ntransfer-encoding: chunked/i.test(head)
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? Number.POSITIVE_INFINITY)
    if (!this.#chunked) this.#left = length
    this.#listener.head(this.#status)
    if (length === 0) this.cut()
    return true
  }

  #size(): boolean {
    const size = /^(?:\r\n)?([0-9a-f]+)\r\n/i.exec(this.#rest.toString('latin1', 0, 64))
    if (!size?.[1]) return false
    this.#rest = this.#rest.subarray(size[0].length)
    this.#left = Number.parseInt(size[1], 16)
    if (this.#left === 0) this.cut()
    return true
  }

  #read(text: string): void {
    const whole = this.#text + text
    const end = whole.lastIndexOf('\n\n')
    this.#text = end < 0 ? whole : whole.slice(end + 2)
    if (end < 0) return
    for (const block of whole.slice(0, end).split('\n\n')) {
      // What comes after a cut was not read.
      if (!this.#ended) this.#listener.frame(frameOf(block))
    }
  }
}

function frameOf(block: string): Frame {
  const frame: Frame = { id: undefined, event: 'message', data: undefined, retry: undefined }
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':')
    const value = line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (line.startsWith('id:')) frame.id = value
    else if (line.startsWith('event:')) frame.event = value
    else if (line.startsWith('retry:')) frame.retry = Number(value)
    else if (line.startsWith('data:')) {
      frame.data = frame.data === undefined ? value : `${frame.data}\n${value}`
    }
  }
  return frame
}
