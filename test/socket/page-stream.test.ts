/**
 * `POST <path>`: many addresses on one stream, each with a cursor, an end and a life of its own.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { connect } from '../support/client'
import { manage } from '../support/managed-jobs'
import { Page, post, type Source } from '../support/page-stream'
import { cleanUp, declare, type Site, serve, serveElysia, settled } from '../support/serve'

setDefaultTimeout(20_000)
afterEach(cleanUp)

const room = (n: number, since = '') => `/stream?topic=room:${n}${since && `&since=${since}`}`
const numbers = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => String(from + i))
/** The texts of the elements that a source was given, after the last snapshot of it. */
const shown = (source: Source, name?: string) => {
  const own = source.got.filter((one) => name === undefined || one.name === name)
  const last = own.findLastIndex(({ data }) => data.includes('innerHTML'))
  return own
    .slice(Math.max(0, last))
    .flatMap(({ data }) => [...data.matchAll(/>([^<>]+)<\//g)].map((found) => found[1] as string))
}
const snapshots = ({ got }: Source) => got.filter(({ id }) => id === undefined).length
const level = (page: Page, on: Site) => page.until(() => page.position === on.hub.cursor())

/** Publishes these numbers to a room, and resolves with their ids. */
async function fill(on: Site, topic: string, from: number, to: number): Promise<string[]> {
  const published = numbers(from, to).map((n) => on.hub.publish(topic, `<p>${n}</p>`))
  return (await Promise.all(published)) as string[]
}

const filler = 'x'.repeat(20_000)

/** Has the page read no more, and publishes to `long:1` until its connection lags; resolves with how many that were. */
async function stall(page: Page, on: Site): Promise<number> {
  page.client.pause()
  let n = 0
  while (on.hub.stats().lagging === 0 && n < 2_000) {
    await on.hub.publish('long:1', `<p>${++n}</p>${filler}`)
    await Bun.sleep(0)
  }
  expect(on.hub.stats().lagging).toBe(1)
  return n
}

const servers: [string, () => Site][] = [
  ['Bun.serve', () => serve({ limits: { retry: 1_733 } })],
  ['Elysia', () => serveElysia({ limits: { retry: 1_733 } })],
]

for (const [name, begin] of servers) {
  describe(`a page’s stream behind ${name}`, () => {
    test('begins with the retry hint, a comment, hw:open, hw:refused, hw:follow', async () => {
      const on = begin()
      declare(on.hub)
      const page = new Page(on.url)
      page.add(room(1), ['room:1'], { id: 'a' })
      page.add('/stream?topic=secret', [], { id: 'b' })
      page.add(room(2), ['room:2'], { id: 'c.2_x-Y' })
      await page.start()
      await level(page, on)
      const { connection, heartbeat } = page
      expect(connection).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      expect(heartbeat).toBe(15_000)
      expect(page.client.status).toBe(200)
      expect(page.client.retry).toBe(1_733)
      expect(page.client.raw).toStartWith(
        `retry: 1733\n:\n\nevent: hw:open\ndata: ${JSON.stringify({ connection, heartbeat })}\n\n`,
      )
      expect(page.told.map(([told]) => told).slice(0, 3)).toEqual([
        'hw:open',
        'hw:refused',
        'hw:follow',
      ])
      expect(page.told[1]?.[1]).toEqual([
        { id: 'b', status: 403, reason: expect.stringMatching(/^[A-Z].+\.$/) },
      ])
      const followed = page.told.flatMap(([told, list]) =>
        told === 'hw:follow' ? (list as [string, string][]).map(([id]) => id) : [],
      )
      expect((followed as string[]).toSorted()).toEqual(['a', 'c.2_x-Y'])
      expect(page.faults).toEqual([])
    })

    test('has the headers of a GET', async () => {
      const on = begin()
      declare(on.hub)
      const plain = await connect(on.url + room(1))
      const own = await post(`${on.url}/stream`, { follow: [{ id: 'a', address: room(1) }] })
      const wanted = ['content-type', 'cache-control', 'x-accel-buffering', 'transfer-encoding']
      for (const header of wanted) {
        expect([header, own.headers[header]]).toEqual([header, plain.headers[header] as string])
      }
      expect(own.headers['content-type']).toStartWith('text/event-stream')
    })

    test('is live for each address that is taken up later, and quiet for what is dropped', async () => {
      const on = begin()
      declare(on.hub)
      const page = new Page(on.url)
      const one = page.add(room(1), ['room:1'])
      await page.start()
      await level(page, on)
      const two = page.add(room(2), ['room:2'])
      expect(await page.follow(two)).toMatchObject({ status: 200, refused: [] })
      await page.until(() => two.state === 'in')
      await fill(on, 'room:1', 1, 3)
      await fill(on, 'room:2', 4, 6)
      await page.until(() => two.got.length === 3)
      expect((await page.drop(one)).status).toBe(200)
      expect(on.hub.stats().topics).toBe(1)
      await fill(on, 'room:1', 7, 9)
      await fill(on, 'room:2', 10, 10)
      await page.until(() => two.got.length === 4)
      expect([shown(one), shown(two)]).toEqual([numbers(1, 3), ['4', '5', '6', '10']])
      expect([page.strays, page.faults]).toEqual([[], []])
    })
  })
}

describe('addresses', () => {
  test('of managers, of all entities, of raw topics and of public ones are on one stream', async () => {
    const on = serve()
    declare(on.hub)
    const { jobs, set } = manage(on)
    const page = new Page(on.url)
    const one = page.add(jobs.address(['1'], 'progress'), ['job:1:progress'])
    const all = page.add(jobs.all(), (name) => name.startsWith('job:'))
    const raw = page.add(on.hub.address(['note:1', 'note:2']), ['note:1', 'note:2'])
    const open = page.add(room(1), ['room:1'])
    const pattern = page.add(on.hub.address(['deep:**']), (name) => name.startsWith('deep:'))
    await page.start()
    await level(page, on)
    for (const source of [one, all, raw, open, pattern]) source.got.length = 0
    await set('1', 40)
    await set('2', 50)
    await jobs.publish('2', 'lines', 'line')
    for (const topic of ['note:1', 'note:2', 'note:3', 'room:1', 'room:2', 'deep:a:b']) {
      await on.hub.publish(topic, topic)
    }
    await level(page, on).catch(() => {})
    await page.until(() => pattern.got.length > 0)
    expect(one.datas).toEqual(['<b>40</b>'])
    expect(all.got.map((got) => got.name)).toEqual([
      'job:1:progress',
      'job:2:progress',
      'job:2:lines',
    ])
    expect(raw.datas).toEqual(['note:1', 'note:2'])
    expect([open.datas, pattern.datas]).toEqual([['room:1'], ['deep:a:b']])
    expect([page.strays, page.faults]).toEqual([[], []])
  })

  test('H-04 with topics in common have each event once on the wire', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    const sources = ['/stream?topic=room:1', '/stream?topic=room:2&topic=room:1', room(1)].map(
      (address) => page.add(address, ['room:1', 'room:2']),
    )
    const wide = page.add(on.hub.address(['room:*']), ['room:1', 'room:2'])
    await page.start()
    await level(page, on)
    await fill(on, 'room:1', 1, 20)
    await page.until(() => wide.got.length === 20)
    for (const source of [...sources, wide]) expect(shown(source)).toEqual(numbers(1, 20))
    expect(page.client.raw.match(/^event: room:1$/gm)).toHaveLength(20)
    expect(on.hub.stats().topics).toBe(3)
  })

  test('are the same stream wherever the page stands: a whole URL of this origin, and a fragment', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    const whole = page.add(`${on.url}${room(1)}`, ['room:1'])
    const fragment = page.add(`${room(1)}#here`, ['room:1'])
    await page.start()
    expect([whole.state, fragment.state]).toEqual(['in', 'in'])
    await fill(on, 'room:1', 1, 1)
    await page.until(() => fragment.got.length === 1)
    expect(whole.got).toHaveLength(1)
  })

  test('two hundred of them in one request and fifty more in changes are live', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    const add = (n: string) => page.add(room(Number(n)), [`room:${n}`])
    const sources = numbers(1, 200).map(add)
    await page.start()
    const more = numbers(201, 250).map(add)
    await Promise.all(more.map((source) => page.follow(source)))
    await page.until(() => more.every(({ state }) => state === 'in'))
    for (const n of numbers(1, 250)) on.hub.publish(`room:${n}`, `<p>${n}</p>`)
    sources.push(...more)
    await page.until(() => sources.every(({ got }) => got.length === 1))
    expect(sources.flatMap((source) => shown(source))).toEqual(numbers(1, 250))
    expect([on.hub.stats().active, on.hub.stats().topics, page.faults]).toEqual([1, 250, []])
  })
})

