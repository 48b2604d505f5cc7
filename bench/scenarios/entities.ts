/** Many topics with one viewer each: nothing can be shared. */
import { check, pathOf, withServer } from '../run'
import { atLeast, ratio, scenario } from '../scenario'

interface Case {
  topics: number
  bytes: number
  events: number
}

/** Updates a turn of the event loop. */
const batch = 100

export const entities = scenario<Case>({
  name: 'entities',
  about: `Updates of entities at random, ${batch} a turn of the event loop, each entity with a topic and a viewer of its own; published as fast as it goes.`,
  candidates: ['floor', 'headwater-memory', 'headwater', 'better-sse', 'elysia', 'hono'],
  cases: ({ connections = 1_000, bytes = 512, events = 100_000 }) => [
    { topics: connections, bytes, events },
  ],
  label: ({ topics, bytes, events }) => `${events} updates of ${bytes} B, ${topics} entities`,
  measure: (candidate, { topics, bytes, events }) =>
    withServer(candidate, async (server, load) => {
      const paths = Array.from({ length: topics }, (_, n) => pathOf(`entity:${n}`))
      await load.open({ port: server.port, count: topics, paths })
      await Bun.sleep(300)
      const first = Math.ceil(events / 5)
      await server.random({ events: first, bytes, topics, batch })
      await load.until({ events: first, within: 30_000 })
      await load.tell()
      const before = await server.cpu()
      const { began } = await server.random({ events, bytes, topics, batch })
      const told = await load.until({ events: first + events, within: 30_000 })
      check(candidate, told, first + events)
      return {
        perSecond: events / ((told.lastAt - began) / 1e6),
        p50: told.p50,
        p99: told.p99,
        cpu: (((await server.cpu()) - before) / events) * 1_000,
      }
    }),
  columns: [
    { name: 'updates/s', figure: 'perSecond' },
    { name: 'p50 ms', figure: 'p50', digits: 1 },
    { name: 'p99 ms', figure: 'p99', digits: 1 },
    { name: 'CPU µs each', figure: 'cpu', digits: 2 },
  ],
  ratio: { figure: 'perSecond', to: 'floor' },
  bars: () => [
    atLeast(0.9, '×', 'in memory, by the floor', ratio('headwater-memory', 'floor', 'perSecond')),
    atLeast(0.7, '×', 'durable, by the floor', ratio('headwater', 'floor', 'perSecond')),
  ],
})
