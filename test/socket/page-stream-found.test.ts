/** What a review of the connection of a page found, each as it is seen from the socket. */

import { afterEach, describe, expect, setDefaultTimeout, spyOn, test } from 'bun:test'
import { type Hub, MultiStreamManager, swap } from 'headwater'
import type { Connection } from '../../src/connection'
import { Interest } from '../../src/interest'
import type { Form, LogEvent } from '../../src/log/contract'
import { Pages } from '../../src/pages'
import { Subscriptions } from '../../src/subscriptions'
import { asPattern, asTopic, type Pattern } from '../../src/topic'
import { connect } from '../support/client'
import { ask, Page, type Source } from '../support/page-stream'
import { cleanUp, type Site, serve, settled } from '../support/serve'

setDefaultTimeout(20_000)
afterEach(cleanUp)

const of = (topic: string) => `/stream?topic=${topic}`
const room = (n: number) => of(`room:${n}`)
const states = (...sources: Source[]) => sources.map(({ state }) => state)
const level = (page: Page, on: Site) => page.until(() => page.position === on.hub.cursor())

/** A hub whose topics are open to all. */
function open(options: Parameters<typeof serve>[0] = {}): Site {
  const on = serve(options)
  on.hub.topic('room:*', { guard: 'public' })
  on.hub.topic('flash:*', { kind: 'signal', guard: 'public' })
  return on
}

/** Declares a topic whose snapshot is made when the test says so. */
function gate(hub: Hub, topic: string, html: string) {
  const asked = Promise.withResolvers<void>()
  const made = Promise.withResolvers<string>()
  hub.topic(topic, {
    guard: 'public',
    snapshot: () => {
      asked.resolve()
      return made.promise
    },
  })
  return { asked: asked.promise, open: () => made.resolve(html) }
}

describe('a topic by the name of "pages"', () => {
  const admin = { headers: { 'x-admin': 'yes' } }
  const both = `${of('pages')}&topic=room:1`
  const guarded = () => {
    const on = open()
    on.hub.topic('pages', { guard: (request) => request.headers.get('x-admin') === 'yes' })
    return on
  }

  test('H-10 is not sent to a page because somebody else may follow it', async () => {
    const on = guarded()
    const get = await connect(on.url + both, admin)
    await get.until(() => get.lastEventId !== '')
    const page = new Page(on.url)
    const own = page.add(room(1), ['room:1'])
    await page.start()
    await level(page, on)
    await on.hub.publish('pages', 'secret of admins')
    await on.hub.publish('room:1', 'hello')
    await page.until(() => own.got.length === 1)
    await get.until(() => get.events.length === 2)
    expect(page.client.raw).not.toContain('secret')
    expect(page.strays).toEqual([])
  })

  test('is sent to who may follow it, whatever a page follows', async () => {
    const on = guarded()
    const page = new Page(on.url)
    const own = page.add(room(1), ['room:1'])
    await page.start()
    await level(page, on)
    const get = await connect(on.url + both, admin)
    await get.until(() => get.lastEventId !== '')
    await on.hub.publish('pages', 'for admins')
    await on.hub.publish('room:1', 'for all')
    await page.until(() => own.got.length === 1)
    await get.until(() => get.events.some(({ data }) => data === 'for all'))
    expect(get.events.map(({ data }) => data)).toEqual(['for admins', 'for all'])
    expect(page.client.raw).not.toContain('for admins')
  })
})

