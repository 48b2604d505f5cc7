/** Events offered by the clock, more and more of them, until they are not kept up with. */
import type { Load } from '../load/load'
import { Offers } from '../offers'
import { check, openAll, withServer } from '../run'
import { atLeast, atMost, type Figures, figure, ratio, scenario } from '../scenario'
import type { Server } from '../server'

interface Case {
  connections: number
  bytes: number
  /** Of each step. */
  seconds: number
}

/** Events a second that the issue names, and where the others begin. */
const named = [200, 400, 800, 1_600] as const
const lowest = 50
/** The last event may come so long after the end of the offer, in milliseconds. */
const late = 500
/** After so many milliseconds more it is not waited for. */
const hopeless = 4_000
const peers = ['better-sse', 'elysia', 'hono']

export const openLoop = scenario<Case>({
  name: 'open-loop',
  about: `Events offered by the clock, each step twice as many, until they are not kept up with: the last comes more than ${late} ms after the end of the offer. The age of an event counts from when it was due. Headwater runs through its Elysia plugin, and begins at ${named[0]} a second, the others at ${lowest}.`,
  candidates: ['floor', 'headwater-elysia', ...peers],
  cases: ({ connections = 1_000, bytes = 512, seconds = 1.5 }) => [{ connections, bytes, seconds }],
  label: ({ connections, bytes, seconds }) =>
    `${bytes} B to ${connections} connections, ${seconds} s a step`,
  measure: (candidate, of) =>
    withServer(candidate, async (server, load) => {
      await openAll(server, load, of.connections)
      const offers = new Offers(server, load, of)
      // It warms up.
      await offers.publish(100, 0.5)
      await offers.arrive(5_000)
      const figures: Figures = {}
      let kept = 0
      for (let rate = candidate.startsWith('headwater') ? named[0] : lowest; ; rate *= 2) {
        const { keptUp, ...found } = await step(candidate, server, load, offers, rate, of.seconds)
        for (const [name, value] of Object.entries(found)) figures[`${name} at ${rate}`] = value
        if (!keptUp) break
        kept = rate
      }
      return { kept, perSecond: kept * of.connections, ...figures }
    }),
  columns: [
    { name: 'kept events/s', figure: 'kept' },
    { name: 'deliveries/s', figure: 'perSecond' },
    ...named.map((rate) => ({ name: `p99 ms at ${rate}`, figure: `p99 at ${rate}`, digits: 1 })),
    { name: 'CPU % at 1,600', figure: 'cpu at 1600' },
    { name: 'of the load', figure: 'load at 1600' },
  ],
  bars: () => [
    atLeast(1_600, 'a second', 'events kept up with', figure('headwater-elysia', 'kept')),
    ...named.map((rate) =>
      atMost(20, 'ms', `p99 age at ${rate} a second`, figure('headwater-elysia', `p99 at ${rate}`)),
    ),
    atMost(100, '% of a core', 'CPU at 1,600', figure('headwater-elysia', 'cpu at 1600')),
    ...peers.map((peer) =>
      atLeast(10, '×', `highest kept by that of ${peer}`, ratio('headwater-elysia', peer, 'kept')),
    ),
  ],
})

async function step(
  candidate: string,
  server: Server,
  load: Load,
  offers: Offers,
  perSecond: number,
  seconds: number,
) {
  const before = { load: (await load.tell()).cpu, server: await server.cpu() }
  const published = offers.publish(perSecond, seconds)
  // A server that does not keep up is ended before it has said so.
  published.catch(() => {})
  const told = await offers.arrive(seconds * 1_000 + hopeless)
  const { p99 } = told
  if (told.events < offers.due) return { p99, keptUp: false }
  const { began } = await published
  check(candidate, told, offers.due)
  const took = Math.max(seconds * 1_000, (told.lastAt - began) / 1_000)
  return {
    p99,
    keptUp: took <= seconds * 1_000 + late,
    // Of one core, in percent.
    cpu: (((await server.cpu()) - before.server) / took) * 100,
    load: ((told.cpu - before.load) / took) * 100,
  }
}
