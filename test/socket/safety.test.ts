/**
 * Safety: whose connections are ended and refused, from where requests are taken, and how many are granted.
 */
import { afterEach, describe, expect, setDefaultTimeout, spyOn, test } from 'bun:test'
import { connect as connectTcp, type Socket } from 'node:net'
import { all, Hub, MultiStreamManager, swap } from 'headwater'
import { memoryLog } from 'headwater/log'
import { Admission } from '../../src/admission'
import { defaults } from '../../src/limits'
import { Refusal } from '../../src/refusal'
import { type Client, type ConnectOptions, connect } from '../support/client'
import { endPrograms } from '../support/program'
import {
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

type Options = Parameters<typeof serve>[0]

const viewer = (request: Request) => request.headers.get('x-user')
const by = (user: string): ConnectOptions => ({ headers: { 'x-user': user } })
const live = (client: Client) => client.until(() => client.lastEventId !== '')
const body = async (client: Client) => {
  await client.until(() => client.raw !== '')
  return client.raw
}

describe('revocation', () => {
  const ways: [string, (on: Site) => string][] = [
    ['a signed address', (on) => on.hub.address(['note:1'], { viewer: 'ann' })],
    ['an address signed for nobody', (on) => on.hub.address(['note:1'])],
    ['a guard', () => '/stream?topic=own:1'],
    ['a public topic', () => '/stream?topic=room:1'],
    ['an entity', () => '/stream/tick/lines?id=1'],
  ]
  for (const [what, path] of ways) {
    test(`H-10 of a viewer ends ${what} at once, refuses its return, and is taken back`, async () => {
      const on = serve({ viewer })
      declare(on.hub)
      on.hub.topic('own:*', { guard: (request) => viewer(request) !== null })
      const address = path(on)
      const [ann, bob] = [
        await connect(on.url + address, by('ann')),
        await connect(`${on.url}/stream?topic=room:1`, by('bob')),
      ]
      await Promise.all([live(ann), live(bob)])
      await on.hub.revoke({ viewer: 'ann' })
      await ann.until(() => ann.ended, 1_000)
      const again = await connect(on.url + address, by('ann'))
      expect([again.status, await body(again)]).toEqual([
        403,
        'Your access to this stream has ended; reload the page.\n',
      ])
      expect(on.refusals).toEqual(['403 Your access to this stream has ended; reload the page.'])
      await on.hub.publish('room:1', 'still here')
      await bob.until(() => bob.events.length === 1)
      await on.hub.grant({ viewer: 'ann' })
      expect((await connect(on.url + address, by('ann'))).status).toBe(200)
    })
  }

  test('H-10 is by viewer, by topic or by both, and patterns count where they overlap', async () => {
    const on = serve({ viewer })
    declare(on.hub)
    const follow = async (user: string, ...topics: string[]) => {
      const client = await connect(on.url + on.hub.address(topics), by(user))
      await live(client)
      return client
    }
    const ann1 = await follow('ann', 'room:1')
    const annAll = await follow('ann', 'room:*')
    const ann2 = await follow('ann', 'room:2', 'cell:1')
    const bob1 = await follow('bob', 'room:1')
    const bobDeep = await follow('bob', '**:1')
    const ended = () => [ann1, annAll, ann2, bob1, bobDeep].map((client) => client.ended)
    await on.hub.revoke({ viewer: 'ann', topic: 'room:1' })
    await settled(() => ann1.ended && annAll.ended)
    expect(ended()).toEqual([true, true, false, false, false])
    await on.hub.revoke({ topic: 'cell:*' })
    await settled(() => ann2.ended && bobDeep.ended)
    expect(ended()).toEqual([true, true, true, false, true])
    const status = async (user: string, ...topics: string[]) =>
      (await connect(on.url + on.hub.address(topics), by(user))).status
    expect(await status('ann', 'room:1')).toBe(403)
    expect(await status('ann', 'room:3', 'room:*')).toBe(403)
    expect(await status('ann', 'room:3')).toBe(200)
    expect(await status('bob', 'cell:7')).toBe(403)
    expect((await connect(`${on.url}/stream?topic=cell:7`)).status).toBe(403)
    // Only what was taken is given back.
    await on.hub.grant({ viewer: 'ann' })
    expect(await status('ann', 'room:1')).toBe(403)
    await on.hub.grant({ viewer: 'ann', topic: 'room:1' })
    expect(await status('ann', 'room:1')).toBe(200)
  })

  test('H-10 from another process ends connections here within a moment, and holds after a restart', async () => {
    const database = temporary()
    const on = serve({ database, viewer })
    declare(on.hub)
    const other = await startStrict({ database })
    const here = await connect(`${on.url}/stream?topic=room:1`, by('ann'))
    const there = await connect(`${other.url}/stream?topic=room:1`, by('ann'))
    const bob = await connect(`${on.url}/stream?topic=room:1`, by('bob'))
    await Promise.all([live(here), live(there), live(bob)])
    await on.hub.publish('room:1', 'before')
    const began = performance.now()
    await other.ask({ revoke: { viewer: 'ann' } })
    await Promise.all([here.until(() => here.ended), there.until(() => there.ended)])
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(here.events.map(({ data }) => data)).toEqual(['before'])
    expect((await connect(`${on.url}/stream?topic=room:1`, by('ann'))).status).toBe(403)
    expect((await connect(`${other.url}/stream?topic=room:1`, by('ann'))).status).toBe(403)
    expect(bob.ended).toBe(false)
    await other.program.kill()
    await on.stop()
    const anew = serve({ database, viewer })
    declare(anew.hub)
    expect((await connect(`${anew.url}/stream?topic=room:1`, by('ann'))).status).toBe(403)
    expect((await connect(`${anew.url}/stream?topic=room:1`, by('bob'))).status).toBe(200)
    await anew.hub.grant({ viewer: 'ann' })
    expect((await connect(`${anew.url}/stream?topic=room:1`, by('ann'))).status).toBe(200)
  })

  test('H-10 with a log that tells no other process it ends connections within a heartbeat', async () => {
    const database = temporary()
    const on = serve({ database, viewer, log: memoryLog(), limits: { heartbeat: 300 } })
    declare(on.hub)
    const ann = await connect(`${on.url}/stream?topic=room:1`, by('ann'))
    await live(ann)
    const other = await startStrict({ database })
    await other.ask({ revoke: { viewer: 'ann' } })
    await ann.until(() => ann.ended, 1_000)
    expect((await connect(`${on.url}/stream?topic=room:1`, by('ann'))).status).toBe(403)
  })

  test('H-10 comes after what was published before it, and is said in the registry', async () => {
    const on = serve({ viewer })
    declare(on.hub)
    const ann = await connect(`${on.url}/stream?topic=room:1`, by('ann'))
    await live(ann)
    void on.hub.publish('room:1', 'last words')
    void on.hub.revoke({ viewer: 'ann' })
    await ann.until(() => ann.ended)
    expect(ann.events.map(({ data }) => data)).toEqual(['last words'])
    on.hub.registry.flush()
    const rows = on.hub.db.$client.query('select state, reason from hw_connection').all()
    expect(rows).toEqual([{ state: 'closed', reason: 'revoked' }])
  })

  test('H-10 while a guard is thinking refuses as well', async () => {
    const on = serve({ viewer })
    const { asked, grant } = slowGuard(on.hub)
    const opening = connect(`${on.url}/stream?topic=slow`, by('ann'))
    await asked
    await on.hub.revoke({ viewer: 'ann' })
    grant(true)
    expect((await opening).status).toBe(403)
  })

  test('H-10 of a topic whose entity is over hides its final content too', async () => {
    const on = serve({ viewer })
    new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'job',
      getEntity: (id) => ({ id }),
      isActive: () => false,
      guard: 'public',
    }).register({ name: 'state', kind: 'state', render: () => 'secret result' })
    await on.hub.revoke({ viewer: 'ann', topic: 'job:7:state' })
    const ann = await connect(`${on.url}/stream/job?id=7`, by('ann'))
    expect([ann.status, await body(ann)]).toEqual([403, expect.not.stringContaining('secret')])
    const bob = await connect(`${on.url}/stream/job?id=7`, by('bob'))
    expect(await body(bob)).toContain('secret')
  })

  test('H-10 holds for as long as it was said, and its row goes with a later one', async () => {
    const on = serve({ viewer })
    declare(on.hub)
    const status = async () => (await connect(`${on.url}/stream?topic=room:1`, by('ann'))).status
    await on.hub.revoke({ viewer: 'ann', expires: 300 })
    expect(await status()).toBe(403)
    await settled(async () => (await status()) === 200)
    await on.hub.revoke({ viewer: 'bob', expires: new Date(Date.now() + 60_000) })
    const rows = on.hub.db.$client.query('select viewer from hw_revocation').all()
    expect(rows).toEqual([{ viewer: 'bob' }])
  })

  test('H-10 asks the database nothing for a connection, also with 10,000 revoked', async () => {
    const on = serve({ viewer })
    declare(on.hub)
    const insert = on.hub.db.$client.prepare('insert into hw_revocation (viewer) values (?)')
    on.hub.db.$client.transaction(() => {
      for (let n = 0; n < 10_000; n++) insert.run(`gone${n}`)
      // As another process leaves it.
      on.hub.db.$client.run(`insert into hw_meta values ('revocations', 'of another')`)
    })()
    await on.hub.revoke({ viewer: 'ann' })
    expect((await connect(`${on.url}/stream?topic=room:1`, by('gone9999'))).status).toBe(403)
    // Memory alone says so: the rows are not there any more.
    on.hub.db.$client.run('delete from hw_revocation')
    expect((await connect(`${on.url}/stream?topic=room:1`, by('ann'))).status).toBe(403)
    expect((await connect(`${on.url}/stream?topic=room:1`, by('bob'))).status).toBe(200)
  })

  test('revoke and grant refuse what makes no sense, and change nothing', async () => {
    const { hub } = serve()
    const bad: unknown[] = [
      {},
      { viewer: '' },
      { viewer: 7 },
      { viewer: null },
      { topic: '' },
      { topic: 'a::b' },
      { topic: 'hw:revoked' },
      { topic: 'a*' },
      { viewer: 'ann', topic: ' ' },
      { viewer: 'ann', expires: Number.NaN },
      { viewer: 'ann', expires: 'soon' },
      { viewer: 'ann', expires: new Date(Number.NaN) },
    ]
    for (const access of bad) {
      const refused = await hub.revoke(access as never).catch((error) => error)
      expect([access, refused]).toEqual([access, expect.any(TypeError)])
      expect(refused.message).toMatch(/^Expected .+, got /)
    }
    for (const access of bad.slice(0, 9)) {
      expect(await hub.grant(access as never).catch((error) => error)).toBeInstanceOf(TypeError)
    }
    expect(await hub.revoke(undefined as never).catch((error) => error)).toBeInstanceOf(TypeError)
    expect(hub.db.$client.query('select * from hw_revocation').all()).toEqual([])
  })

  test('a follower of everything is not sent the mark of a revocation', async () => {
    const on = serve()
    declare(on.hub)
    const every = await connect(on.url + on.hub.address(['**']))
    await live(every)
    await on.hub.revoke({ viewer: 'nobody' })
    await on.hub.publish('room:1', 'a')
    await every.until(() => every.events.length > 0)
    expect(every.events.map(({ name, data }) => [name, data])).toEqual([['room:1', 'a']])
    expect((await connect(`${on.url}/stream?topic=hw:revoked`)).status).toBe(400)
  })
})