describe('what is taken away while snapshots are made', () => {
  test('H-10 a revoked topic is not shown any more, though its snapshot was due', async () => {
    const on = open()
    const first = gate(on.hub, 'a', 'of a')
    let shown = 0
    on.hub.topic('private', { guard: 'public', snapshot: () => `secret ${++shown}` })
    const page = new Page(on.url)
    const a = page.add(of('a'), ['a'])
    const secret = page.add(of('private'), ['private'])
    await page.open()
    await first.asked
    await on.hub.revoke({ topic: 'private' })
    first.open()
    await level(page, on)
    expect(states(a, secret)).toEqual(['in', 'refused'])
    expect(a.datas).toEqual(['of a'])
    expect([shown, page.client.raw.includes('secret')]).toEqual([0, false])
    expect(page.faults).toEqual([])
  })

  test('H-10 nor is what the app was making of it', async () => {
    const on = open()
    const secret = gate(on.hub, 'private', 'secret')
    const page = new Page(on.url)
    const own = page.add(room(1), ['room:1'])
    const taken = page.add(of('private'), ['private'])
    await page.open()
    await secret.asked
    await on.hub.revoke({ topic: 'private' })
    secret.open()
    await level(page, on)
    expect(states(own, taken)).toEqual(['in', 'refused'])
    expect(page.client.raw).not.toContain('secret')
  })

  test('H-10 of a log it says nothing either, however slowly the page reads', async () => {
    const on = open()
    on.hub.topic('private', { guard: 'public' })
    const large = 'x'.repeat(1_000_000)
    const page = new Page(on.url)
    for (let n = 10; n < 25; n++) {
      await on.hub.publish(`room:${n}`, `${n} ${large}`)
      page.add(room(n), [`room:${n}`])
    }
    await on.hub.publish('room:99', 'secret')
    const secret = page.add(room(99), ['room:99'])
    await page.open()
    page.client.pause()
    await settled(() => on.hub.stats().lagging === 1)
    await on.hub.revoke({ topic: 'room:99' })
    page.client.resume()
    await level(page, on)
    expect(secret.state).toBe('refused')
    expect(page.client.raw).not.toContain('secret')
    const others = [...page.sources.values()].filter((source) => source !== secret)
    expect(others.map(({ got }) => got.length)).toEqual(others.map(() => 1))
  })

  test('the snapshots of dropped addresses are not made', async () => {
    const on = open()
    const first = gate(on.hub, 'a', 'of a')
    let shown = 0
    on.hub.topic('b:*', { guard: 'public', snapshot: () => `b ${++shown}` })
    const page = new Page(on.url)
    const a = page.add(of('a'), ['a'])
    const dropped = [1, 2, 3].map((n) => page.add(of(`b:${n}`), [`b:${n}`]))
    await page.open()
    await first.asked
    await page.until(() => dropped.every(({ state }) => state === 'in'))
    await page.drop(...dropped)
    first.open()
    await level(page, on)
    expect([a.datas, shown, page.strays]).toEqual([['of a'], 0, []])
  })
})

describe('one address that can not be had takes no other down', () => {
  test('C-11 a snapshot that throws: 500 for its address alone, until it can be made', async () => {
    const on = open()
    let isBroken = true
    const snapshot = () => {
      if (isBroken) throw new Error('boom')
      return 'mended'
    }
    on.hub.topic('bad', { guard: 'public', snapshot })
    const page = new Page(on.url)
    const own = page.add(room(1), ['room:1'])
    const first = page.add(of('bad'), ['bad'])
    await page.start()
    await level(page, on)
    const second = page.add(of('bad'), ['bad'])
    await page.follow(second)
    await page.until(() => second.state === 'refused')
    await on.hub.publish('room:1', 'still here')
    await page.until(() => own.got.length === 1)
    expect([first, second].map(({ refused }) => refused?.status)).toEqual([500, 500])
    expect([page.client.ended, page.faults]).toEqual([false, []])
    expect(on.errors.map(String)).toEqual(['Error: boom', 'Error: boom'])
    isBroken = false
    const third = page.add(of('bad'), ['bad'])
    await page.follow(third)
    await page.until(() => third.got.length === 1)
    expect([third.datas, own.state]).toEqual([['mended'], 'in'])
  })

  test('a snapshot that never comes: 500 for its address after the limit', async () => {
    const on = open({ limits: { render: 100 } })
    const never = gate(on.hub, 'never', '')
    const page = new Page(on.url)
    const own = page.add(room(1), ['room:1'])
    const stuck = page.add(of('never'), ['never'])
    await page.open()
    await never.asked
    await on.hub.publish('room:1', 'still here')
    await page.until(() => own.got.length === 1 && stuck.state === 'refused')
    expect([stuck.refused?.status, own.state, page.client.ended]).toEqual([500, 'in', false])
    expect([on.errors.length, page.faults]).toEqual([1, []])
  })

  test('a guard, or an entity, that never comes: 503 for its address after the limit', async () => {
    const on = open({ limits: { render: 100 } })
    const forever = new Promise<never>(() => {})
    on.hub.topic('slow', { guard: () => forever })
    const jobs = new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'job',
      getEntity: () => forever,
      guard: 'public',
    }).register({ name: 'lines', kind: 'log', render: (line: string) => line })
    const page = new Page(on.url)
    const own = page.add(room(1), ['room:1'])
    const slow = page.add(of('slow'), ['slow'])
    const job = page.add(jobs.address(['1'], 'lines'), ['job:1:lines'])
    await page.start()
    await on.hub.publish('room:1', 'still here')
    await page.until(() => own.got.length === 1)
    expect([slow, job].map(({ refused }) => refused?.status)).toEqual([503, 503])
    expect(page.faults).toEqual([])
  })
})