describe('cursors', () => {
  test('H-01 of several addresses in one open: each gets what it lacks, in order, once', async () => {
    const on = serve()
    declare(on.hub)
    const ids = [on.hub.cursor() as string]
    for (const n of numbers(1, 60)) {
      const published = await on.hub.publish(`room:${Number(n) % 3}`, `<p>${n}</p>`)
      ids.push(published as string)
    }
    const page = new Page(on.url)
    const at = (cursor: number) => ({ cursor: ids[cursor] })
    const early = page.add(room(0), ['room:0'], at(6))
    const late = page.add(room(1), ['room:1'], at(48))
    const same = page.add(room(0), ['room:0'], at(30))
    const none = page.add(room(2), ['room:2'])
    const level0 = page.add(room(1), ['room:1'], at(60))
    const since = page.add(room(2, ids[50]), ['room:2'])
    const wins = page.add(room(1, ids[3]), ['room:1'], at(54))
    await page.start()
    await level(page, on)
    await fill(on, 'room:0', 61, 61)
    await fill(on, 'room:1', 62, 62)
    await fill(on, 'room:2', 63, 63)
    await page.until(() => since.got.some(({ data }) => data.includes('63')))
    const of = (rest: number, after: number) =>
      numbers(after + 1, 60).filter((n) => Number(n) % 3 === rest)
    expect(shown(early)).toEqual([...of(0, 6), '61'])
    expect(shown(same)).toEqual([...of(0, 30), '61'])
    expect(shown(late)).toEqual([...of(1, 48), '62'])
    expect(shown(level0)).toEqual(['62'])
    expect(shown(wins)).toEqual([...of(1, 54), '62'])
    expect(shown(none)).toEqual([...of(2, 0), '63'])
    // What another gets as a snapshot it is sent as well, and is reset by.
    expect([of(2, 0), of(2, 50)].map((items) => [...items, '63'])).toContainEqual(shown(since))
    expect(page.faults).toEqual([])
  })

  test('of states give the newest that is newer, in the order of the log', async () => {
    const on = serve({ limits: { pace: 1 } })
    declare(on.hub)
    const before = on.hub.cursor()
    await on.hub.publish('cell:1', 'old')
    await on.hub.publish('cell:2', 'two')
    const between = on.hub.cursor()
    await on.hub.publish('room:1', 'line')
    await on.hub.publish('cell:1', 'new')
    const page = new Page(on.url)
    const both = page.add('/stream?topic=cell:1&topic=cell:2&topic=room:1', [
      'cell:1',
      'cell:2',
      'room:1',
    ])
    both.cursor = before
    const one = page.add('/stream?topic=cell:1&topic=cell:2', ['cell:1', 'cell:2'], {
      cursor: between,
    })
    const nothing = page.add('/stream?topic=cell:2', ['cell:2'], { cursor: on.hub.cursor() })
    await page.start()
    await level(page, on)
    expect(both.datas).toEqual(['two', 'line', 'new'])
    expect(one.datas).toEqual(['new'])
    expect(nothing.datas).toEqual([])
  })

  const unusable: [string, (on: Site) => string | undefined][] = [
    ['none', () => undefined],
    ['of another epoch', () => '00000000.5'],
    ['malformed', () => 'no cursor at all'],
    ['empty', () => ''],
    ['with hostile text', () => '__proto__\u0000<script>'],
    ['beyond the head', (on) => `${on.hub.log.epoch}.9999999`],
  ]
  for (const [what, cursor] of unusable) {
    test(`${what} gives the snapshot, and others beside it what they lack`, async () => {
      const on = serve()
      declare(on.hub)
      const ids = await fill(on, 'room:1', 1, 250)
      await fill(on, 'room:2', 1, 20)
      await on.hub.publish('cell:1', 'old')
      await on.hub.publish('cell:1', 'new')
      await on.hub.publish('flash:1', 'gone')
      const page = new Page(on.url)
      const given = cursor(on)
      const log = page.add('/stream?topic=room:1&topic=flash:1', ['room:1', 'flash:1'], {
        cursor: given,
      })
      const state = page.add('/stream?topic=cell:1', ['cell:1'], { cursor: given })
      const good = page.add(room(2), ['room:2'], { cursor: ids.at(-1) })
      await page.start()
      await level(page, on)
      // An id of another time is none of its own, and what comes next moves it.
      expect(shown(log)).toEqual(numbers(51, 250))
      expect(snapshots(log)).toBe(1)
      expect(state.got).toEqual([{ id: undefined, name: 'cell:1', data: 'new' }])
      expect([shown(good), snapshots(good)]).toEqual([numbers(1, 20), 0])
      await fill(on, 'room:1', 251, 251)
      await page.until(() => log.got.length > 1)
      expect(shown(log)).toEqual(numbers(51, 251))
      expect(page.faults).toEqual([])
    })
  }

  test('behind what was given up, or with more than limits.replay after it, gives that topic its snapshot', async () => {
    const on = serve({ limits: { replay: 50 } })
    on.hub.topic('short', { guard: 'public', keep: { count: 20 } })
    declare(on.hub)
    const before = on.hub.cursor()
    const ids = await fill(on, 'short', 1, 40)
    const topic = 'short' as Parameters<typeof on.hub.log.last>[0]
    await settled(async () => (await on.hub.log.trimmed([topic as never], 0)).length > 0)
    const oldest = (await on.hub.history('short')).items[0]
    const kept = ids.indexOf(oldest?.id as string)
    const middle = on.hub.cursor()
    await fill(on, 'room:1', 1, 60)
    await fill(on, 'room:2', 1, 30)
    const page = new Page(on.url)
    const trimmed = page.add('/stream?topic=short', ['short'], { cursor: before })
    const near = page.add(`/stream?topic=room:2`, ['room:2'], { cursor: ids[kept] })
    const long = page.add(room(1), ['room:1'], { cursor: middle })
    await page.start()
    await level(page, on)
    expect([shown(trimmed), snapshots(trimmed)]).toEqual([numbers(kept + 1, 40), 1])
    expect([shown(long), snapshots(long)]).toEqual([numbers(1, 60), 1])
    expect([shown(near), snapshots(near)]).toEqual([numbers(1, 30), 0])
    expect(page.faults).toEqual([])
  })

  test('a return with the cursors of all sources is one whole run, however often it is cut', async () => {
    const on = serve()
    declare(on.hub)
    const start = on.hub.cursor()
    const page = new Page(on.url)
    const sources = [1, 2, 3].map((n) => page.add(room(n, start), [`room:${n}`]))
    let publishing = true
    const published = (async () => {
      for (const n of numbers(1, 300)) {
        on.hub.publish(`room:${1 + (Number(n) % 3)}`, `<p>${n}</p>`)
        if (Number(n) % 5 === 0) await Bun.sleep(1)
      }
      publishing = false
    })()
    const received = () => sources.reduce((sum, { got }) => sum + got.length, 0)
    let returns = 0
    for (; publishing; returns++) {
      await page.open()
      const had = received()
      await page.until(() => received() > Math.min(had + 5, 299))
      page.cut()
    }
    await published
    await page.start()
    await level(page, on)
    for (const [i, source] of sources.entries()) {
      expect(shown(source)).toEqual(numbers(1, 300).filter((n) => Number(n) % 3 === i))
      expect(snapshots(source)).toBe(0)
    }
    expect(returns).toBeGreaterThan(2)
    expect(page.faults).toEqual([])
  })
})

