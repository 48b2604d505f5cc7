/**
 * A TCP proxy before all servers, which cuts, stalls and refuses by the reader that a request names.
 */
import type { Socket, TCPSocketListener } from 'bun'

/** After how many bytes a connection is cut, and how. */
export interface Cut {
  after: number
  reset: boolean
}

interface Way {
  link: Link
}

type End = Socket<Way>

const refusal = 'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'

/** One connection of a client, and the one to a server that belongs to it. */
class Link {
  readonly client: End
  upstream: End | undefined
  reader: number | undefined
  /** The server's name. */
  to = ''
  cut: Cut | undefined
  ended = false
  /** Between two pieces that pass, in milliseconds. */
  #pace = 0
  #stalled = 0
  #asked: Uint8Array[] = []
  #pending: Uint8Array | undefined
  #onEnd: (link: Link) => void

  constructor(client: End, onEnd: (link: Link) => void) {
    this.client = client
    this.#onEnd = onEnd
  }

  /** What the client asks, kept until there is a server. */
  ask(bytes: Uint8Array): void {
    if (this.upstream) this.upstream.write(bytes)
    else this.#asked.push(bytes.slice())
  }

  attach(upstream: End): void {
    if (this.ended) return void upstream.terminate()
    this.upstream = upstream
    for (const bytes of this.#asked.splice(0)) upstream.write(bytes)
    this.#flow()
  }

  /** Passes on what the server sent, as far as nothing is in the way. */
  pass(bytes: Uint8Array): void {
    if (this.ended) return
    const { cut } = this
    if (cut && bytes.byteLength >= cut.after) {
      this.client.write(bytes.subarray(0, cut.after))
      return this.end(cut.reset)
    }
    if (cut) cut.after -= bytes.byteLength
    const written = this.client.write(bytes)
    if (written < bytes.byteLength) this.#pending = bytes.slice(Math.max(0, written))
    if (this.#pace > 0) this.stall(this.#pace)
    else this.#flow()
  }

  /** The client takes more. */
  drain(): void {
    const bytes = this.#pending
    if (!bytes) return
    const written = this.client.write(bytes)
    this.#pending = written < bytes.byteLength ? bytes.subarray(Math.max(0, written)) : undefined
    this.#flow()
  }

  /** Lets nothing pass for a while. */
  stall(time: number): void {
    this.#stalled++
    this.#flow()
    setTimeout(() => {
      this.#stalled--
      this.#flow()
    }, time)
  }

  /** One piece at a time. */
  slow(pace: number): void {
    this.#pace = pace
  }

  end(reset: boolean): void {
    if (this.ended) return
    this.ended = true
    if (reset) this.client.terminate()
    else this.client.end()
    this.upstream?.terminate()
    this.#onEnd(this)
  }

  #flow(): void {
    if (this.ended || !this.upstream) return
    if (this.#stalled > 0 || this.#pending) this.upstream.pause()
    else this.upstream.resume()
  }
}

/** The proxy; where connections go is asked for each. */
export class FaultyProxy {
  readonly #listener: TCPSocketListener<Way>
  readonly #links = new Set<Link>()
  readonly #cuts = new Map<number, Cut>()
  readonly #refusals = new Set<number>()
  readonly #server: () => { port: number; name: string } | undefined
  /** Connections so far. */
  total = 0

  constructor(server: () => { port: number; name: string } | undefined) {
    this.#server = server
    this.#listener = Bun.listen<Way>({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        open: (client) => {
          this.total++
          const link = new Link(client, (ended) => this.#links.delete(ended))
          client.data = { link }
          this.#links.add(link)
        },
        data: ({ data: { link } }, bytes) => this.#asked(link, bytes),
        drain: ({ data: { link } }) => link.drain(),
        close: ({ data: { link } }) => link.end(true),
        error: ({ data: { link } }) => link.end(true),
      },
    })
  }

  get port(): number {
    return this.#listener.port
  }

  /** To which server a reader's connection goes. */
  serverOf(reader: number): string {
    return this.#link(reader)?.to ?? ''
  }

  /** Cuts the reader's connection after so many bytes; without one, its next. */
  cut(reader: number, cut: Cut): void {
    const link = this.#link(reader)
    if (link) link.cut = { ...cut }
    else this.#cuts.set(reader, { ...cut })
  }

  /** Cuts it now, and the next after so many bytes. */
  cutAgain(reader: number, cut: Cut): void {
    this.#cuts.set(reader, { ...cut })
    this.#link(reader)?.end(cut.reset)
  }

  /** Cuts it now, and refuses the next. */
  refuse(reader: number): void {
    this.#refusals.add(reader)
    this.#link(reader)?.end(false)
  }

  /** Lets nothing pass for a while, and then perhaps cuts. */
  async stall(reader: number, time: number, cut: boolean): Promise<void> {
    const link = this.#link(reader)
    link?.stall(time)
    await Bun.sleep(time)
    if (cut) link?.end(true)
  }

  /** Lets one piece pass at a time, for a while. */
  async slow(reader: number, pace: number, time: number): Promise<void> {
    const link = this.#link(reader)
    link?.slow(pace)
    link?.stall(pace)
    await Bun.sleep(time)
    link?.slow(0)
  }

  /** From now on everything passes; cuts that were due are made. */
  heal(): void {
    for (const link of this.#links) {
      link.slow(0)
      if (link.cut) link.end(link.cut.reset)
    }
    this.#cuts.clear()
    this.#refusals.clear()
  }

  close(): void {
    for (const link of [...this.#links]) link.end(true)
    this.#listener.stop(true)
  }

  #link(reader: number): Link | undefined {
    for (const link of this.#links) if (link.reader === reader) return link
    return undefined
  }

  #asked(link: Link, bytes: Uint8Array): void {
    link.ask(bytes)
    if (link.reader !== undefined) return
    const named = /\r\nx-reader: (\d+)/.exec(Buffer.from(bytes).toString('latin1'))
    link.reader = Number(named?.[1] ?? -1)
    link.cut = this.#cuts.get(link.reader)
    this.#cuts.delete(link.reader)
    if (this.#refusals.delete(link.reader)) {
      link.client.write(refusal)
      return link.end(false)
    }
    this.#connect(link)
  }

  async #connect(link: Link): Promise<void> {
    const to = this.#server()
    if (!to) return link.end(true)
    link.to = to.name
    try {
      await Bun.connect<Way>({
        hostname: '127.0.0.1',
        port: to.port,
        data: { link },
        socket: {
          open: (upstream) => link.attach(upstream),
          data: (_, bytes) => link.pass(bytes),
          close: () => link.end(false),
          error: () => link.end(true),
        },
      })
    } catch {
      link.end(true)
    }
  }
}