describe('other sites', () => {
  // What browsers send: with Sec-Fetch-Site over TLS and to localhost, with Origin to another site and with a POST.
  const cases: [string, number, Record<string, string>, Options?][] = [
    ['an EventSource or fetch of its own page', 200, { 'sec-fetch-site': 'same-origin' }],
    ['an address typed into the browser', 200, { 'sec-fetch-site': 'none' }],
    ['what is no browser', 200, {}],
    ['its own page without Sec-Fetch-Site', 200, { origin: 'http://app.example' }],
    [
      'its own page by https behind a proxy that keeps the host',
      200,
      { origin: 'https://app.example' },
    ],
    [
      'its own page whose port is the usual one',
      200,
      { origin: 'https://app.example', host: 'app.example:443' },
    ],
    ['its own page in capitals', 200, { host: 'APP.example', origin: 'http://app.example' }],
    [
      'its own page behind a proxy that changes the host',
      200,
      { origin: 'https://public.example', 'sec-fetch-site': 'same-origin' },
    ],
    ['another site', 403, { 'sec-fetch-site': 'cross-site' }],
    [
      'another site, with its origin',
      403,
      { 'sec-fetch-site': 'cross-site', origin: 'http://evil.example' },
    ],
    [
      'another site that takes its origin for its own',
      403,
      { 'sec-fetch-site': 'cross-site', origin: 'http://app.example' },
    ],
    [
      'another origin of the same site',
      403,
      { 'sec-fetch-site': 'same-site', origin: 'http://evil.app.example' },
    ],
    ['another origin without Sec-Fetch-Site', 403, { origin: 'http://evil.example' }],
    ['another port', 403, { origin: 'http://app.example:81' }],
    ['a frame without an origin', 403, { origin: 'null' }],
    ['an origin that is none', 403, { origin: 'x' }],
    ['an origin that is nothing', 403, { origin: '' }],
    [
      'a forwarded host that nobody asked for',
      403,
      { origin: 'http://evil.example', 'x-forwarded-host': 'evil.example' },
    ],
    [
      'the host that the proxy names',
      200,
      { origin: 'https://public.example', 'x-forwarded-host': 'public.example' },
      { proxies: 1 },
    ],
    [
      'the host that the outer of two proxies names',
      200,
      {
        origin: 'https://public.example',
        'x-forwarded-host': 'evil.example, public.example, inner',
      },
      { proxies: 2 },
    ],
    [
      'another host than the proxy names',
      403,
      { origin: 'http://evil.example', 'x-forwarded-host': 'evil.example, public.example' },
      { proxies: 1 },
    ],
    [
      'an origin that is granted',
      200,
      { origin: 'https://friend.example', 'sec-fetch-site': 'cross-site' },
      { origins: ['https://friend.example'] },
    ],
    [
      'one that begins like it',
      403,
      { origin: 'https://friend.example.evil', 'sec-fetch-site': 'cross-site' },
      { origins: ['https://friend.example'] },
    ],
  ]
  for (const [what, status, headers, options] of cases) {
    test(`H-10 ${what} gets ${status}`, async () => {
      const on = serve(options)
      declare(on.hub)
      const client = await connect(`${on.url}/stream?topic=room:1`, {
        headers: { host: 'app.example', ...headers },
      })
      expect(client.status).toBe(status)
      const shared = client.headers['access-control-allow-origin']
      expect(shared).toBe(status === 200 && options?.origins ? headers.origin : undefined)
      expect(on.errors).toEqual([])
    })
  }

  test('H-10 files are for all, and a POST from elsewhere is refused', async () => {
    const on = serve()
    const cross = { 'sec-fetch-site': 'cross-site' }
    expect((await fetch(on.url + on.hub.asset('htmx.js'), { headers: cross })).status).toBe(200)
    expect((await fetch(`${on.url}/stream`, { method: 'POST', headers: cross })).status).toBe(403)
  })

  test('origins that are none are a TypeError', () => {
    for (const origin of ['x', 'https://a.example/', 'https://a.example/x', '*', 'null', '']) {
      expect(() => serve({ origins: [origin] })).toThrow(TypeError)
    }
  })
})

