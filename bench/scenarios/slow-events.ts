/** Few events: what one costs when nothing can be joined. */
import { check, openAll, withServer } from '../run'
import { atMost, ratio, scenario } from '../scenario'

interface Case {
  connections: number
  bytes: number
  seconds: number
}

const perSecond = 10

export const slowEvents = scenario<Case>({
  name: 'slow-events',
  about: `${perSecond} events a second to all connections. The CPU time is that of the server's process, with all that it does beside.`,
  candidates: ['floor', 'headwater', 'better-sse', 'elysia', 'hono'],
  cases: ({ connections = 1_000, bytes = 512, seconds = 3 }) => [{ connections, bytes, seconds }],
  label: ({ connections, bytes, seconds }) =>
    `${bytes} B to ${connections} connections, for ${seconds} s`,
  measure: (candidate, { connections, bytes, seconds }) =>
    withServer(candidate, async (server, load) => {
      await openAll(server, load, connections)
      await server.offer({ perSecond, seconds: 1, bytes })
      const first = perSecond * connections
      await load.until({ events: first, within: 5_000 })
      const before = await server.cpu()
      await server.offer({ perSecond, seconds, bytes })
      const all = first + perSecond * seconds * connections
      const told = await load.until({ events: all, within: 10_000 })
      check(candidate, told, all)
      const cpu = (((await server.cpu()) - before) / (all - first)) * 1_000
      return { p50: told.p50, p99: told.p99, cpu }
    }),
  columns: [
    { name: 'p50 ms', figure: 'p50', digits: 1 },
    { name: 'p99 ms', figure: 'p99', digits: 1 },
    { name: 'CPU µs a delivery', figure: 'cpu', digits: 2 },
  ],
  ratio: { figure: 'cpu', to: 'floor' },
  bars: () => [
    atMost(1.15, '×', 'p50 age by the floor', ratio('headwater', 'floor', 'p50')),
    atMost(1.15, '×', 'CPU a delivery by the floor', ratio('headwater', 'floor', 'cpu')),
  ],
})
