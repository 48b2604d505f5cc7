/** Connections opened one after another, as after a restart. */
import { openAll, pathOf, withServer } from '../run'
import { atLeast, ratio, scenario } from '../scenario'

interface Case {
  connections: number
}

/** Opened before it counts. */
const first = 200

export const connects = scenario<Case>({
  name: 'connects',
  about:
    'Connections opened, 128 at a time, each until its first bytes have come. The CPU time is that of the server, until the rows of all stand in the file.',
  candidates: ['floor', 'headwater', 'better-sse', 'elysia', 'hono'],
  cases: ({ connections = 5_000 }) => [{ connections }],
  label: ({ connections }) => `${connections} connections`,
  measure: (candidate, { connections }) =>
    withServer(candidate, async (server, load) => {
      await openAll(server, load, first)
      const before = await server.cpu()
      const { milliseconds } = await load.open({
        port: server.port,
        count: connections,
        paths: [pathOf('bench')],
      })
      const { opened } = await load.tell()
      if (opened !== first + connections) throw new Error(`Only ${opened - first} were opened`)
      if (candidate.startsWith('headwater')) {
        const { count } = await server.order<{ count: number }>('rows')
        if (count !== opened) throw new Error(`${count} rows for ${opened} connections`)
      }
      const cpu = (await server.cpu()) - before
      return {
        perSecond: connections / (milliseconds / 1_000),
        cpu: (cpu / connections) * 1_000,
      }
    }),
  columns: [
    { name: 'connections/s', figure: 'perSecond' },
    { name: 'CPU µs each', figure: 'cpu', digits: 1 },
  ],
  ratio: { figure: 'perSecond', to: 'floor' },
  bars: () => [
    atLeast(0.9, '×', 'connections/s by the floor', ratio('headwater', 'floor', 'perSecond')),
  ],
})