describe('forwarded addresses', () => {
  const cases: [string, number, string | undefined, string][] = [
    ['are not believed unless told to', 0, '1.2.3.4', '127.0.0.1'],
    ['are what the proxy saw', 1, '1.2.3.4', '1.2.3.4'],
    ['are not what the client made up', 1, '6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['are what the outer of two proxies saw', 2, '6.6.6.6, 1.2.3.4 ,10.0.0.1', '1.2.3.4'],
    ['are the socket’s where there are too few', 3, '1.2.3.4, 10.0.0.1', '127.0.0.1'],
    ['are the socket’s where there is none', 1, undefined, '127.0.0.1'],
    ['lose their port', 1, '1.2.3.4:567', '1.2.3.4'],
    ['lose brackets, quotes and port', 1, '"[2001:db8::1]:443"', '2001:db8::1'],
    ['have one spelling', 1, '2001:0DB8:0:0::0001', '2001:db8::1'],
    ['lose their zone', 1, 'fe80::1%eth0', 'fe80::1'],
    ['that are mapped are plain', 1, '::ffff:1.2.3.4', '1.2.3.4'],
    ['may be garbage', 1, '<script>', '127.0.0.1'],
    ['may be unknown', 1, 'unknown', '127.0.0.1'],
    ['may be empty', 1, ' , ', '127.0.0.1'],
    ['may be 10 KB of garbage', 1, 'x'.repeat(10_240), '127.0.0.1'],
    ['may be 10 KB of commas', 1, ','.repeat(10_240), '127.0.0.1'],
    ['may be 10 KB of colons', 1, `[${':'.repeat(10_240)}`, '127.0.0.1'],
    ['may be no address of four numbers', 1, '1.2.3.4.5', '127.0.0.1'],
    ['may be numbers too great', 1, '999.1.1.1', '127.0.0.1'],
  ]
  for (const [what, proxies, told, address] of cases) {
    test(`H-10 ${what}`, async () => {
      const on = serve({ proxies, limits: { perAddress: 1 } })
      declare(on.hub)
      const headers: Record<string, string> = told === undefined ? {} : { 'x-forwarded-for': told }
      const client = await connect(`${on.url}/stream?topic=room:1`, { headers })
      await live(client)
      on.hub.registry.flush()
      const rows = on.hub.db.$client.query('select address from hw_connection').all()
      expect(rows).toEqual([{ address }])
      // Caps go by the same.
      const same = await connect(`${on.url}/stream?topic=room:1`, { headers })
      const told2 = proxies === 0 ? '5.5.5.5' : Array(proxies).fill('5.5.5.5').join()
      const other = await connect(`${on.url}/stream?topic=room:1`, {
        headers: { 'x-forwarded-for': told2 },
      })
      expect([same.status, other.status]).toEqual([429, proxies === 0 ? 429 : 200])
      expect(on.errors).toEqual([])
    })
  }

  test('a number of proxies that is none is a TypeError', () => {
    for (const proxies of [-1, 1.5, Number.NaN, '1']) {
      expect(() => serve({ proxies: proxies as number })).toThrow(TypeError)
    }
  })
})

describe('caps', () => {
  const open: [string, (options: Options) => Site][] = [
    ['plain Bun.serve', serve],
    ['Elysia', serveElysia],
  ]
  for (const [name, begin] of open) {
    for (const cap of ['perAddress', 'perViewer', 'connections'] as const) {
      test(`H-10 ${cap}: of 100 at once on ${name}, with slow guards, exactly 10 are let in; afterwards 10 again`, async () => {
        const on = begin({ viewer, limits: { [cap]: 10 } })
        on.hub.topic('room:*', { guard: () => Bun.sleep(Math.random() * 20).then(() => true) })
        const storm = () =>
          Promise.all(
            Array.from({ length: 100 }, () => connect(`${on.url}/stream?topic=room:1`, by('ann'))),
          )
        for (let round = 0; round < 3; round++) {
          const clients = await storm()
          const count = (status: number) => clients.filter((client) => client.status === status)
          expect([count(200).length, count(429).length]).toEqual([10, 90])
          const waits = new Set(count(429).map(({ headers }) => Number(headers['retry-after'])))
          expect([...waits].every((wait) => wait >= 1 && wait <= 5)).toBe(true)
          expect(waits.size).toBeGreaterThan(1)
          for (const client of clients) client.cut()
          await settled(() => on.hub.stats().active === 0)
        }
      })
    }
  }

  test('H-10 perAddress: IPv6 counts by its first 64 bits, and is kept whole', async () => {
    const on = serve({ proxies: 1, limits: { perAddress: 3 } })
    declare(on.hub)
    const from = (address: string) =>
      connect(`${on.url}/stream?topic=room:1`, { headers: { 'x-forwarded-for': address } })
    const one: number[] = []
    for (let n = 1; n <= 5; n++) one.push((await from(`2001:db8:1:2::${n}`)).status)
    expect(one).toEqual([200, 200, 200, 429, 429])
    expect((await from('2001:db8:1:3::1')).status).toBe(200)
    on.hub.registry.flush()
    const rows = on.hub.db.$client.query('select address from hw_connection order by 1').values()
    expect(rows.flat()).toEqual(
      [1, 2, 3].map((n) => `2001:db8:1:2::${n}`).concat('2001:db8:1:3::1'),
    )
  })

  test('H-10 a place whose connection never opens is given up after ten seconds, and not before', () => {
    const admission = new Admission({ ...defaults, perAddress: 1 })
    const real = performance.now
    let now = real.call(performance)
    performance.now = () => now
    try {
      const never = admission.reserve('a', undefined)
      now += 9_999
      expect(() => admission.reserve('a', undefined)).toThrow(Refusal)
      now += 2
      const next = admission.reserve('a', undefined)
      // It opens after all: then it counts, and is counted out once.
      never.open()
      next.free()
      expect(() => admission.reserve('a', undefined)).toThrow(Refusal)
      never.free()
      never.free()
      admission.reserve('a', undefined).open()
      now += 60_000
      expect(() => admission.reserve('a', undefined)).toThrow(Refusal)
    } finally {
      performance.now = real
    }
  })

  test('H-10 a client that leaves while its guard is thinking holds no place', async () => {
    // Its address is not known any more by then.
    const on = serve({ limits: { connections: 1 } })
    const gate = Promise.withResolvers<boolean>()
    let asked = 0
    on.hub.topic('slow', {
      guard: (request) => {
        asked++
        request.signal.addEventListener('abort', () => gate.resolve(true))
        return gate.promise
      },
    })
    const url = new URL(on.url)
    const socket: Socket = connectTcp(Number(url.port), '127.0.0.1')
    socket.write('GET /stream?topic=slow HTTP/1.1\r\nhost: a\r\n\r\n')
    await settled(() => asked === 1)
    socket.destroy()
    await gate.promise
    await settled(() => on.server.pendingRequests === 0)
    expect(on.hub.stats()).toMatchObject({ active: 0, total: 0 })
    expect((await connect(`${on.url}/stream?topic=slow`)).status).toBe(200)
  })
})

describe('guards', () => {
  test('C-28 all entities are asked for with a symbol of their own, so an entity called * is only itself', async () => {
    const on = serve()
    const asked: unknown[] = []
    new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'note',
      getEntity: (id) => ({ id }),
      guard: (_, id) => {
        asked.push(id)
        return id === '*'
      },
    }).register({ name: 'text', kind: 'state', render: ({ id }) => `text of ${id}` })
    const star = await connect(`${on.url}/stream/note?id=*`)
    expect(star.status).toBe(200)
    await star.until(() => star.events.length > 0)
    expect(star.events[0]?.name).toBe('note:%2A:text')
    const every = await connect(`${on.url}/stream/note?all`)
    expect([every.status, await body(every)]).toEqual([403, 'You may not follow all of these.\n'])
    expect((await connect(`${on.url}/stream/note/text?all`)).status).toBe(403)
    expect((await connect(`${on.url}/stream?topic=note:%252A:text`)).status).toBe(200)
    expect((await connect(`${on.url}/stream?topic=note:*:text`)).status).toBe(403)
    expect(asked).toEqual(['*', all, all, '*'])
  })

  test('C-28 a guard that compares with who is not there lets nobody have all entities', async () => {
    const on = serve()
    const guards: [string, (request: Request, id: unknown) => boolean][] = [
      ['missing', (_, id) => undefined === id],
      ['none', (request, id) => request.headers.get('x-user') === id],
      ['empty', (_, id) => id === ''],
      ['star', (_, id) => id === '*'],
      ['text', (_, id) => `${id}` === 'all'],
    ]
    for (const [name, guard] of guards) {
      new MultiStreamManager<{ id: string }>(on.hub, { name, guard, getEntity: (id) => ({ id }) })
      expect([name, (await connect(`${on.url}/stream/${name}?all`)).status]).toEqual([name, 403])
    }
  })

  test('C-28 a guard that says something else than true refuses', async () => {
    const on = serve()
    const answers: unknown[] = [
      false,
      undefined,
      null,
      0,
      1,
      'true',
      {},
      Promise.resolve(1),
      Bun.sleep(1).then(() => 'true'),
    ]
    for (const [n, answer] of answers.entries()) {
      on.hub.topic(`g:${n}`, { guard: () => answer as boolean })
      expect([n, (await connect(`${on.url}/stream?topic=g:${n}`)).status]).toEqual([n, 403])
    }
    on.hub.topic('rejected', { guard: () => Promise.reject(new Error('no')) })
    expect((await connect(`${on.url}/stream?topic=rejected`)).status).toBe(403)
    on.hub.topic('thrown', {
      guard: () => {
        throw new Error('no')
      },
    })
    expect((await connect(`${on.url}/stream?topic=thrown`)).status).toBe(403)
    expect(on.errors).toHaveLength(2)
    expect(on.hub.stats().total).toBe(0)
  })
})

