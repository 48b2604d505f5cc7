/** Some clients never read: what the others notice of it, and what the stuck ones miss. */
import { check, pathOf, withServer } from '../run'
import { atMost, figure, scenario } from '../scenario'
import type { Server } from '../server'

interface Case {
  connections: number
  bytes: number
  perSecond: number
  seconds: number
}

/** Of a hundred connections, one never reads. */
const share = 100
/** Sent to the stuck ones first, so that the kernel takes no more in their place: in bytes. */
const filled = 6 * 1024 * 1024
/** Published at the end while few are connected: more than the hub keeps in memory. */
const far = 32 * 1024 * 1024
/** What a stuck connection may cost, in bytes. */
const budget = 256 * 1024

export const stuck = scenario<Case>({
  name: 'stuck',
  about: `Events by the clock, once to readers only and once with 1 % more that never read and are lagging from the begin. At the end these wake, ${far / 1024 / 1024} MB further behind: every reader must then have every event exactly once.`,
  candidates: ['headwater'],
  cases: ({ connections = 1_000, bytes = 512, seconds = 4 }) => [
    { connections, bytes, perSecond: 200, seconds },
  ],
  label: ({ connections, bytes, perSecond, seconds }) =>
    `${perSecond} events/s of ${bytes} B to ${connections} readers for ${seconds} s, ${stuckOf(connections)} stuck`,
  async measure(candidate, of) {
    const without = await measure(candidate, of, 0)
    const withStuck = await measure(candidate, of, stuckOf(of.connections))
    return {
      without: without.p99,
      with: withStuck.p99,
      ratio: withStuck.p99 / without.p99,
      megabytes: (withStuck.rss - without.rss) / 1024 / 1024,
      waking: withStuck.waking / 1024 / 1024,
      wake: withStuck.wake,
    }
  },
  columns: [
    { name: 'p99 ms without', figure: 'without', digits: 1 },
    { name: 'p99 ms with', figure: 'with', digits: 1 },
    { name: 'memory MB more', figure: 'megabytes', digits: 1 },
    { name: 'and as they wake', figure: 'waking', digits: 1 },
    { name: 'stuck whole after ms', figure: 'wake' },
  ],
  bars: ({ connections }) => [
    atMost(1.2, '×', 'p99 age by that without them', figure('headwater', 'ratio')),
    atMost(
      Math.round((budget * stuckOf(connections)) / 1024 / 1024 + 10),
      'MB',
      'memory over that without them',
      figure('headwater', 'megabytes'),
    ),
  ],
})

function stuckOf(connections: number): number {
  return Math.ceil(connections / share)
}

function measure(candidate: string, of: Case, count: number) {
  const { connections, bytes, perSecond, seconds } = of
  const large = 4_096
  const before = Math.ceil(filled / large)
  const live = perSecond * seconds
  const after = Math.ceil(far / large)
  const all = before + live + after
  const stuckOnes = { from: 0, to: count }
  return withServer(
    candidate,
    async (server, load) => {
      await load.open({ port: server.port, count, paths: [pathOf('bench')], receive: 16 * 1024 })
      await load.pause(stuckOnes)
      await server.turns({ events: before, bytes: large })
      await lags(server, count)
      const { id } = await server.order<{ id: string }>('cursor')
      await load.open({
        port: server.port,
        count: connections,
        paths: [pathOf('bench')],
        ids: Array(connections).fill(id),
        lasts: Array(connections).fill(before),
      })
      await Bun.sleep(300)
      const watched = await server.watch()
      await server.offer({ perSecond, seconds, bytes })
      const told = await load.until({ events: live * connections, within: 30_000 })
      const rss = await watched()
      check(candidate, told, live * connections)
      if (count === 0) return { p99: told.p99, rss, wake: 0, waking: 0 }

      // The others have seen enough; ten go on.
      const staying = Math.min(10, connections)
      await load.leave({ from: count + staying, to: count + connections })
      await server.turns({ events: after, bytes: large })
      await lags(server, count)
      const events = live * connections + after * staying + all * count
      const asleep = await (await server.watch())()
      const woken = performance.now()
      await load.pause(stuckOnes, false)
      check(candidate, await load.until({ events, within: 30_000 }), events)
      const wake = performance.now() - woken
      return { p99: told.p99, rss, wake, waking: (await watched()) - asleep }
    },
    { keep: 2 * all, replay: 2 * all },
  )
}

async function lags(server: Server, count: number): Promise<void> {
  const { lagging } = await server.order<{ lagging: number }>('stats')
  if (lagging !== count) throw new Error(`Expected ${count} connections to lag, got ${lagging}`)
}