describe('limits', () => {
  test('H-10 an id that is dropped many times makes room for one', async () => {
    const on = open({ limits: { addresses: 4 } })
    const page = new Page(on.url)
    for (let n = 0; n < 4; n++) page.add(room(n), [], { id: `n${n}` })
    await page.start()
    const change = (...made: number[]) =>
      ask(`${on.url}/stream`, {
        connection: page.connection,
        drop: ['n0', 'n0', 'n0', 'n0'],
        follow: made.map((n) => ({ id: `m${n}`, address: room(n) })),
      })
    page.add(room(5), [], { id: 'm5' }).state = 'asked'
    const answer = await change(5, 6, 7)
    expect([answer.status, JSON.parse(answer.text).refused.length]).toEqual([200, 2])
    await page.until(() => page.sources.get('m5')?.state === 'in')
    expect(on.hub.stats().topics).toBe(4)
  })

  test('a change of a connection that is not here asks no guard', async () => {
    const on = open()
    let asked = 0
    on.hub.topic('guarded', { guard: () => ++asked > 0 })
    const follow = [{ id: 'a', address: of('guarded') }]
    const answer = await ask(`${on.url}/stream`, { connection: 'gone', follow })
    expect([answer.status, asked]).toEqual([404, 0])
  })

  test('4,000 cursors of one address are taken up in few steps, and the head comes at once', async () => {
    const on = open({ limits: { addresses: 6_000 } })
    const cursors: string[] = []
    for (let n = 0; n < 4_000; n++) cursors.push((await on.hub.publish('room:0', 'x')) as string)
    const page = new Page(on.url)
    for (const cursor of cursors) page.add(room(1), () => false, { cursor })
    const before = performance.now()
    await page.open()
    await page.until(() => page.connection !== undefined, 2_000)
    const opened = performance.now() - before
    await page.until(() => page.position === on.hub.cursor())
    const live = performance.now() - before
    expect(page.told.filter(([name]) => name === 'hw:follow').length).toBeLessThanOrEqual(40)
    expect(opened).toBeLessThan(2_000)
    expect(live).toBeLessThan(5_000)
    expect([...page.sources.values()].every(({ state }) => state === 'in')).toBe(true)
    expect(page.faults).toEqual([])
  })

  test('H-01 what begins together has everything from its own cursor on, once', async () => {
    const on = open()
    const cursors: string[] = []
    for (let n = 0; n < 200; n++) cursors.push((await on.hub.publish('room:1', `${n}`)) as string)
    const page = new Page(on.url)
    const sources = cursors.map((cursor) => page.add(room(1), ['room:1'], { cursor }))
    await page.start()
    await level(page, on)
    const lacked = (after: number) =>
      Array.from({ length: 199 - after }, (_, n) => `${after + 1 + n}`)
    expect(sources.map(({ datas }) => datas)).toEqual(cursors.map((_, n) => lacked(n)))
    expect(page.faults).toEqual([])
  })
})