describe('bodies', () => {
  const megabyte = Buffer.alloc(1_048_576, 'a')
  const heads: [string, number, string, boolean][] = [
    ['GET with a length', 413, 'GET /stream?topic=room:1', false],
    ['GET in chunks', 413, 'GET /stream?topic=room:1', true],
    ['POST with a length', 413, 'POST /stream', false],
    ['POST in chunks', 413, 'POST /stream', true],
    ['POST to an endpoint', 405, 'POST /stream/tick?id=1', true],
  ]
  for (const on of ['bun', 'elysia'] as const) {
    for (const [what, status, line, chunked] of heads) {
      test(`H-10 100 MB to a stream on ${on}, ${what}, get ${status} and are not kept`, async () => {
        const { url, ask } = await startStrict({ database: temporary(), on })
        const healthy = await connect(`${url}/stream?topic=room:1`)
        await live(healthy)
        const memory = async () => ((await ask({ memory: true })) as { rss: number }).rss
        const before = await memory()
        const length = chunked ? 'transfer-encoding: chunked' : 'content-length: 104857600'
        const head = `${line} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${length}\r\n\r\n`
        const socket = connectTcp(Number(new URL(url).port), '127.0.0.1')
        let answer = ''
        let over = false
        socket.on('data', (bytes) => {
          answer += bytes
        })
        for (const end of ['close', 'error']) {
          socket.on(end, () => {
            over = true
          })
        }
        socket.write(head)
        let most = 0
        for (let sent = 0; sent < 100 && !over; sent++) {
          if (chunked) socket.write('100000\r\n')
          await new Promise<void>((resolve) => socket.write(megabyte, () => resolve()))
          if (chunked) socket.write('\r\n')
          if (sent % 25 === 24) most = Math.max(most, await memory())
        }
        if (chunked) socket.write('0\r\n\r\n')
        await settled(() => answer !== '' || over)
        most = Math.max(most, await memory())
        expect(answer).toStartWith(`HTTP/1.1 ${status} `)
        expect((most - before) / 1_048_576).toBeLessThan(20)
        await ask({ publish: ['room:1', 'still here'] })
        await healthy.until(() => healthy.events.length === 1)
        socket.destroy()
      })
    }
  }

  test('a body of no bytes is none', async () => {
    const on = serve()
    declare(on.hub)
    const client = await connect(`${on.url}/stream?topic=room:1`, {
      headers: { 'content-length': '0' },
    })
    expect(client.status).toBe(200)
  })
})