describe('a snapshot for one source', () => {
  test('that another of the same topic sees too is not doubled for it by a cut before the next id', async () => {
    const on = serve({ limits: { replay: 10_000 } })
    on.hub.topic('long:*', { guard: 'public', keep: { count: 10_000 } })
    declare(on.hub)
    const page = new Page(on.url)
    const old = page.add('/stream?topic=long:1&topic=room:1', ['room:1'], {
      cursor: on.hub.cursor(),
    })
    await page.start()
    await level(page, on)
    await stall(page, on)
    // Behind what the connection lacks, so that there is time to cut it.
    for (let n = 1; n <= 20; n++) {
      await fill(on, 'room:1', n, n)
      for (let m = 0; m < 10; m++) await on.hub.publish('long:1', filler)
    }
    const fresh = page.add(room(1), ['room:1'])
    await page.follow(fresh)
    page.client.resume()
    await page.until(() => fresh.got.length > 0, 15_000)
    page.cut()
    await page.start()
    await level(page, on)
    expect(shown(fresh)).toEqual(numbers(1, 20))
    expect(shown(old)).toEqual(numbers(1, 20))
    expect(page.faults).toEqual([])
  })
})

describe('a snapshot that takes its time', () => {
  /** A topic whose snapshot waits until it is let go. */
  function gated(on: Site, topic: string) {
    const asked = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<string>()
    on.hub.topic(topic, {
      guard: 'public',
      snapshot: () => {
        asked.resolve()
        return gate.promise
      },
    })
    return { asked: asked.promise, letGo: () => gate.resolve('<p>late</p>') }
  }

  test('has nothing in it that is beyond where the others stand: a cut behind it doubles nothing for them', async () => {
    const on = serve()
    declare(on.hub)
    const [first, second] = [gated(on, 'a:slow'), gated(on, 'z:slow')]
    await fill(on, 'room:1', 1, 20)
    const page = new Page(on.url)
    const old = page.add(room(1), ['room:1'])
    await page.start()
    await level(page, on)
    const fresh = page.add('/stream?topic=a:slow&topic=room:1&topic=z:slow', ['room:1'])
    await page.follow(fresh)
    await first.asked
    await fill(on, 'room:1', 21, 25)
    first.letGo()
    await second.asked
    await page.until(() => fresh.got.length > 0)
    page.cut()
    // Its element has gone: nobody asks for the snapshot again.
    page.sources.delete(fresh.id)
    second.letGo()
    await page.start()
    await level(page, on)
    expect(shown(old)).toEqual(numbers(1, 25))
    expect(page.faults).toEqual([])
  })

  test('is not followed by what it had, when another source goes back meanwhile', async () => {
    const on = serve()
    declare(on.hub)
    const slow = gated(on, 'z:slow')
    const ids = await fill(on, 'room:1', 1, 20)
    const page = new Page(on.url)
    page.add(room(2), ['room:2'])
    await page.start()
    await level(page, on)
    const fresh = page.add('/stream?topic=room:1&topic=z:slow', ['room:1'])
    await page.follow(fresh)
    await slow.asked
    await page.until(() => fresh.got.length > 0)
    const old = page.add(room(1), ['room:1'], { cursor: ids[9] })
    await page.follow(old)
    slow.letGo()
    await page.until(() => old.got.length > 0)
    await fill(on, 'room:1', 21, 22)
    await page.until(() => shown(old).at(-1) === '22')
    expect(shown(fresh)).toEqual(numbers(1, 22))
    // It may have been given the snapshot too.
    expect([numbers(11, 22), numbers(1, 22)]).toContainEqual(shown(old))
    expect(page.faults).toEqual([])
  })

  test('is not shown to who has a cursor and gets the rest: a cut in it doubles nothing for that one', async () => {
    const on = serve()
    on.hub.topic('a:*', { guard: 'public' })
    on.hub.topic('long:*', { guard: 'public' })
    declare(on.hub)
    const slow = gated(on, 'z:slow')
    const ids = await fill(on, 'a:1', 1, 20)
    for (let n = 0; n < 200; n++) await on.hub.publish('long:1', filler)
    const page = new Page(on.url)
    page.add(room(2), ['room:2'])
    await page.start()
    await level(page, on)
    await page.follow(page.add('/stream?topic=a:1&topic=long:1&topic=z:slow', []))
    await slow.asked
    const old = page.add('/stream?topic=a:1&topic=long:1', ['a:1'], { cursor: ids[9] })
    await page.follow(old)
    slow.letGo()
    await page.until(() => old.got.length > 0)
    page.cut()
    await page.start()
    await level(page, on)
    expect([numbers(11, 20), numbers(1, 20)]).toContainEqual(shown(old))
    expect(page.faults).toEqual([])
  })
})

