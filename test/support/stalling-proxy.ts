/**
 * A TCP proxy that does what networks do to streams: it cuts them, loses them without a word, or is not there.
 *
 * ```ts
 * const proxy = await startStallingProxy(site.port)
 * proxy.stall() // streams that are open hear nothing any more, and nobody tells them
 * proxy.cut() // all connections are gone; new ones are let through
 * proxy.down() // until `up()` nothing is let through
 * ```
 */
import { connect, createServer, type Socket } from 'node:net'

/** One that is running. {@link StallingProxy.close} it. */
export interface StallingProxy {
  port: number
  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  url: string
  /** Connections that now carry an event stream. */
  readonly streams: number
  /** From now on nothing goes through the connections that are open, not even their end; new ones are let through. */
  stall(which?: 'streams' | 'all'): void
  /** Destroys what is open; new connections are let through. */
  cut(which?: 'streams' | 'all'): void
  /** Destroys what is open and everything that comes. */
  down(): void
  /** Lets new connections through again. */
  up(): void
  close(): Promise<void>
}

/** A connection of a client through the proxy. */
interface Passage {
  client: Socket
  upstream: Socket
  /** Whether the answer that goes through it is an event stream. */
  streams: boolean
  stalled: boolean
}

/** Puts one before a port of 127.0.0.1. */
export async function startStallingProxy(port: number): Promise<StallingProxy> {
  const open = new Set<Passage>()
  let isDown = false
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (isDown) return client.destroy()
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const passage: Passage = { client, upstream, streams: false, stalled: false }
    open.add(passage)
    pass(client, upstream, passage)
    pass(upstream, client, passage, (bytes) => {
      // Of a connection that is kept alive the newest answer counts.
      if (isHead(bytes)) passage.streams = bytes.includes('text/event-stream')
    })
    for (const socket of [client, upstream]) {
      socket.on('error', () => {})
      socket.on('close', () => end(passage))
    }
  })
  const chosen = (which: 'streams' | 'all') =>
    [...open].filter(({ streams }) => which === 'all' || streams)
  const end = (passage: Passage) => {
    // A stalled one does not say that its other side is gone.
    if (passage.stalled && !isClosing) return
    open.delete(passage)
    passage.client.destroy()
    passage.upstream.destroy()
  }
  let isClosing = false
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  const at = typeof address === 'object' && address ? address.port : 0
  const cut = (which: 'streams' | 'all' = 'all') => {
    for (const passage of chosen(which)) {
      passage.stalled = false
      end(passage)
    }
  }
  return {
    port: at,
    url: `http://127.0.0.1:${at}`,
    get streams() {
      return [...open].filter(({ streams, stalled }) => streams && !stalled).length
    },
    stall(which = 'streams') {
      for (const passage of chosen(which)) passage.stalled = true
    },
    cut,
    down() {
      isDown = true
      cut()
    },
    up() {
      isDown = false
    },
    close() {
      isClosing = true
      cut()
      return new Promise((done) => server.close(() => done()))
    },
  }
}

/** Passes on what comes, and its end, unless it is stalled. */
function pass(from: Socket, to: Socket, passage: Passage, look?: (bytes: Buffer) => void): void {
  from.on('data', (bytes: Buffer) => {
    if (passage.stalled) return
    look?.(bytes)
    if (to.write(bytes)) return
    from.pause()
    to.once('drain', () => from.resume())
  })
  from.on('end', () => {
    if (!passage.stalled) to.end()
  })
}

function isHead(bytes: Buffer): boolean {
  return bytes.subarray(0, 5).toString('latin1') === 'HTTP/'
}