describe('what the app gets wrong', () => {
  test('H-10 a viewer that is no text is refused with 500 and reported, and nothing is written of it', async () => {
    for (const bad of [7, {}, ['ann'], true]) {
      const on = serve({ viewer: () => bad as never })
      declare(on.hub)
      const client = await connect(`${on.url}/stream?topic=room:1`)
      expect(client.status).toBe(500)
      expect(on.errors).toEqual([
        new TypeError(`Expected a viewer as text, or none, got a value of type ${typeof bad}`),
      ])
      const open = () => on.hub.open(new Request(on.url), ['room:1'], { viewer: bad as never })
      expect(open).toThrow(TypeError)
      on.hub.registry.flush()
      expect(on.hub.db.$client.query('select * from hw_connection').all()).toEqual([])
    }
    for (const none of [null, undefined]) {
      const on = serve({ viewer: () => none })
      declare(on.hub)
      expect((await connect(`${on.url}/stream?topic=room:1`)).status).toBe(200)
    }
  })

  test('H-10 a hook that throws or rejects changes no answer', async () => {
    const fault = new Error('of the hook')
    const ways = [
      () => {
        throw fault
      },
      () => Promise.reject(fault),
    ]
    for (const onRefuse of ways) {
      const on = serve({ onRefuse: onRefuse as () => void, limits: { connections: 1 } })
      declare(on.hub)
      expect((await connect(`${on.url}/stream?topic=secret`)).status).toBe(403)
      const request = new Request(`${on.url}/stream?topic=secret`)
      expect((await on.hub.fetch(request))?.status).toBe(403)
      await live(await connect(`${on.url}/stream?topic=room:1`))
      expect(on.hub.open(request, ['room:1']).status).toBe(429)
      await settled(() => on.errors.length === 3)
      expect(on.errors).toEqual([fault, fault, fault])
    }
  })

  test('H-10 an onError that throws changes no answer, and both faults are printed', async () => {
    const [own, told] = [new Error('of the hook'), new Error('of the guard')]
    const onError = () => {
      throw own
    }
    const printed: unknown[] = []
    const print = spyOn(console, 'error').mockImplementation((...words) => {
      printed.push(words.at(-1))
    })
    try {
      const on = serve({ onError, viewer: () => Promise.reject(told) })
      declare(on.hub)
      expect((await connect(`${on.url}/stream?topic=room:1`)).status).toBe(500)
      expect(printed).toEqual([own, told])
    } finally {
      print.mockRestore()
    }
  })

  test('H-10 a drain that never ends, or ends before it begins, is a TypeError', async () => {
    const { hub } = serve()
    for (const within of [Number.POSITIVE_INFINITY, Number.NaN, -1, '5']) {
      const drained = await hub.drain({ within: within as number }).catch((error) => error)
      expect(drained).toBeInstanceOf(TypeError)
    }
  })
})

