/** Connections on which nothing happens. */
import { openAll, pathOf, withServer } from '../run'
import { atMost, ratio, scenario } from '../scenario'

interface Case {
  connections: number
}

/** Opened before it counts: what they bring to life is not the price of one more. */
const first = 500

export const idle = scenario<Case>({
  name: 'idle',
  about:
    'Memory of the server per open connection on which nothing happens: the growth of its process, the rubbish collected, all rows written.',
  candidates: ['floor', 'headwater', 'better-sse', 'elysia', 'hono'],
  cases: ({ connections = 10_000 }) => [{ connections }],
  label: ({ connections }) => `${connections} connections`,
  measure: (candidate, { connections }) =>
    withServer(candidate, async (server, load) => {
      await openAll(server, load, first)
      const before = await server.memory()
      await load.open({ port: server.port, count: connections, paths: [pathOf('bench')] })
      const { opened } = await load.tell()
      if (opened !== first + connections) throw new Error(`Only ${opened - first} were opened`)
      if (candidate.startsWith('headwater')) await server.order('rows')
      await Bun.sleep(500)
      const grown = (await server.memory()) - before
      const cpu = await server.cpu()
      await Bun.sleep(1_000)
      return {
        kilobytes: grown / connections / 1_024,
        // Of one core, for a second in which nothing happens.
        cpu: ((await server.cpu()) - cpu) / 10,
      }
    }),
  columns: [
    { name: 'KB a connection', figure: 'kilobytes', digits: 2 },
    { name: 'CPU % at rest', figure: 'cpu', digits: 1 },
  ],
  ratio: { figure: 'kilobytes', to: 'floor' },
  bars: () => [atMost(1, '×', 'memory by the floor', ratio('headwater', 'floor', 'kilobytes'))],
})
