/**
 * Random schedules on `POST <path>`: follow, drop, cut and come back while publishing goes on at full speed. Whatever
 * the order, each source has what was published after its cursor, once and in order. `PAGE_SEEDS=from-to` runs others.
 */
import { afterEach, expect, setDefaultTimeout, test } from 'bun:test'
import { memoryLog } from 'headwater/log'
import { lateLog } from '../support/late-log'
import { type Ran, type RunOptions, run, type Stage } from '../support/page-stream-run'
import { cleanUp, type Site, serve, temporary } from '../support/serve'

setDefaultTimeout(600_000)
afterEach(cleanUp)

type Options = NonNullable<Parameters<typeof serve>[0]>

const [from, to] = (process.env.PAGE_SEEDS ?? '1-3').split('-').map(Number) as [number, number]
const seeds = Array.from({ length: to - from + 1 }, (_, i) => from + i)
const whole = { replay: 1_000_000, snapshot: 1_000_000, pace: 1, perAddress: 10_000 }

/** Each topic is published to at one of these, so that its order is known; the page is at one or the other. */
function stageOf(sites: readonly Site[], names: Record<string, number>): Stage {
  for (const { hub } of sites) {
    hub.topic('log:*', { guard: 'public', keep: { count: 1_000_000 } })
    hub.topic('short:*', { guard: 'public', keep: { count: 60 } })
    hub.topic('cell:*', { kind: 'state', guard: 'public' })
  }
  const topics = Object.entries(names).flatMap(([name, count]) =>
    Array.from({ length: count }, (_, i) => `${name}:${i}`),
  )
  const siteOf = (topic: string) => sites[topics.indexOf(topic) % sites.length] as Site
  let opened = 0
  return {
    url: () => (sites[opened++ % sites.length] as Site).url,
    topics,
    publish: async (topic, data) => (await siteOf(topic).hub.publish(topic, data)) as string,
    lagging: () => sites.reduce((sum, { hub }) => sum + hub.stats().lagging, 0),
    end: (topic) => siteOf(topic).hub.end(topic),
    cursor: () => (sites[0] as Site).hub.cursor(),
    address: (topics, since) => {
      const query = topics.map((topic) => `topic=${topic}`).join('&')
      return `/stream?${query}${since ? `&since=${since}` : ''}`
    },
  }
}

interface Given extends Omit<RunOptions, 'seed'> {
  /** How many topics of each name. */
  topics?: Record<string, number>
  /** @default 1 */
  sites?: number
}

async function all(options: () => Options, given: Given = {}): Promise<Ran[]> {
  const { topics = { log: 5, cell: 2 }, sites = 1, ...how } = given
  const ran: Ran[] = []
  for (const seed of seeds) {
    const same = options()
    const on = Array.from({ length: sites }, () => serve(same))
    const one = await run(stageOf(on, topics), { seed, ...how })
    expect({ seed, faults: one.faults }).toEqual({ seed, faults: [] })
    expect(on.flatMap(({ errors }) => errors)).toEqual([])
    ran.push(one)
    await cleanUp()
  }
  const sum = (count: (one: Ran) => number) => ran.reduce((total, one) => total + count(one), 0)
  // It was a run, not a pause.
  expect(sum(({ counts }) => counts.got)).toBeGreaterThan(300 * ran.length)
  expect(sum(({ counts }) => counts.follows)).toBeGreaterThan(5 * ran.length)
  expect(sum(({ counts }) => counts.returns + counts.drops)).toBeGreaterThan(2 * ran.length)
  return ran
}

const file = (limits = {}) => ({ database: temporary(), limits: { ...whole, ...limits } })

test('H-01 each source has its own, with topics in common, in memory', async () => {
  await all(() => ({ log: memoryLog(), limits: whole }))
})

test('H-01 each source has its own, with topics in common, in SQLite', async () => {
  await all(() => file())
})

test('H-01 with a topic for each source the order rule alone is enough: nothing comes twice', async () => {
  const topics = { log: 150, cell: 10 }
  const ran = await all(() => file(), { topics, shared: false, events: 1_500, steps: 40 })
  expect(ran.map(({ repeats }) => repeats)).toEqual(ran.map(() => 0))
})

test('H-01 out of a ring that holds next to nothing', async () => {
  await all(() => file({ ring: 4_096 }))
})

test('H-01 with two hubs that both publish, at one of which the page is, then at the other', async () => {
  await all(() => file(), { sites: 2 })
})

test('H-07 with a page that stops reading again and again', async () => {
  const how = { pauses: 0.2, size: 30_000, events: 800, cuts: 0.05 }
  const ran = await all(() => file(), how)
  expect(ran.reduce((sum, { counts }) => sum + counts.lagged, 0)).toBeGreaterThan(0)
})

test('C-23 with topics that end and begin again: who is done has had all, and nobody waits for it', async () => {
  const ran = await all(() => file(), { ends: 0.05, topics: { log: 8 } })
  expect(Math.min(...ran.map(({ counts }) => counts.done))).toBeGreaterThan(3)
})

// Between its snapshot for one source and the next id that page is told, such a log goes on: a cut there gives to others
// of the same topic again what that snapshot had. So there is one or the other here.
for (const [what, how] of [
  ['cut again and again', { bare: 0 }],
  ['without cursors, never cut', { bare: 0.3, cuts: 0 }],
] as const) {
  test(`H-01 with a log that answers later, ${what}`, async () => {
    const late = () => lateLog(memoryLog(), { delay: () => Math.random() * 2, appends: false })
    const options = () => ({ log: late(), limits: { ...whole, ring: 4_096 } })
    await all(options, { events: 300, ...how })
  })
}

test('H-03 with snapshots of what is too much to be replayed', async () => {
  await all(() => file({ replay: 40 }))
})

test('H-03 with topics of which only the newest are kept', async () => {
  await all(() => file({ replay: 100 }), { topics: { short: 4, log: 1 }, trimmed: true })
})
