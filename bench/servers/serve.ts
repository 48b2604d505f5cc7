import type { Server } from 'bun'

/** A server under test: it streams, and publishes when it is told to on its input. */
export interface Candidate {
  /** What the load asks for. */
  path: string
  fetch(request: Request, server: Server<undefined>): Response | Promise<Response | undefined>
  publish(data: string): unknown
}

/**
 * Serves it on a free port and prints `<port> <path>`. A line `turns <events> <bytes>` on its input publishes so many
 * events, one a turn of the event loop; then it prints how long that took and the CPU time, in milliseconds.
 */
export async function serve({ path, fetch, publish }: Candidate): Promise<void> {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    fetch: async (request, server) => (await fetch(request, server)) ?? new Response('?'),
  })
  console.log(`${server.port} ${path}`)
  for await (const line of console) {
    const [word, events, bytes] = line.split(' ')
    if (word !== 'turns') process.exit(0)
    const before = process.cpuUsage()
    const begin = performance.now()
    const filling = 'x'.repeat(Math.max(0, Number(bytes) - 16))
    for (let i = 0; i < Number(events); i++) {
      // Tenths of a millisecond, fifteen digits.
      const now = Math.round((performance.timeOrigin + performance.now()) * 10)
      await publish(`${String(now).padStart(15, '0')} ${filling}`)
      await new Promise((next) => setImmediate(next))
    }
    const { user, system } = process.cpuUsage(before)
    const rss = process.memoryUsage().rss
    const wall = performance.now() - begin
    console.log(JSON.stringify({ wall, cpu: (user + system) / 1_000, rss }))
  }
}