describe('a change of a live stream', () => {
  test('with an older cursor goes back for the new one alone, while publishing goes on', async () => {
    const on = serve()
    declare(on.hub)
    const ids = [on.hub.cursor() as string, ...(await fill(on, 'room:1', 1, 400))]
    const page = new Page(on.url)
    const first = page.add(room(1, ids[400]), ['room:1'])
    await page.start()
    let [n, going] = [400, true]
    const publishing = (async () => {
      while (going) {
        on.hub.publish('room:1', `<p>${++n}</p>`)
        if (n % 10 === 0) await Bun.sleep(0)
      }
    })()
    const later: [Source, number][] = []
    for (const from of [390, 300, 7, 200, 399, 0]) {
      const source = page.add(room(1), ['room:1'], { cursor: ids[from] })
      later.push([source, from])
      await page.follow(source)
      await page.until(() => source.got.length > 20)
    }
    going = false
    await publishing
    const last = String(n + 1)
    await fill(on, 'room:1', n + 1, n + 1)
    await page.until(() => later.every(([source]) => shown(source).at(-1) === last))
    expect(shown(first)).toEqual(numbers(401, n + 1))
    for (const [source, from] of later) {
      expect([from, shown(source)]).toEqual([from, numbers(from + 1, n + 1)])
    }
    expect(page.faults).toEqual([])
  })

  test('without a cursor gives the snapshot, and what comes after it', async () => {
    const on = serve()
    declare(on.hub)
    await fill(on, 'room:1', 1, 30)
    await on.hub.publish('cell:1', '5')
    const page = new Page(on.url)
    const other = page.add(room(2), ['room:2'])
    await page.start()
    await level(page, on)
    const log = page.add(room(1), ['room:1'])
    const state = page.add('/stream?topic=cell:1', ['cell:1'])
    await page.follow(log, state)
    await page.until(() => log.got.length === 1 && state.got.length === 1)
    await fill(on, 'room:1', 31, 32)
    await fill(on, 'room:2', 1, 2)
    await page.until(() => other.got.length === 2)
    expect([shown(log), snapshots(log)]).toEqual([numbers(1, 32), 1])
    expect(state.datas).toEqual(['5'])
    expect(shown(other)).toEqual(['1', '2'])
    expect(page.faults).toEqual([])
  })

  test('with the newest cursor of a page that was just rendered misses nothing', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    page.add(room(9), ['room:9'])
    await page.start()
    for (const n of numbers(1, 30)) {
      const topic = `room:${100 + Number(n)}`
      const address = await on.hub.page(new Request(on.url), () => on.hub.address([topic]))
      const between = on.hub.publish(topic, '<p>between</p>')
      const source = page.add(address, [topic])
      await page.follow(source)
      await on.hub.publish(topic, '<p>after</p>')
      await between
      await page.until(() => source.got.length === 2)
      expect(shown(source)).toEqual(['between', 'after'])
    }
    expect(page.faults).toEqual([])
  })

  test('dropping all leaves the connection open and nothing followed; it can follow again', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    const sources = [1, 2, 3].map((n) => page.add(room(n), [`room:${n}`]))
    await page.start()
    expect(on.hub.stats()).toMatchObject({ active: 1, topics: 3 })
    await page.drop(...sources)
    expect(on.hub.stats()).toMatchObject({ active: 1, topics: 0 })
    await fill(on, 'room:1', 1, 5)
    const again = page.add(room(1), ['room:1'])
    await page.follow(again)
    await page.until(() => again.got.length > 0)
    await fill(on, 'room:1', 6, 6)
    await page.until(() => shown(again).includes('6'))
    expect(shown(again)).toEqual(numbers(1, 6))
    expect(sources.flatMap(({ got }) => got)).toEqual([])
    expect(page.client.ended).toBe(false)
    expect([page.strays, page.faults]).toEqual([[], []])
  })

  test('dropping what shares its topic with another keeps the other', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    const [one, two] = [page.add(room(1), ['room:1']), page.add(room(1), ['room:1'])]
    await page.start()
    await page.drop(one)
    await fill(on, 'room:1', 1, 3)
    await page.until(() => two.got.length === 3)
    expect(one.got).toEqual([])
    expect(on.hub.stats().topics).toBe(1)
  })

  test('dropping an unknown id is nothing; an id in use, or named twice, is 400 and changes nothing', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    const one = page.add(room(1), ['room:1'], { id: 'one' })
    const two = page.add(room(2), ['room:2'], { id: 'two' })
    await page.start()
    await level(page, on)
    const { connection } = page
    const url = `${on.url}/stream`
    const change = async (body: object) => {
      const answer = await post(url, { connection, ...body })
      await answer.until(() => answer.ended)
      return answer.status
    }
    const address = room(3)
    expect(await change({ drop: ['never', 'was', 'there'] })).toBe(200)
    expect(await change({ follow: [{ id: 'one', address }] })).toBe(400)
    expect(await change({ follow: [{ id: 'new', address }], drop: [1] })).toBe(400)
    const twice = [
      { id: 'x', address },
      { id: 'x', address: room(4) },
    ]
    expect(await change({ follow: twice })).toBe(400)
    expect(await change({ drop: ['two'], follow: [{ id: 'one', address }] })).toBe(400)
    expect((await post(url, { follow: twice })).status).toBe(400)
    expect(on.hub.stats()).toMatchObject({ active: 1, topics: 2 })
    await fill(on, 'room:1', 1, 1)
    await fill(on, 'room:2', 1, 1)
    await page.until(() => one.got.length + two.got.length === 2)
    expect(page.client.raw).not.toContain('room:3')
    expect(page.faults).toEqual([])
  })

  test('an id that was dropped is free again', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    const one = page.add(room(1), ['room:1'], { id: 'one' })
    await page.start()
    await page.drop(one)
    const anew = page.add(room(2), ['room:2'], { id: 'one' })
    await page.follow(anew)
    await page.until(() => anew.state === 'in')
    await fill(on, 'room:1', 1, 1)
    await fill(on, 'room:2', 2, 2)
    await page.until(() => anew.got.length === 1)
    expect([one.got, shown(anew)]).toEqual([[], ['2']])
    expect(page.faults).toEqual([])
  })

  test('while the stream still catches up loses and doubles nothing', async () => {
    const on = serve({ limits: { replay: 10_000 } })
    on.hub.topic('long:*', { guard: 'public', keep: { count: 10_000 } })
    const start = on.hub.cursor()
    const filler = 'x'.repeat(900)
    const ids: string[] = [start]
    const published = await Promise.all(
      numbers(1, 3_000).map((n) => on.hub.publish(`long:${Number(n) % 2}`, `<p>${n}</p>${filler}`)),
    )
    ids.push(...(published as string[]))
    const page = new Page(on.url)
    const address = (n: number) => `/stream?topic=long:${n}`
    const add = (n: number, from: number) =>
      page.add(address(n), [`long:${n}`], { cursor: ids[from] })
    const starts: [Source, number, number][] = [[add(0, 0), 0, 0]]
    await page.open()
    for (const [n, from] of [
      [1, 0],
      [0, 1_500],
      [1, 2_999],
      [0, 10],
    ] as const) {
      await page.until(() => page.connection !== undefined)
      const source = add(n, from)
      starts.push([source, n, from])
      await page.follow(source)
    }
    const dropped = add(1, 5)
    await page.follow(dropped)
    await page.drop(dropped)
    await Promise.all([
      on.hub.publish('long:0', '<p>end</p>'),
      on.hub.publish('long:1', '<p>end</p>'),
    ])
    await page.until(() => starts.every(([source]) => shown(source).at(-1) === 'end'), 10_000)
    for (const [source, n, from] of starts) {
      const expected = numbers(from + 1, 3_000).filter((one) => Number(one) % 2 === n)
      expect(shown(source)).toEqual([...expected, 'end'])
    }
    const got = shown(dropped)
    expect(got).toEqual(
      numbers(6, 3_000)
        .filter((n) => Number(n) % 2 === 1)
        .slice(0, got.length),
    )
    expect(page.faults).toEqual([])
  })

  test('while the connection lags is made all the same, and everything comes once it reads on', async () => {
    const on = serve({ limits: { replay: 5_000 } })
    on.hub.topic('long:*', { guard: 'public', keep: { count: 5_000 } })
    declare(on.hub)
    const page = new Page(on.url)
    const long = page.add('/stream?topic=long:1', ['long:1'])
    const gone = page.add(room(1), ['room:1'])
    await page.start()
    await level(page, on)
    const before = on.hub.cursor()
    const n = await stall(page, on)
    await fill(on, 'room:2', 1, 10)
    const old = page.add(room(2), ['room:2'], { cursor: before })
    const none = page.add(room(3), ['room:3'])
    expect((await page.change({ follow: [old, none], drop: [gone] })).status).toBe(200)
    expect(on.hub.stats().topics).toBe(3)
    await fill(on, 'room:1', 1, 5)
    await fill(on, 'room:2', 11, 20)
    await fill(on, 'room:3', 1, 5)
    await fill(on, 'long:1', n + 1, n + 1)
    page.client.resume()
    await page.until(() => page.position === on.hub.cursor(), 15_000)
    expect(shown(long)).toEqual(numbers(1, n + 1))
    expect(shown(old)).toEqual(numbers(1, 20))
    expect(shown(none)).toEqual(numbers(1, 5))
    expect(gone.got).toEqual([])
    expect(page.faults).toEqual([])
  })

  test('at four hundred addresses that come and go keeps each source right', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    const stay = page.add(room(1, on.hub.cursor()), ['room:1'])
    await page.start()
    let n = 0
    for (let round = 0; round < 20; round++) {
      const some = numbers(1, 10).map((i) =>
        page.add(room(10 + Number(i)), [`room:${10 + Number(i)}`]),
      )
      await Promise.all(some.map((source) => page.follow(source)))
      await fill(on, 'room:1', ++n, n)
      await Promise.all(some.map((source) => page.drop(source)))
    }
    await page.until(() => shown(stay).length === n)
    expect(shown(stay)).toEqual(numbers(1, n))
    expect([on.hub.stats().topics, page.faults]).toEqual([1, []])
  })
})

