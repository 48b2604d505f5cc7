import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy on 127.0.0.1 that can cut what goes through it. */
export interface Proxy {
  port: number
  /** Destroys all open connections; new ones are let through. */
  cut(): void
  close(): Promise<void>
}

/** Puts a proxy before a port. */
export async function startProxy(port: number): Promise<Proxy> {
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream)
    upstream.pipe(client)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  const cut = () => {
    for (const socket of open) socket.destroy()
  }
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    cut,
    close: () => {
      cut()
      return new Promise((done) => server.close(() => done()))
    },
  }
}
