/**
 * A TCP proxy that cuts each event stream after some of its bytes, as often as it is told to: within a piece, a
 * snapshot, an id, or a character.
 */
import { connect, createServer, type Socket } from 'node:net'

/** One that is running. {@link CuttingProxy.close} it. */
export interface CuttingProxy {
  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  url: string
  /** How many streams it has cut. */
  readonly cuts: number
  close(): Promise<void>
}

/**
 * Puts one before a port of 127.0.0.1.
 *
 * @param bytes gives after how many bytes the next stream is cut; nothing to let it be
 */
export async function startCuttingProxy(
  port: number,
  bytes: () => number | undefined,
): Promise<CuttingProxy> {
  const open = new Set<Socket>()
  let cuts = 0
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    /** Bytes until the cut; nothing for what is no stream. */
    let left: number | undefined
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (chunk) => void upstream.write(chunk))
    upstream.on('data', (chunk: Buffer) => {
      if (chunk.subarray(0, 5).toString() === 'HTTP/') {
        left = chunk.includes('text/event-stream') ? bytes() : undefined
      }
      if (left === undefined || chunk.byteLength < left) {
        if (left !== undefined) left -= chunk.byteLength
        client.write(chunk)
        return
      }
      cuts++
      // What is written arrives, and then the connection is gone.
      client.end(chunk.subarray(0, left))
      upstream.destroy()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    get cuts() {
      return cuts
    },
    async close() {
      for (const socket of open) socket.destroy()
      await new Promise<void>((done) => server.close(() => done()))
    },
  }
}
