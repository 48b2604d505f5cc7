/**
 * A page's stream as a connection like any other: revoked, sent to, counted, drained, killed, slow; its sources run as
 * long as it follows them.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type ConnectionDetails, MultiStreamManager, swap } from 'headwater'
import { startNode } from '../support/node'
import { ask, Page, type Source } from '../support/page-stream'
import { endPrograms } from '../support/program'
import {
  Child,
  cleanUp,
  declare,
  type Site,
  serve,
  serveElysia,
  settled,
  slowGuard,
  temporary,
} from '../support/serve'
import { startStrict } from '../support/strict'

setDefaultTimeout(30_000)
afterEach(async () => {
  await endPrograms()
  await cleanUp()
})

const viewer = (request: Request) => request.headers.get('x-user')
const by = (user: string) => ({ headers: { 'x-user': user } })
const room = (n: number, since = '') => `/stream?topic=room:${n}${since && `&since=${since}`}`
const level = (page: Page, on: Site) => page.until(() => page.position === on.hub.cursor())
const states = (...sources: Source[]) => sources.map(({ state }) => state)
const reasons = (on: Site) => {
  on.hub.registry.flush()
  return on.hub.db.$client
    .query<{ kind: string; state: string; reason: string | null }, []>(
      'select kind, state, reason from hw_connection',
    )
    .all()
}

describe('revocation', () => {
  test('H-10 of a topic takes the addresses that it concerns, and no others', async () => {
    const on = serve({ viewer })
    declare(on.hub)
    const page = new Page(on.url, by('ann'))
    const one = page.add(room(1), ['room:1'])
    const both = page.add('/stream?topic=room:1&topic=room:2', ['room:1', 'room:2'])
    const two = page.add(room(2), ['room:2'])
    const wide = page.add(on.hub.address(['room:*']), () => false)
    await page.start()
    await level(page, on)
    void on.hub.publish('room:1', 'last words')
    await on.hub.revoke({ viewer: 'ann', topic: 'room:1' })
    await page.until(() => one.state === 'refused')
    expect(states(one, both, two, wide)).toEqual(['refused', 'refused', 'in', 'refused'])
    expect(one.refused).toEqual({
      id: one.id,
      status: 403,
      reason: 'Your access to this stream has ended; reload the page.',
    })
    // After what was published before.
    expect(one.datas).toEqual(['last words'])
    expect(on.hub.stats().topics).toBe(1)
    await on.hub.publish('room:1', 'secret')
    await on.hub.publish('room:2', 'fine')
    await page.until(() => two.got.length === 1)
    expect(page.client.raw).not.toContain('secret')
    const again = page.add(room(1), ['room:1'])
    expect((await page.follow(again)).refused).toMatchObject([{ id: again.id, status: 403 }])
    const next = new Page(on.url, by('ann'))
    const refused = next.add(room(1), ['room:1'])
    const granted = next.add(room(2), ['room:2'])
    await next.start()
    expect(states(refused, granted)).toEqual(['refused', 'in'])
    const bob = new Page(on.url, by('bob'))
    const free = bob.add(room(1), ['room:1'])
    await bob.start()
    expect(free.state).toBe('in')
    await on.hub.grant({ viewer: 'ann', topic: 'room:1' })
    const back = page.add(room(1), ['room:1'])
    expect((await page.follow(back)).refused).toEqual([])
    await page.until(() => back.state === 'in')
    expect([page.faults, next.faults]).toEqual([[], []])
  })

  test('H-10 of a viewer ends the stream, and its return is refused with 403', async () => {
    const on = serve({ viewer })
    declare(on.hub)
    const ann = new Page(on.url, by('ann'))
    const sources = [1, 2, 3].map((n) => ann.add(room(n), [`room:${n}`]))
    const bob = new Page(on.url, by('bob'))
    const own = bob.add(room(1), ['room:1'])
    await Promise.all([ann.start(), bob.start()])
    await on.hub.revoke({ viewer: 'ann' })
    await ann.until(() => ann.client.ended)
    expect(states(...sources)).toEqual(['refused', 'refused', 'refused'])
    const follow = [{ id: 'a', address: room(1) }]
    const answer = await ask(`${on.url}/stream`, { follow }, { 'x-user': 'ann' })
    expect([answer.status, answer.refused?.map(({ status }) => status)]).toEqual([403, [403]])
    await on.hub.publish('room:1', 'still here')
    await bob.until(() => own.got.length === 1)
    expect(reasons(on).map(({ reason }) => reason)).toContainEqual('revoked')
    expect(on.errors).toEqual([])
  })

  test('H-10 of what is over too, and while a guard thinks, and while it catches up', async () => {
    const on = serve({ viewer })
    declare(on.hub)
    const { asked, grant } = slowGuard(on.hub)
    new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'job',
      getEntity: (id) => ({ id }),
      isActive: () => false,
      guard: 'public',
    }).register({ name: 'state', kind: 'state', render: () => 'secret result' })
    await on.hub.revoke({ topic: 'job:7:state' })
    const page = new Page(on.url, by('ann'))
    const result = page.add('/stream/job?id=7', () => true)
    const slow = page.add('/stream?topic=slow', ['slow'])
    const own = page.add(room(1), ['room:1'])
    const opening = page.start()
    await asked
    await on.hub.revoke({ viewer: 'ann', topic: 'slow' })
    grant(true)
    await opening
    expect(states(result, slow, own)).toEqual(['refused', 'refused', 'in'])
    expect(page.client.raw).not.toContain('secret')
  })

  test('H-10 from another process takes addresses here within a moment', async () => {
    const database = temporary()
    const on = serve({ database, viewer })
    declare(on.hub)
    const other = await startStrict({ database })
    const here = new Page(on.url, by('ann'))
    const there = new Page(other.url, by('ann'))
    const sources = [here, there].map((page) => [
      page.add(room(1), ['room:1']),
      page.add(room(2), ['room:2']),
    ]) as [Source, Source][]
    await Promise.all([here.start(), there.start()])
    await Promise.all([level(here, on), level(there, on)])
    await other.ask({ revoke: { topic: 'room:1' } })
    await here.until(() => sources[0]?.[0].state === 'refused')
    await there.until(() => sources[1]?.[0].state === 'refused')
    await on.hub.publish('room:2', 'on')
    await here.until(() => sources[0]?.[1].got.length === 1)
    await there.until(() => sources[1]?.[1].got.length === 1)
    await other.ask({ revoke: { viewer: 'ann' } })
    await Promise.all([here, there].map((page) => page.until(() => page.client.ended)))
    expect([here.faults, there.faults]).toEqual([[], []])
  })
})

describe('as a connection', () => {
  test('C-27 is one of kind page, in the statistics, the registry and the hooks, with what it follows now', async () => {
    const told: [string, ConnectionDetails, string?][] = []
    const on = serve({
      viewer,
      onConnect: (connection) => told.push(['on', connection]),
      onDisconnect: (connection, reason) => told.push(['off', connection, reason]),
    })
    declare(on.hub)
    const page = new Page(on.url, by('ann'))
    const one = page.add(room(1), ['room:1'])
    page.add('/stream?topic=room:2&topic=cell:1', ['room:2', 'cell:1'])
    await page.start()
    expect(on.hub.stats()).toMatchObject({ active: 1, total: 1, topics: 3, byKind: { page: 1 } })
    const row = () => on.hub.registry.find(page.connection as string)
    expect(told.map(([name, { id, kind, viewer: who }]) => [name, id, kind, who])).toEqual([
      ['on', page.connection as string, 'page', 'ann'],
    ])
    on.hub.registry.flush()
    expect(row()?.topics.toSorted()).toEqual(['cell:1', 'room:1', 'room:2'])
    await page.follow(page.add(room(3), ['room:3']))
    await page.drop(one)
    on.hub.registry.flush()
    expect(row()?.topics.toSorted()).toEqual(['cell:1', 'room:2', 'room:3'])
    page.cut()
    await settled(() => told.length === 2)
    const [, off] = told
    expect([off?.[0], off?.[1].id, off?.[2]]).toEqual(['off', page.connection as string, 'left'])
    expect(off?.[1].topics.toSorted()).toEqual(['cell:1', 'room:2', 'room:3'])
    expect(reasons(on)).toEqual([{ kind: 'page', state: 'closed', reason: 'left' }])
  })

  test('C-40 is reached by send, left out by except, and counted by broadcast', async () => {
    const on = serve()
    declare(on.hub)
    const [page, other] = [new Page(on.url), new Page(on.url)]
    const own = page.add(room(1), ['room:1'])
    const patches = page.add(room(2), ['room:2', 'message'])
    const others = other.add(room(1), ['room:1'])
    await Promise.all([page.start(), other.start()])
    await Promise.all([level(page, on), level(other, on)])
    const id = page.connection as string
    expect(await on.hub.send(id, 'room:1', 'for you')).toBe(true)
    expect(await on.hub.send(id, 'room:9', 'not followed')).toBe(false)
    const added = page.add(room(9), ['room:9'])
    await page.follow(added)
    await page.until(() => added.state === 'in')
    on.hub.registry.flush()
    expect(await on.hub.send(id, 'room:9', 'now it is')).toBe(true)
    await on.hub.publish('room:1', 'not for you', { except: id })
    await on.hub.publish('room:1', 'for all')
    expect((await on.hub.broadcast(['room:1', 'room:2'], 'both')).delivered).toBe(2)
    expect((await on.hub.broadcast('**', swap.innerHTML('#x', 'everyone'))).delivered).toBe(2)
    expect((await on.hub.broadcast('room:9', 'one')).delivered).toBe(1)
    await page.until(() => added.datas.at(-1) === 'one')
    await other.until(() => others.datas.at(-1) === 'both')
    expect(own.datas).toEqual(['for you', 'for all', 'both'])
    expect(added.datas).toEqual(['now it is', 'one'])
    expect(patches.datas.filter((data) => data.includes('everyone'))).toHaveLength(1)
    expect(others.datas).toEqual(['not for you', 'for all', 'both'])
    expect(await on.hub.send(id, 'room:1', 'still')).toBe(true)
    await page.drop(own)
    on.hub.registry.flush()
    expect(await on.hub.send(id, 'room:1', 'dropped')).toBe(false)
    await on.hub.publish('room:2', 'end')
    await page.until(() => patches.datas.at(-1) === 'end')
    expect(page.client.raw).not.toContain('dropped')
    expect([page.faults, other.faults]).toEqual([[], []])
  })

  test('what is sent to one, or to all but one, is right for each source in catching up too', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    const own = page.add(room(1, on.hub.cursor()), ['room:1'])
    await page.start()
    const before = on.hub.cursor()
    const id = page.connection as string
    for (let n = 1; n <= 10; n++) {
      await on.hub.publish('room:2', `<p>${n}</p>`, n % 2 === 0 ? { except: id } : {})
    }
    const late = page.add(room(2), ['room:2'], { cursor: before })
    await page.follow(late)
    await page.until(() => late.got.length === 5)
    await on.hub.publish('room:1', 'x')
    await page.until(() => own.got.length === 1)
    expect(late.datas).toEqual([1, 3, 5, 7, 9].map((n) => `<p>${n}</p>`))
  })

  test('beats every heartbeat, with its cursor when that has moved', async () => {
    const on = serve({ limits: { heartbeat: 100 } })
    declare(on.hub)
    const page = new Page(on.url)
    page.add(room(1), ['room:1'])
    await page.start()
    await level(page, on)
    expect(page.heartbeat).toBe(100)
    const { comments } = page.client
    const before = comments.length
    await page.until(() => comments.length >= before + 3)
    await on.hub.publish('room:2', 'of another')
    const moved = on.hub.cursor()
    await page.until(() => page.position === moved)
    // The cursors of its sources go with it, so that a return asks for less.
    expect([...page.sources.values()].map(({ cursor }) => cursor)).toEqual([moved])
    expect(page.faults).toEqual([])
  })

  test('has sources of managers run while it follows them, and stop when it drops them or goes', async () => {
    const on = serve({ limits: { grace: 50 } })
    const running = new Set<string>()
    const started: string[] = []
    const ticks = new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'tick',
      getEntity: (id) => ({ id }),
      guard: 'public',
    }).register({
      name: 'lines',
      kind: 'log',
      key: (n: number) => n,
      source: async function* (id, { after, signal }) {
        started.push(id)
        running.add(id)
        try {
          for (let n = Number(after ?? 0) + 1; !signal.aborted; n++) {
            yield n
            await Bun.sleep(2)
          }
        } finally {
          running.delete(id)
        }
      },
      render: (n: number) => `<li>${n}</li>`,
    })
    const is = (...ids: string[]) =>
      settled(() => [...running].toSorted().join() === ids.join(), 2_000)
    const page = new Page(on.url)
    const add = (id: string) => page.add(ticks.address([id]), [`tick:${id}:lines`])
    const [a, b] = [add('a'), add('b')]
    await page.start()
    await page.until(() => a.got.length > 3 && b.got.length > 3)
    await is('a', 'b')
    const [c, again] = [add('c'), add('a')]
    await page.follow(c, again)
    await page.until(() => c.got.length > 3)
    await is('a', 'b', 'c')
    await page.drop(a, b)
    await is('a', 'c')
    await page.drop(again)
    await is('c')
    const back = add('b')
    await page.follow(back)
    await page.until(() => back.got.length > 1)
    await is('b', 'c')
    page.cut()
    await is()
    expect(started.toSorted()).toEqual(['a', 'b', 'b', 'c'])
    expect(page.faults).toEqual([])
  })

  test('C-23 is done with a source that has no more, and others go on', async () => {
    const on = serve()
    const ticks = new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'few',
      getEntity: (id) => ({ id }),
      guard: 'public',
    }).register({
      name: 'lines',
      kind: 'log',
      key: (n: number) => n,
      source: async function* (id) {
        for (let n = 1; n <= Number(id); n++) {
          yield n
          await Bun.sleep(1)
        }
      },
      render: (n: number) => `<li>${n}</li>`,
    })
    const page = new Page(on.url)
    const few = page.add(ticks.address(['3']), ['few:3:lines'])
    const many = page.add(ticks.address(['2000']), ['few:2000:lines'])
    await page.start()
    await page.until(() => few.state === 'done')
    expect(few.datas.join('').match(/<\/li>/g)).toHaveLength(3)
    expect(many.state).toBe('in')
    const late = page.add(ticks.address(['3']), ['few:3:lines'])
    await page.follow(late)
    await page.until(() => late.state === 'done')
    expect(late.datas.join('').match(/<\/li>/g)).toHaveLength(3)
    expect(page.faults).toEqual([])
  })
})

describe('several processes', () => {
  test('publish to a page of one: each source has everything, once, in order', async () => {
    const database = temporary()
    const on = serve({ database })
    declare(on.hub)
    const child = await new Child(database).ready()
    const page = new Page(on.url)
    const start = on.hub.cursor()
    const rooms = [1, 2].map((n) => page.add(room(n, start), [`room:${n}`]))
    await page.start()
    const theirs = child.tell({ burst: ['room:1', 200] })
    const ours = (async () => {
      for (let n = 1; n <= 200; n++) await on.hub.publish('room:2', `<p id="b${n}">${n}</p>`)
    })()
    const added: Source[] = []
    for (let n = 0; n < 10; n++) {
      const source = page.add(room(1 + (n % 2), start), [`room:${1 + (n % 2)}`])
      added.push(source)
      await page.follow(source)
      await Bun.sleep(3)
    }
    await Promise.all([theirs, ours])
    await page.until(() => [...rooms, ...added].every(({ got }) => got.length >= 200))
    const whole = Array.from({ length: 200 }, (_, i) => `<p id="b${i + 1}">${i + 1}</p>`)
    for (const source of [...rooms, ...added]) expect(source.datas).toEqual(whole)
    expect(page.faults).toEqual([])
  })

  test('H-01 H-08 killed and started again, a page goes on at the next with the cursors of its sources', async () => {
    const database = temporary()
    const limits = { replay: 1_000_000, lease: 30_000 }
    let page: Page | undefined
    const sources: Source[] = []
    let cursors: (string | undefined)[] = []
    for (let round = 0; round < 4; round++) {
      const { node, url } = await startNode({ database, limits })
      const before: Source[] = sources.splice(0)
      page = new Page(url)
      for (let n = 0; n < 4; n++) {
        const old = before[n]
        const source = page.add(room(n), [`room:${n}`], { cursor: cursors[n] })
        source.got.push(...(old?.got ?? []))
        sources.push(source)
      }
      const current = page
      await current.start()
      if (round === 3) {
        for (let n = 0; n < 4; n++) node.tell({ publish: [`room:${n}`, 'end'] })
        await current.until(() => sources.every(({ datas }) => datas.at(-1) === 'end'), 15_000)
        expect(current.faults).toEqual([])
        break
      }
      node.tell({
        callers: { count: 8, confirmed: `${database}.confirmed`, from: round * 10_000, pause: 4 },
      })
      const had = sources.reduce((sum, { got }) => sum + got.length, 0)
      await current.until(() => sources.reduce((sum, { got }) => sum + got.length, 0) > had + 100)
      // One more, in the middle of it.
      const late = current.add(room(0), ['room:0'], { cursor: sources[0]?.cursor })
      await current.follow(late)
      await node.kill()
      await current.until(() => current.client.ended)
      cursors = sources.map(({ cursor }) => cursor)
      expect(current.faults).toEqual([])
    }
    const confirmed = (await Bun.file(`${database}.confirmed`).text()).trim().split('\n')
    expect(confirmed.length).toBeGreaterThan(100)
    for (const [n, source] of sources.entries()) {
      const texts = source.got.map(({ data }) => data.trim())
      expect(new Set(texts).size).toBe(texts.length)
      const missing = confirmed.filter((line) => {
        const [caller, number, topic] = line.split(' ')
        return topic === `room:${n}` && !texts.includes(`${caller}-${number}`)
      })
      expect(missing).toEqual([])
      const seqs = source.got.map(({ id }) => Number(id?.split('.').at(-1)))
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
    }
  })
})

describe('the end of a process', () => {
  for (const [name, begin] of [
    ['Bun.serve', serve],
    ['Elysia', serveElysia],
  ] as const) {
    test(`H-09 a drain behind ${name} loses nothing, and answers 503 with a Retry-After afterwards`, async () => {
      const database = temporary()
      const options = { database, limits: { replay: 1_000_000 } }
      const [old, next] = [begin(options), begin(options)]
      declare(old.hub)
      declare(next.hub)
      const start = old.hub.cursor()
      const pages = Array.from({ length: 8 }, () => new Page(old.url))
      const sources = pages.map((page) => page.add(room(1, start), ['room:1']))
      await Promise.all(pages.map((page) => page.start()))
      let n = 0
      let publishing = true
      const published = (async () => {
        while (publishing) {
          await next.hub.publish('room:1', `<p>${++n}</p>`)
          if (n % 5 === 0) await Bun.sleep(1)
        }
      })()
      const draining = old.hub.drain({ within: 300 })
      await settled(() => pages.some(({ client }) => client.ended))
      const follow = [{ id: 'a', address: room(1) }]
      const late = await ask(`${old.url}/stream`, { follow })
      expect(late.status).toBe(503)
      expect(Number(late.headers['retry-after'])).toBeGreaterThan(0)
      await draining
      const cursors = sources.map(({ cursor }) => cursor)
      const again = pages.map((_, i) => {
        const page = new Page(next.url)
        return { page, source: page.add(room(1), ['room:1'], { cursor: cursors[i] }) }
      })
      await Promise.all(again.map(({ page }) => page.start()))
      publishing = false
      await published
      await next.hub.publish('room:1', '<p>end</p>')
      const whole = [...Array.from({ length: n }, (_, i) => `<p>${i + 1}</p>`), '<p>end</p>']
      for (const [i, { page, source }] of again.entries()) {
        await page.until(() => source.datas.at(-1) === '<p>end</p>')
        expect([...(sources[i]?.datas ?? []), ...source.datas]).toEqual(whole)
        expect([page.faults, pages[i]?.faults]).toEqual([[], []])
      }
      const { connection } = again[0]?.page ?? {}
      expect((await ask(`${old.url}/stream`, { connection, drop: ['a'] })).status).toBeOneOf([
        404, 503,
      ])
    })
  }

  test('H-09 SIGTERM ends the pages of a process, which exits in time with 0', async () => {
    const { node, url } = await startNode({ database: temporary(), within: 500 })
    const page = new Page(url)
    page.add(room(1), ['room:1'])
    await page.start()
    node.signal('SIGTERM')
    await page.until(() => page.client.ended)
    expect(await node.end()).toBe(0)
  })
})

describe('a slow reader', () => {
  test('H-07 among twenty pages holds nobody up, and gets everything in the end', async () => {
    const on = serve({ database: temporary(), limits: { replay: 5_000 } })
    on.hub.topic('long:*', { guard: 'public', keep: { count: 5_000 } })
    declare(on.hub)
    const start = on.hub.cursor()
    const pages = Array.from({ length: 20 }, () => new Page(on.url))
    const sources = pages.map((page, i) => [
      page.add(`/stream?topic=long:1&since=${start}`, ['long:1']),
      page.add(room(i, start), [`room:${i}`]),
    ]) as [Source, Source][]
    await Promise.all(pages.map((page) => page.start()))
    await Promise.all(pages.map((page) => level(page, on)))
    const [slow, ...quick] = pages as [Page, ...Page[]]
    slow.client.pause()
    const body = 'x'.repeat(20_000)
    const delays: number[] = []
    let n = 0
    while (on.hub.stats().lagging === 0 && n < 2_000) {
      const at = performance.now()
      await on.hub.publish('long:1', `<p>${++n}</p>${body}`)
      if (n % 10 > 0) continue
      await Promise.all(
        quick.map((page, i) => page.until(() => sources[i + 1]?.[0].got.length === n)),
      )
      delays.push(performance.now() - at)
    }
    expect(on.hub.stats()).toMatchObject({ active: 20, lagging: 1 })
    for (let i = 0; i < 20; i++) await on.hub.publish(`room:${i}`, `<p>${i}</p>`)
    await Promise.all(
      quick.map((page, i) => page.until(() => sources[i + 1]?.[1].got.length === 1)),
    )
    expect(delays.toSorted((a, b) => a - b).at(-1)).toBeLessThan(1_000)
    slow.client.resume()
    await slow.until(() => sources[0]?.[1].got.length === 1, 15_000)
    const numbers = (source: Source) =>
      source.datas.map((data) => Number.parseInt(data.slice(3), 10))
    for (const [long] of sources) {
      expect(numbers(long)).toEqual(Array.from({ length: n }, (_, i) => i + 1))
    }
    expect(pages.flatMap(({ faults }) => faults)).toEqual([])
  })
})