describe('the end', () => {
  test('C-23 of an entity: its last events, then hw:done with just its ids; the others go on', async () => {
    const on = serve()
    const { jobs, set, finish } = manage(on)
    const page = new Page(on.url)
    const [a, b] = ['progress', 'lines'] as const
    const progress = page.add(jobs.address(['1'], a), ['job:1:progress'])
    const lines = page.add(jobs.address(['1'], b), ['job:1:lines'])
    const both = page.add(jobs.address(['1', '2']), (name) => name.startsWith('job:'))
    const other = page.add(jobs.address(['2'], a), ['job:2:progress'])
    const all = page.add(jobs.all(a), (name) => /^job:[12]:progress$/.test(name))
    await page.start()
    await level(page, on)
    await set('1', 50)
    await jobs.publish('1', 'lines', 'last words')
    await finish('1')
    await page.until(() => progress.state === 'done' && lines.state === 'done')
    expect(progress.datas.slice(-2)).toEqual(['<b>50</b>', '<b>100 final</b>'])
    expect(shown(lines).at(-1)).toBe('last words')
    const done = page.told.flatMap(([name, ids]) => (name === 'hw:done' ? (ids as string[]) : []))
    expect(done.toSorted()).toEqual([progress.id, lines.id].toSorted())
    await set('2', 60)
    await page.until(() => other.datas.at(-1) === '<b>60</b>')
    expect([both, other, all].map(({ state }) => state)).toEqual(['in', 'in', 'in'])
    expect(all.datas.at(-1)).toBe('<b>60</b>')
    await finish('2')
    await page.until(() => both.state === 'done' && other.state === 'done')
    expect(all.state).toBe('in')
    expect(page.client.ended).toBe(false)
    expect(page.client.raw).not.toContain('event: done')
    expect(page.faults).toEqual([])
  })

  test('C-23 of who is followed when it is over: the final fragment, then hw:done at once', async () => {
    const on = serve()
    declare(on.hub)
    const { jobs } = manage(on)
    await jobs.publish('9', 'lines', 'kept')
    const page = new Page(on.url)
    const over = page.add(jobs.address(['9'], 'progress'), ['job:9:progress'])
    const unknown = page.add(jobs.address(['404'], 'progress'), ['job:404:progress'])
    const log = page.add(jobs.address(['9'], 'lines'), ['job:9:lines'])
    const living = page.add(room(1), ['room:1'])
    await page.start()
    await page.until(() => [over, unknown, log].every(({ state }) => state === 'done'))
    expect(over.datas).toEqual(['<b>0 final</b>'])
    expect(unknown.datas).toEqual(['<i>no 404</i>'])
    expect(shown(log)).toEqual(['kept'])
    await level(page, on)
    expect(on.hub.stats().topics).toBe(1)
    const again = page.add(jobs.address(['9'], 'progress'), ['job:9:progress'])
    await page.follow(again)
    await page.until(() => again.state === 'done')
    expect(again.datas).toEqual(['<b>0 final</b>'])
    await fill(on, 'room:1', 1, 1)
    await page.until(() => living.got.length === 1)
    expect([page.strays, page.faults]).toEqual([[], []])
  })

  test('C-23 of all ends the stream; what the page follows later is a new one', async () => {
    const on = serve()
    const { jobs, set } = manage(on)
    const page = new Page(on.url)
    const over = page.add(jobs.address(['9'], 'progress'), ['job:9:progress'])
    await page.start()
    await page.until(() => over.state === 'done')
    await settled(() => on.hub.stats().active === 0)
    const next = page.add(jobs.address(['1'], 'progress'), ['job:1:progress'])
    expect((await page.follow(next)).status).toBe(404)
    const another = new Page(on.url)
    const later = another.add(jobs.address(['1'], 'progress'), ['job:1:progress'])
    await another.start()
    await set('1', 3)
    await another.until(() => later.datas.at(-1) === '<b>3</b>')
  })

  for (const moment of ['head', 'hw:follow', 'snapshot'] as const) {
    test(`C-23 that comes while the stream catches up, after its ${moment}, is told`, async () => {
      const on = serve()
      const { jobs, finish } = manage(on)
      const page = new Page(on.url)
      const first = page.add(jobs.address(['1'], 'progress'), ['job:1:progress'])
      const other = page.add(jobs.address(['2'], 'progress'), ['job:2:progress'])
      await page.open()
      if (moment === 'hw:follow') await page.until(() => first.state === 'in')
      if (moment === 'snapshot') await page.until(() => first.got.length > 0)
      await finish('1')
      await page.until(() => first.state === 'done')
      expect(first.datas.at(-1)).toBe('<b>100 final</b>')
      expect(other.state).toBe('in')
      expect(page.faults).toEqual([])
    })
  }

  test('of an entity that begins again is told anew when it is followed anew', async () => {
    const on = serve()
    const { jobs, set, finish } = manage(on)
    const page = new Page(on.url)
    const other = page.add(jobs.address(['2'], 'progress'), ['job:2:progress'])
    const first = page.add(jobs.address(['1'], 'progress'), ['job:1:progress'])
    await page.start()
    await level(page, on)
    await finish('1')
    await page.until(() => first.state === 'done')
    await set('1', 7)
    const second = page.add(jobs.address(['1'], 'progress'), ['job:1:progress'])
    await page.follow(second)
    await page.until(() => second.state === 'in' && second.got.length > 0)
    await set('1', 8)
    await page.until(() => second.datas.at(-1) === '<b>8</b>')
    await finish('1')
    await page.until(() => second.state === 'done')
    expect(second.datas.at(-1)).toBe('<b>100 final</b>')
    expect(first.datas.at(-1)).toBe('<b>100 final</b>')
    expect(other.state).toBe('in')
    expect(page.faults).toEqual([])
  })

  test('of raw topics, one after the other: an address is done when its last one has ended', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    const two = page.add('/stream?topic=room:1&topic=room:2', ['room:1', 'room:2'])
    const one = page.add(room(1), ['room:1'])
    const pattern = page.add(on.hub.address(['room:*']), () => false)
    await page.start()
    await level(page, on)
    await on.hub.publish('room:1', 'last')
    await on.hub.end('room:1')
    await page.until(() => one.state === 'done')
    expect(two.state).toBe('in')
    // It goes on, so it takes both to end it now.
    await on.hub.publish('room:1', 'again')
    await on.hub.end('room:2')
    await on.hub.publish('room:1', 'and again')
    await page.until(() => two.datas.at(-1) === 'and again')
    expect(two.state).toBe('in')
    await on.hub.end('room:1')
    await page.until(() => two.state === 'done')
    expect(one.datas).toEqual(['last'])
    expect(pattern.state).toBe('in')
    expect(page.faults).toEqual([])
  })

  test('that came while the page was away is told at its return, after what it missed', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    const one = page.add(room(1, on.hub.cursor()), ['room:1'])
    const two = page.add(room(2, on.hub.cursor()), ['room:2'])
    await page.start()
    await fill(on, 'room:1', 1, 2)
    await page.until(() => one.got.length === 2)
    page.cut()
    await fill(on, 'room:1', 3, 5)
    await on.hub.end('room:1')
    await page.open()
    await page.until(() => one.state === 'done')
    expect(shown(one)).toEqual(numbers(1, 5))
    await fill(on, 'room:2', 1, 1)
    await page.until(() => two.got.length === 1)
    expect(page.faults).toEqual([])
  })
})
