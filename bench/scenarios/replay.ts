/** All readers come back at once, each with the id of another event. */
import { pathOf, withServer } from '../run'
import { atLeast, atMost, figure, scenario } from '../scenario'
import { epochTime, eventData, filling } from '../serving/event'

interface Case {
  connections: number
  bytes: number
  /** In the log. */
  events: number
}

/** The cursors are among so many of the newest. */
const depth = 2_000

export const replay = scenario<Case>({
  name: 'replay',
  about: `Connected readers ask at once, each with a cursor at random among the newest ${depth} of the kept events; each gets exactly what came after it.`,
  candidates: ['headwater'],
  cases: ({ connections = 1_000, bytes = 512, events = 5_000 }) => [{ connections, bytes, events }],
  label: ({ connections, bytes, events }) =>
    `${connections} readers, ${events} events of ${bytes} B`,
  measure: (candidate, { connections, bytes, events }) =>
    withServer(
      candidate,
      async (server, load) => {
        const rest = filling(bytes)
        const ids: string[] = []
        for (let n = 0; n < events; n += 500) {
          const data = Array.from({ length: Math.min(500, events - n) }, (_, i) =>
            eventData(n + i + 1, epochTime(), rest),
          )
          ids.push(...(await server.order<{ ids: string[] }>('fill', { data })).ids)
        }
        const lasts = Array.from(
          { length: connections },
          () => events - Math.floor(Math.random() * Math.min(depth, events)) - 1,
        ).map((last) => Math.max(1, last))
        await load.open({
          port: server.port,
          count: connections,
          paths: [pathOf('bench')],
          ids: lasts.map((last) => ids[last - 1] as string),
          lasts,
          held: true,
        })
        await Bun.sleep(200)
        const before = await server.cpu()
        const { at } = await load.release()
        const all = lasts.reduce((sum, last) => sum + events - last, 0)
        const told = await load.until({ events: all, within: 30_000 })
        const { lasts: reached, first } = await load.each()
        const { lost, doubled, damaged, gone } = told
        const whole = reached.every((last) => last === events)
        if (told.events !== all || lost + doubled + damaged + gone > 0 || !whole) {
          throw new Error(`Replayed ${told.events} of ${all}: ${JSON.stringify(told)}`)
        }
        const waited = first.filter((ms) => ms >= 0).toSorted((a, b) => a - b)
        return {
          perSecond: all / ((told.lastAt - at) / 1e6),
          first: waited[Math.ceil(waited.length * 0.99) - 1] ?? Number.NaN,
          cpu: (((await server.cpu()) - before) / all) * 1_000,
        }
      },
      { keep: 2 * events, replay: events },
    ),
  columns: [
    { name: 'events/s', figure: 'perSecond' },
    { name: 'first event p99 ms', figure: 'first', digits: 0 },
    { name: 'CPU µs each', figure: 'cpu', digits: 2 },
  ],
  bars: () => [
    atLeast(500_000, 'a second', 'events replayed', figure('headwater', 'perSecond')),
    atMost(150, 'ms', 'p99 of the first event', figure('headwater', 'first')),
  ],
})
