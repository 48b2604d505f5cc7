/** One state that changes far more often than anybody can look. */
import { pathOf, withServer } from '../run'
import { atMost, figure, scenario } from '../scenario'

interface Case {
  connections: number
  bytes: number
  perSecond: number
  seconds: number
}

/** What a slow reader takes, in bytes, and how often, in milliseconds. */
const sips = { bytes: 4_096, every: 100 }
/** Large values that are sent to the slow ones first, so that the kernel takes no more in their place. */
const filling = { perSecond: 60, seconds: 1.5, bytes: 65_536 }

export const state = scenario<Case>({
  name: 'state',
  about: `A topic of kind state, updated by the clock. One reader of ten is slow, takes ${sips.bytes} B every ${sips.every} ms until the updates end, and is lagging all the time.`,
  candidates: ['headwater'],
  cases: ({ connections = 1_000, bytes = 512, seconds = 4 }) => [
    { connections, bytes, perSecond: 10_000, seconds },
  ],
  label: ({ connections, bytes, perSecond, seconds }) =>
    `${perSecond} updates/s of ${bytes} B to ${connections} readers for ${seconds} s`,
  measure: (candidate, { connections, bytes, perSecond, seconds }) =>
    withServer(
      candidate,
      async (server, load) => {
        const slow = Math.ceil(connections / 10)
        const slowOnes = { from: 0, to: slow }
        const paths = [pathOf('state')]
        await load.open({ port: server.port, count: slow, paths, receive: 16 * 1024 })
        await load.pause(slowOnes)
        await server.offer({ ...filling, topic: 'state' })
        await load.open({ port: server.port, count: connections - slow, paths })
        await load.sip(slowOnes, sips)
        await Bun.sleep(300)
        const first = (await load.each()).events
        const before = await server.cpu()
        const { wall } = await server.offer({ perSecond, seconds, bytes, topic: 'state' })
        const cpu = ((await server.cpu()) - before) / wall
        const { lagging } = await server.order<{ lagging: number }>('stats')
        await load.stopSipping()
        await load.pause(slowOnes, false)

        const last = filling.perSecond * filling.seconds + perSecond * seconds
        const end = performance.now() + 10_000
        let each = await load.each()
        while (each.lasts.some((n) => n !== last) && performance.now() < end) {
          await Bun.sleep(20)
          each = await load.each()
        }
        const { damaged, doubled, gone } = await load.tell()
        if (damaged + doubled + gone > 0) {
          throw new Error(
            `${damaged} values were damaged, ${doubled} came again, ${gone} readers are gone`,
          )
        }
        const sends = each.events.slice(slow).map((count, i) => count - (first[slow + i] ?? 0))
        return {
          last: each.lasts.filter((n) => n === last).length / connections,
          sends: Math.max(...sends) / (wall / 1_000),
          cpu: cpu * 100,
          lagging,
        }
      },
      { gaps: true },
    ),
  columns: [
    { name: 'readers on the last value', figure: 'last', digits: 2 },
    { name: 'sends/s and reader', figure: 'sends', digits: 1 },
    { name: 'CPU %', figure: 'cpu' },
    { name: 'lagging at the end', figure: 'lagging' },
  ],
  bars: () => [
    {
      what: 'part of the readers that ends on the last value',
      wanted: '1',
      of: figure('headwater', 'last'),
      holds: (part) => part === 1,
    },
    atMost(62, 'a second', 'sends to a reader', figure('headwater', 'sends')),
    atMost(60, '% of a core', 'CPU', figure('headwater', 'cpu')),
  ],
})