describe("the app's word about one address", () => {
  interface Job {
    id: string
    active: boolean
  }
  const jobsOf = (on: Site) => {
    const known = new Map<string, Job>()
    const jobs = new MultiStreamManager<Job>(on.hub, {
      name: 'job',
      guard: 'public',
      getEntity: (id) => known.get(id),
      isActive: ({ active }) => active,
    }).register({ name: 'lines', kind: 'log', render: (line: string) => line })
    return { jobs, set: (id: string, active: boolean) => known.set(id, { id, active }) }
  }
  const lines = (id: string) => [`job:${id}:lines`]
  /** A slot is emptied when it is followed anew; that is no line. */
  const has = (source: Source, data: string) => source.datas.some((one) => one.includes(data))

  test('C-23 does not end another of the same topic: it has its last events, then it is done', async () => {
    const on = open()
    const { jobs, set } = jobsOf(on)
    set('1', true)
    await jobs.publish('1', 'lines', 'first')
    const page = new Page(on.url)
    const early = page.add(jobs.address(['1'], 'lines'), lines('1'))
    await page.start()
    await level(page, on)
    // The row says so; its last line, and finish(), come in a moment.
    set('1', false)
    const late = page.add(jobs.address(['1'], 'lines'), lines('1'))
    await page.follow(late)
    await page.until(() => late.state === 'done')
    expect(early.state).toBe('in')
    await jobs.publish('1', 'lines', 'last')
    await jobs.finish('1')
    await page.until(() => early.state === 'done')
    expect(has(early, 'last')).toBe(true)
    expect(page.faults).toEqual([])
  })

  for (const order of ['before', 'after']) {
    test(`C-23 of a log that has ended, an active entity stays, with a plain address ${order} it`, async () => {
      const on = open()
      const { jobs, set } = jobsOf(on)
      set('1', true)
      await jobs.publish('1', 'lines', 'first')
      await on.hub.end('job:1:lines')
      const page = new Page(on.url)
      const addresses = [on.hub.address(lines('1')), jobs.address(['1'], 'lines')]
      if (order === 'after') addresses.reverse()
      const added = addresses.map((address) => page.add(address, lines('1')))
      if (order === 'after') added.reverse()
      const [plain, active] = added as [Source, Source]
      await page.start()
      await page.until(() => plain.state === 'done')
      await level(page, on)
      expect(active.state).toBe('in')
      await jobs.publish('1', 'lines', 'it goes on')
      await page.until(() => has(active, 'it goes on'))
      expect(page.faults).toEqual([])
    })
  }

  test('C-23 counts no more once the topic goes on', async () => {
    const on = open()
    const { jobs, set } = jobsOf(on)
    set('1', true)
    await jobs.publish('1', 'lines', 'first')
    set('1', false)
    const slow = gate(on.hub, 'a', 'of a')
    const page = new Page(on.url)
    page.add(of('a'), ['a'])
    const job = page.add(jobs.address(['1'], 'lines'), lines('1'))
    await page.open()
    await slow.asked
    // Begun again before the page has come so far that it could be told.
    await jobs.begin('1')
    await jobs.publish('1', 'lines', 'again')
    slow.open()
    await level(page, on)
    expect(job.state).toBe('in')
    expect(has(job, 'again')).toBe(true)
  })
})

describe('while an address is added', () => {
  test('signals reach the others', async () => {
    const on = open()
    const slow = gate(on.hub, 'slow', 'of slow')
    const page = new Page(on.url)
    const flash = page.add(of('flash:1'), ['flash:1'])
    const patches = page.add(room(1), ['message'])
    await page.start()
    await level(page, on)
    await page.follow(page.add(of('slow'), ['slow']))
    await slow.asked
    const sent = Array.from({ length: 10 }, (_, n) => `${n}`)
    for (const n of sent) await on.hub.publish('flash:1', n)
    await on.hub.broadcast('**', swap.innerHTML('#notice', 'to everyone'))
    await page.until(() => flash.got.length === 10 && patches.got.length === 1)
    slow.open()
    await level(page, on)
    expect(flash.datas).toEqual(sent)
    expect(patches.datas.join()).toContain('to everyone')
    expect([on.hub.stats().dropped, page.faults]).toEqual([0, []])
  })

  test('signals of what is added come when it takes part, not before', async () => {
    const on = open()
    const slow = gate(on.hub, 'slow', 'of slow')
    const page = new Page(on.url)
    page.add(room(1), ['room:1'])
    await page.start()
    await level(page, on)
    const flash = page.add(of('flash:1'), ['flash:1'])
    await page.follow(flash, page.add(of('slow'), ['slow']))
    await slow.asked
    await on.hub.publish('flash:1', 'early')
    slow.open()
    await page.until(() => flash.state === 'in')
    await page.until(() => page.client.raw.includes('of slow'))
    await level(page, on)
    await on.hub.publish('flash:1', 'late')
    await page.until(() => has(flash, 'late'))
    expect([page.strays, page.faults]).toEqual([[], []])
  })
  const has = ({ datas }: Source, data: string) => datas.includes(data)
})

