/** More than can be sent. */
import type { Load } from '../load/load'
import { Offers } from '../offers'
import { check, openAll, withServer } from '../run'
import { atMost, figure, scenario } from '../scenario'
import { epochTime } from '../serving/event'

interface Case {
  connections: number
  bytes: number
  seconds: number
}

/** What a connection may cost, in megabytes. */
const budget = 0.25
/** After the overload it is looked at for so many seconds, one by one. */
const afterwards = 8

export const overload = scenario<Case>({
  name: 'overload',
  about:
    'First it is seen how many events can be sent a second, then twice as many are offered by the clock. Afterwards a quarter of it is offered: back to normal is the first second whose p99 age is at most twice that of the same before, or 20 ms.',
  candidates: ['headwater'],
  cases: ({ connections = 1_000, bytes = 4_096, seconds = 10 }) => [
    { connections, bytes, seconds },
  ],
  label: ({ connections, bytes, seconds }) =>
    `${bytes} B to ${connections} connections for ${seconds} s`,
  measure: (candidate, { connections, bytes, seconds }) =>
    withServer(
      candidate,
      async (server, load) => {
        await openAll(server, load, connections)
        const offers = new Offers(server, load, { connections, bytes })
        const most = await offers.most()
        const quarter = Math.max(1, Math.round(most / 4))
        const normal = await agesOf(offers, load, quarter)
        const watched = await server.watch()
        const rss = await watched()
        await offers.publish(most * 2, seconds)
        const ended = epochTime()
        const back = await backToNormal(offers, load, quarter, Math.max(20, normal * 2))
        const told = await offers.arrive(60_000)
        check(candidate, told, offers.due)
        return {
          most,
          megabytes: ((await watched()) - rss) / 1024 / 1024,
          back,
          whole: (told.lastAt - ended) / 1e6,
        }
      },
      { keep: 100_000, replay: 100_000 },
    ),
  columns: [
    { name: 'can be sent, events/s', figure: 'most' },
    { name: 'memory MB more', figure: 'megabytes' },
    { name: 'normal after s', figure: 'back' },
    { name: 'whole after s', figure: 'whole', digits: 1 },
  ],
  bars: ({ connections }) => [
    atMost(
      budget * connections,
      'MB',
      'memory more, the budget of all connections',
      figure('headwater', 'megabytes'),
    ),
    atMost(5, 's', 'until ages are normal', figure('headwater', 'back')),
  ],
})

/** The p99 age in a second in which so many events are offered. */
async function agesOf(offers: Offers, load: Load, perSecond: number): Promise<number> {
  await load.tell()
  await offers.publish(perSecond, 1)
  return (await load.tell()).p99
}

/** After how many seconds the ages are as they were; never is Infinity. */
async function backToNormal(offers: Offers, load: Load, perSecond: number, normal: number) {
  for (let second = 1; second <= afterwards; second++) {
    if ((await agesOf(offers, load, perSecond)) <= normal) return second
  }
  return Number.POSITIVE_INFINITY
}