test('H-10 refusals are printed in short, ten a second, and then how many more there were', async () => {
  const printed: string[] = []
  const print = spyOn(console, 'warn').mockImplementation((line) => {
    printed.push(line)
  })
  try {
    const on = serve({ onRefuse: undefined })
    const path = `/stream/${'a'.repeat(5_000)}?topic=${'b'.repeat(5_000)}&sig=secret`
    for (let n = 0; n < 25; n++) await on.hub.fetch(new Request(on.url + path))
    expect(printed).toHaveLength(10)
    for (const line of printed) {
      expect(line).toStartWith(`headwater: 404 GET ${path.slice(0, 200)}: Unknown endpoint`)
      expect(line.length).toBeLessThan(450)
    }
    await settled(() => printed.length > 10)
    expect(printed.slice(10)).toEqual(['headwater: 15 more requests were refused'])
    await on.hub.fetch(new Request(`${on.url}/stream?topic=secret&since=e.1&sig=${'x'.repeat(43)}`))
    expect(printed.at(-1)).toStartWith('headwater: 403 GET /stream?topic=secret: ')
  } finally {
    print.mockRestore()
  }
})

test('H-10 a closed hub says that it is closed, whatever it is asked', async () => {
  const hub = new Hub()
  hub.close()
  const asked = {
    revoke: hub.revoke({ viewer: 'ann' }),
    grant: hub.grant({ viewer: 'ann' }),
    history: hub.history('a'),
    send: hub.send('id', 'a', 'x'),
    broadcast: hub.broadcast(['a'], 'x'),
    'broadcast to all': hub.broadcast('**', swap.innerHTML('#a', 'x')),
    publish: hub.publish('a', 'x'),
  }
  for (const [what, promise] of Object.entries(asked)) {
    const error = await promise.then(() => undefined, String)
    expect([what, error]).toEqual([what, expect.stringMatching(/^Error: The hub is closed/)])
  }
})