describe('the order of what a page is told', () => {
  test('H-10 hw:open comes first, also if access is taken while it opens', async () => {
    const on: Site = open({ onConnect: () => void on.hub.revoke({ topic: 'room:1' }) })
    const page = new Page(on.url)
    const taken = page.add(room(1), ['room:1'])
    const own = page.add(room(2), ['room:2'])
    await page.start()
    await on.hub.publish('room:2', 'live')
    await page.until(() => own.got.length === 1)
    expect(states(taken, own)).toEqual(['refused', 'in'])
    expect(page.told.map(([name]) => name)).toEqual(['hw:open', 'hw:refused', 'hw:follow'])
    expect(page.faults).toEqual([])
  })

  test('H-10 hw:follow of an address comes before its hw:refused', async () => {
    const on = open()
    on.hub.topic('a', {
      guard: 'public',
      snapshot: () => {
        void on.hub.revoke({ topic: 'room:1' })
        // Longer than a reader goes on in one turn.
        const until = performance.now() + 20
        while (performance.now() < until);
        return 'of a'
      },
    })
    const page = new Page(on.url)
    const a = page.add(of('a'), ['a'])
    const taken = page.add(room(1), ['room:1'])
    await page.open()
    await page.until(() => a.got.length === 1 && taken.state === 'refused')
    expect(page.faults).toEqual([])
  })
})

describe('what a stranger sends', () => {
  test('an address that is none is refused, not taken for another', async () => {
    const on = open()
    const page = new Page(on.url, { path: room(1) })
    const damaged = page.add('http://[', ['room:1'])
    const own = page.add(room(2), ['room:2'])
    await page.start()
    expect(states(damaged, own)).toEqual(['refused', 'in'])
    expect([damaged.refused?.status, on.hub.stats().topics]).toEqual([400, 1])
  })

  test('an open of which nothing can be had now says when to come back', async () => {
    const on = open({ limits: { render: 50 } })
    on.hub.topic('slow', { guard: () => new Promise<never>(() => {}) })
    const answer = await ask(`${on.url}/stream`, { follow: [{ id: 'a', address: of('slow') }] })
    expect(answer.status).toBe(503)
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
  })
})

describe('nothing is kept of what nobody follows', () => {
  test('the ends of topics of others: when these go on, no page is looked at', () => {
    const pages = new Pages()
    const subscriptions = new Subscriptions()
    subscriptions.add([subscription('a', asPattern('room:1'))])
    const interest = new Interest(subscriptions.topics())
    const looks = spyOn(interest, 'has')
    // No more of a connection is needed.
    pages.add({ interest, subscriptions } as unknown as Connection)
    const looksFor = (topic: string) => {
      pages.mark(event(topic, 'end'))
      looks.mockClear()
      pages.mark(event(topic, 'item'))
      return looks.mock.calls.length
    }
    expect([looksFor('job:1:lines'), looksFor('room:1')]).toEqual([0, 1])
    expect([...subscriptions.ended()]).toEqual([])
  })

  test('the ends of topics that only a pattern of the page matches', () => {
    const all = new Subscriptions()
    all.add([subscription('a', asPattern('room:*'))])
    all.mark(asTopic('room:1'), 'end')
    expect([...all.ended()]).toEqual([])
  })

  test('addresses that were dropped before they were taken up', () => {
    const all = new Subscriptions()
    all.add([subscription('a', asPattern('room:1')), subscription('b', asPattern('room:2'))])
    all.drop(['a'])
    expect(all.isAsked).toBe(true)
    all.drop(['b'])
    expect([all.isAsked, all.take(), all.topics()]).toEqual([false, [], []])
  })

  const event = (topic: string, form: Form): LogEvent => {
    const [key, audience] = [null, null]
    return { topic: asTopic(topic), kind: 'log', form, key, audience, data: '', at: 0, seq: 1 }
  }
  const subscription = (id: string, ...topics: Pattern[]) => {
    return { id, topics, ended: [], open: [], aside: [], first: [], cursor: undefined }
  }
})
