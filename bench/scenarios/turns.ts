/** One event a turn of the event loop, as fast as the loop turns. */
import { check, openAll, withServer } from '../run'
import { atLeast, atMost, excess, ratio, scenario } from '../scenario'

interface Case {
  bytes: number
  connections: number
  events: number
}

const sizes = [64, 512, 4096]

/** Deliveries of one measurement: enough for half a second or more. */
const deliveries = { 64: 120_000, 512: 120_000, 4096: 80_000 }

export const turns = scenario<Case>({
  name: 'turns',
  about:
    'One event a turn of the event loop, published as fast as the loop turns, to all connections.',
  candidates: ['floor', 'headwater', 'better-sse', 'elysia', 'hono'],
  cases({ bytes, connections, events, many }) {
    const counts = connections ? [connections] : [100, 1_000, ...(many ? [5_000] : [])]
    return counts.flatMap((count) =>
      (bytes ? [bytes] : sizes).map((size) => ({
        bytes: size,
        connections: count,
        events:
          events ?? Math.round((deliveries[size as keyof typeof deliveries] ?? 120_000) / count),
      })),
    )
  },
  label: ({ bytes, connections, events }) =>
    `${events} events of ${bytes} B to ${connections} connections`,
  measure: (candidate, { bytes, connections, events }) =>
    withServer(candidate, async (server, load) => {
      await openAll(server, load, connections)
      // The first events warm it up.
      const first = Math.ceil(events / 5)
      await server.turns({ events: first, bytes })
      await load.until({ events: first * connections, within: 60_000 })
      const before = await server.cpu()
      const { began } = await server.turns({ events, bytes })
      const all = (first + events) * connections
      const told = await load.until({ events: all, within: 60_000 })
      check(candidate, told, all)
      const count = events * connections
      return {
        perSecond: count / ((told.lastAt - began) / 1e6),
        p50: told.p50,
        p99: told.p99,
        cpu: (((await server.cpu()) - before) / count) * 1_000,
      }
    }),
  columns: [
    { name: 'deliveries/s', figure: 'perSecond' },
    { name: 'p50 ms', figure: 'p50', digits: 1 },
    { name: 'p99 ms', figure: 'p99', digits: 1 },
    { name: 'CPU µs each', figure: 'cpu', digits: 2 },
  ],
  ratio: { figure: 'perSecond', to: 'floor' },
  bars: () => [
    atLeast(1.5, '×', 'deliveries/s by the floor', ratio('headwater', 'floor', 'perSecond')),
    atLeast(2.2, '×', 'by better-sse', ratio('headwater', 'better-sse', 'perSecond')),
    atLeast(2, '×', 'by Elysia', ratio('headwater', 'elysia', 'perSecond')),
    atLeast(2.5, '×', 'by Hono', ratio('headwater', 'hono', 'perSecond')),
    atMost(2, 'ms', 'p50 age over that of the floor', excess('headwater', 'floor', 'p50')),
  ],
})
