/**
 * What `POST <path>` refuses: addresses one by one, requests as a whole, and changes of a connection that is not the
 * page's own. One that is refused never takes the others down.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { connect as connectTcp, type Socket } from 'node:net'
import fc from 'fast-check'
import { all, MultiStreamManager } from 'headwater'
import { connect } from '../support/client'
import { answerOf, ask, Page, post, type Source } from '../support/page-stream'
import {
  cleanUp,
  declare,
  type Site,
  serve,
  serveElysia,
  settled,
  slowGuard,
} from '../support/serve'

setDefaultTimeout(20_000)
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await cleanUp()
})

const room = (n: number) => `/stream?topic=room:${n}`
const viewer = (request: Request) => request.headers.get('x-user')
const by = (user: string) => ({ headers: { 'x-user': user } })

/** Follows beside it, to show that the others live: the last one is told what is published. */
async function isLive(on: Site, page: Page, source: Source): Promise<void> {
  const before = source.got.length
  await on.hub.publish('room:1', 'still here')
  await page.until(() => source.got.length > before)
  expect(source.datas.at(-1)).toBe('still here')
}

function manage(on: Site) {
  return new MultiStreamManager<{ id: string }>(on.hub, {
    name: 'job',
    getEntity: (id) => ({ id }),
  }).register({ name: 'progress', kind: 'state', render: ({ id }) => id })
}

const tamper = (address: string) =>
  address.replace(/sig=(..)/, (_, two) => `sig=${two === 'AA' ? 'BB' : 'AA'}`)

describe('an address that is refused', () => {
  const cases: [string, number[], (on: Site) => string][] = [
    ['forged', [403], (on) => tamper(on.hub.address(['note:1']))],
    [
      'signed for something else',
      [403],
      (on) =>
        on.hub.address(['note:1']).replace('note:1', 'note:2').replace('note%3A1', 'note%3A2'),
    ],
    [
      'signed for another path',
      [403],
      (on) => on.hub.address(['note:1']).replace('/stream?', '/stream/job?id=1&'),
    ],
    [
      'expired',
      [403],
      (on) => on.hub.address(['note:1'], { expires: new Date(Date.now() - 1_000) }),
    ],
    ['of another viewer', [403], (on) => on.hub.address(['note:1'], { viewer: 'bob' })],
    ['unsigned', [403], () => '/stream?topic=note:1'],
    ['a pattern unsigned', [403], () => '/stream?topic=room:*'],
    ['guarded by one that says no', [403], () => '/stream?topic=no:1'],
    ['guarded by one that throws', [403], () => '/stream?topic=throws:1'],
    ['guarded by one that rejects', [403], () => '/stream?topic=rejects:1'],
    ['of an unknown endpoint', [404], () => '/stream/nothing?id=1'],
    ['of an unknown stream', [404], () => '/stream/job/nothing?id=1'],
    ['of a path too long', [404], () => '/stream/job/progress/more?id=1'],
    ['of an asset', [400, 404], (on) => on.hub.asset('htmx.js')],
    ['without a topic', [400], () => '/stream'],
    ['of a topic that is none', [400], () => '/stream?topic=a::b'],
    ['of a reserved topic', [400], () => '/stream?topic=hw:all'],
    ['of too many topics', [414], () => `/stream?${'topic=room:1&'.repeat(101)}`],
    ['badly encoded', [400], () => '/stream/%E0%A4%A?id=1'],
    ['outside of the hub', [400, 404], () => '/other?topic=room:1'],
    ['that only begins like the hub', [400, 404], () => '/streams?topic=room:1'],
    ['that climbs out', [400, 404], () => '/stream/../other?topic=room:1'],
    ['of another origin', [400, 404], () => 'http://evil.example/stream?topic=room:1'],
    ['of another origin without a scheme', [400, 404], () => '//evil.example/stream?topic=room:1'],
    ['of another port', [400, 404], () => 'http://127.0.0.1:1/stream?topic=room:1'],
    ['of another scheme', [400, 404], () => 'javascript:alert(1)'],
    ['with data', [400, 404], () => 'data:text/plain,hello'],
    [
      'with a password',
      [400, 403, 404],
      (on) => `${on.url.replace('//', '//ann:secret@')}/nothing`,
    ],
    ['that is no URL', [400, 404], () => 'http://['],
    ['that is empty', [400, 404], () => ''],
    ['with control characters', [400, 403, 404], () => '/stream?topic=room\u0000:1\r\nx: y'],
  ]
  for (const [what, statuses, address] of cases) {
    test(`H-10 ${what}, is told alone; the others live`, async () => {
      const on = serve({ viewer })
      declare(on.hub)
      manage(on)
      on.hub.topic('no:*', { guard: () => false })
      on.hub.topic('throws:*', {
        guard: () => {
          throw new Error('of the guard')
        },
      })
      on.hub.topic('rejects:*', { guard: () => Promise.reject(new Error('of the guard')) })
      const page = new Page(on.url, by('ann'))
      const first = page.add(room(1), ['room:1'])
      const bad = page.add(address(on), [])
      const last = page.add(room(2), ['room:2'])
      await page.start()
      expect([page.client.status, first.state, bad.state, last.state]).toEqual([
        200,
        'in',
        'refused',
        'in',
      ])
      expect(statuses).toContain(bad.refused?.status as number)
      expect(bad.refused?.reason).toMatch(/^["A-Z][^\n]{5,200}[.!]$/)
      expect(bad.refused?.reason).not.toContain('secret')
      await isLive(on, page, first)
      // The same as a change.
      const again = page.add(address(on), [])
      const good = page.add(room(1), ['room:1'])
      const answer = await page.follow(again, good)
      expect(answer).toMatchObject({
        status: 200,
        refused: [{ ...bad.refused, id: again.id }],
      })
      await page.until(() => good.state === 'in')
      await isLive(on, page, good)
      // And alone: no stream at all, but its status.
      const alone = await ask(
        `${on.url}/stream`,
        { follow: [{ id: 'x', address: address(on) }] },
        { 'x-user': 'ann' },
      )
      expect([alone.status, alone.refused]).toEqual([
        bad.refused?.status as number,
        [{ id: 'x', status: bad.refused?.status as number, reason: bad.refused?.reason as string }],
      ])
      expect(alone.headers['cache-control']).toContain('no-store')
      expect(page.faults).toEqual([])
      const expected = what.includes('throws') || what.includes('rejects') ? 3 : 0
      expect(on.errors).toHaveLength(expected)
    })
  }

  test('nothing granted: one status where all agree, else 403', async () => {
    const on = serve()
    declare(on.hub)
    const url = `${on.url}/stream`
    const open = (...addresses: string[]) =>
      ask(url, { follow: addresses.map((address, i) => ({ id: `${i}`, address })) })
    const unknown = await open('/stream/x?id=1', '/stream/y?id=1')
    expect([unknown.status, unknown.refused?.map(({ status }) => status)]).toEqual([
      404,
      [404, 404],
    ])
    const mixed = await open('/stream/x?id=1', '/stream?topic=note:1', '/stream')
    expect([mixed.status, mixed.refused?.map(({ status }) => status)]).toEqual([
      403,
      [404, 403, 400],
    ])
    expect(mixed.refused?.map(({ id }) => id)).toEqual(['0', '1', '2'])
    expect(on.hub.stats()).toMatchObject({ active: 0, total: 0 })
  })

  test('one of 16 KB is as good as a short one or refused by itself, one beyond takes nobody down', async () => {
    const on = serve()
    declare(on.hub)
    const long = Array.from({ length: 15 }, (_, n) => `topic=room:${`${n}`.padEnd(1_000, 'x')}`)
    const page = new Page(on.url)
    const big = page.add(`/stream?${long.join('&')}`, (name) => name.startsWith('room:'))
    const fine = page.add(room(1), ['room:1'])
    await page.start()
    expect([big.state, fine.state]).toEqual(['in', 'in'])
    await on.hub.publish(`room:${'14'.padEnd(1_000, 'x')}`, 'far out')
    await page.until(() => big.got.length === 1)
    const beyond = page.add(`/stream?topic=room:1&x=${'y'.repeat(17_000)}`, ['room:1'])
    const { status } = await page.follow(beyond)
    expect([200, 400, 414]).toContain(status)
    await isLive(on, page, fine)
  })

  test('the guard is asked with a request for the address, with the cookies and headers of the page', async () => {
    const on = serve()
    const asked: { url: string; method: string; cookie: string | null; custom: string | null }[] =
      []
    on.hub.topic('own:*', {
      guard: (request, topic) => {
        const { url, method, headers } = request
        asked.push({ url, method, cookie: headers.get('cookie'), custom: headers.get('x-csrf') })
        return topic !== 'own:3'
      },
    })
    const subjects: unknown[] = []
    new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'note',
      getEntity: (id) => ({ id }),
      guard: (request, id) => {
        subjects.push([new URL(request.url).search, id])
        return id !== all
      },
    }).register({ name: 'text', kind: 'state', render: ({ id }) => id })
    const page = new Page(on.url, { headers: { cookie: 'session=1; a=b', 'x-csrf': 'token' } })
    const one = page.add('/stream?topic=own:1&since=x.1', ['own:1'])
    const two = page.add('/stream?topic=own:2', ['own:2'])
    const no = page.add('/stream?topic=own:3', ['own:3'])
    const note = page.add('/stream/note?id=7', () => true)
    const every = page.add('/stream/note?all', () => true)
    await page.start()
    expect([one, two, no, note, every].map(({ state }) => state)).toEqual([
      'in',
      'in',
      'refused',
      'in',
      'refused',
    ])
    expect(asked.toSorted((a, b) => (a.url < b.url ? -1 : 1))).toEqual(
      ['own:1&since=x.1', 'own:2', 'own:3'].map((query) => ({
        url: `${on.url}/stream?topic=${query}`,
        method: 'GET',
        cookie: 'session=1; a=b',
        custom: 'token',
      })),
    )
    expect(subjects).toEqual([
      ['?id=7', '7'],
      ['?all', all],
    ])
  })

  test('C-28 who is not signed in gets 401 for what needs it, and the rest', async () => {
    const on = serve({ viewer })
    declare(on.hub)
    on.hub.topic('own:*', { guard: (request) => viewer(request) !== null })
    const page = new Page(on.url)
    const own = page.add('/stream?topic=own:1', ['own:1'])
    const free = page.add(room(1), ['room:1'])
    await page.start()
    expect([own.refused?.status, free.state]).toEqual([401, 'in'])
    expect(
      (await ask(`${on.url}/stream`, { follow: [{ id: 'a', address: '/stream?topic=own:1' }] }))
        .status,
    ).toBe(401)
  })

  test('guards that take their time are asked side by side', async () => {
    const on = serve()
    declare(on.hub)
    const gate = Promise.withResolvers<boolean>()
    let asked = 0
    on.hub.topic('slow:*', {
      guard: () => {
        asked++
        return gate.promise
      },
    })
    const page = new Page(on.url)
    const sources = [1, 2, 3].map((n) => page.add(`/stream?topic=slow:${n}`, [`slow:${n}`]))
    const opening = page.start()
    await settled(() => asked === 3)
    gate.resolve(true)
    await opening
    expect(sources.map(({ state }) => state)).toEqual(['in', 'in', 'in'])
  })

  test('every refusal is told to onRefuse, with the address that it is about', async () => {
    const urls: string[] = []
    const on = serve({ onRefuse: ({ status }, request) => urls.push(`${status} ${request.url}`) })
    declare(on.hub)
    const page = new Page(on.url)
    page.add(room(1), ['room:1'])
    page.add('/stream?topic=note:1', [])
    await page.start()
    expect(urls).toEqual([`403 ${on.url}/stream?topic=note:1`])
  })
})

const servers: [string, (options?: Parameters<typeof serve>[0]) => Site][] = [
  ['Bun.serve', serve],
  ['Elysia', serveElysia],
]
for (const [name, begin] of servers) {
  describe(`a request as a whole behind ${name}`, () => {
    const follow = [{ id: 'a', address: room(1) }]

    test('H-10 of another type than application/json is 415', async () => {
      const on = begin()
      declare(on.hub)
      const types = [
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data',
        'application/jsonp',
        'text/json',
        '',
      ]
      for (const type of types) {
        const answer = await ask(`${on.url}/stream`, { follow }, { 'content-type': type })
        expect([type, answer.status]).toEqual([type, 415])
      }
      for (const type of [
        'application/json',
        'application/json; charset=utf-8',
        'APPLICATION/JSON',
      ]) {
        const client = await post(`${on.url}/stream`, { follow }, { 'content-type': type })
        expect([type, client.status]).toEqual([type, 200])
      }
      const none = await answerOf(
        await connect(`${on.url}/stream`, { method: 'POST', body: JSON.stringify({ follow }) }),
      )
      expect(none.status).toBe(415)
    })

    const deep = (open: string, close: string) => `${open.repeat(50_000)}${close.repeat(50_000)}`
    const malformed: [string, string][] = [
      ['nothing', ''],
      ['half of it', '{"follow":[{"id":"a","addr'],
      ['no JSON', 'follow=a'],
      ['null', 'null'],
      ['a number', '1'],
      ['a text', '"follow"'],
      ['true', 'true'],
      ['a list', '[]'],
      ['a list of itself', `[${JSON.stringify({ follow })}]`],
      ['an empty object', '{}'],
      ['no address', '{"follow":[]}'],
      ['follow null', '{"follow":null}'],
      ['follow an object', '{"follow":{"id":"a","address":"/stream?topic=room:1"}}'],
      ['follow a text', '{"follow":"/stream?topic=room:1"}'],
      ['follow with null', '{"follow":[null]}'],
      ['follow with a text', '{"follow":["/stream?topic=room:1"]}'],
      ['follow with lists', '{"follow":[["a","/stream?topic=room:1"]]}'],
      ['no id', '{"follow":[{"address":"/stream?topic=room:1"}]}'],
      ['an empty id', '{"follow":[{"id":"","address":"/stream?topic=room:1"}]}'],
      ['a number as id', '{"follow":[{"id":1,"address":"/stream?topic=room:1"}]}'],
      [
        'an id too long',
        `{"follow":[{"id":"${'x'.repeat(65)}","address":"/stream?topic=room:1"}]}`,
      ],
      ['no address in it', '{"follow":[{"id":"a"}]}'],
      ['an address that is a list', '{"follow":[{"id":"a","address":["/stream?topic=room:1"]}]}'],
      ['an address null', '{"follow":[{"id":"a","address":null}]}'],
      [
        'a cursor that is a number',
        '{"follow":[{"id":"a","address":"/stream?topic=room:1","cursor":7}]}',
      ],
      [
        'a cursor that is an object',
        '{"follow":[{"id":"a","address":"/stream?topic=room:1","cursor":{}}]}',
      ],
      ['only a drop', '{"drop":["a"]}'],
      ['a drop that is a text', '{"connection":"x","drop":"a"}'],
      ['a drop of numbers', '{"connection":"x","drop":[1]}'],
      ['a drop of null', '{"connection":"x","drop":[null]}'],
      ['a connection that is a number', '{"connection":1,"drop":["a"]}'],
      ['a connection that is a list', '{"connection":["x"],"drop":["a"]}'],
      ['a connection that is empty', `{"connection":"","follow":${JSON.stringify(follow)}}`],
      ['a prototype', '{"__proto__":{"follow":[{"id":"a","address":"/stream?topic=room:1"}]}}'],
      [
        'a prototype inside',
        '{"follow":[{"__proto__":{"id":"a","address":"/stream?topic=room:1"}}]}',
      ],
      ['a constructor', '{"constructor":{"prototype":{"follow":[]}}}'],
      ['lists without end', deep('[', ']')],
      ['objects without end', deep('{"follow":', '}')],
      ['lists that never close', '['.repeat(200_000)],
      [
        'a byte order mark inside',
        '{"follow":[{"\ufeffid":"a","address":"/stream?topic=room:1"}]}',
      ],
      ['an id twice', JSON.stringify({ follow: [...follow, ...follow] })],
    ]
    test('H-10 that is malformed is 400, in a sentence, and opens nothing', async () => {
      const on = begin()
      declare(on.hub)
      for (const [what, body] of malformed) {
        const { status, text } = await ask(`${on.url}/stream`, body)
        expect([what, status]).toEqual([what, 400])
        expect(text.length).toBeLessThan(500)
      }
      expect(on.hub.stats()).toMatchObject({ active: 0, total: 0 })
      expect(on.errors).toEqual([])
      expect(({} as { follow?: unknown }).follow).toBeUndefined()
    })

    test('H-10 with what is unknown in it, or __proto__ as an id, is only that', async () => {
      const on = begin()
      declare(on.hub)
      const page = new Page(on.url)
      const proto = page.add(room(1), ['room:1'], { id: '__proto__' })
      const other = page.add(room(1), ['room:1'], { id: 'constructor' })
      await page.start()
      expect([proto.state, other.state]).toEqual(['in', 'in'])
      await page.drop(other)
      await isLive(on, page, proto)
      const more = { version: 9, follow: [{ ...follow[0], priority: 'high', cursor: null }] }
      expect((await post(`${on.url}/stream`, more)).status).toBe(200)
    })

    test('H-10 over 1 MB is 413, told and untold, and is not read to its end', async () => {
      const on = begin()
      declare(on.hub)
      const { host, port } = new URL(on.url)
      const head = `POST /stream HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n`
      /** Sends a head, then pieces until the server has answered or closed; resolves with what it said. */
      const send = async (more: string, piece: (n: number) => string) => {
        const socket = connectTcp(Number(port), '127.0.0.1')
        sockets.push(socket)
        let [answer, sent, isOver] = ['', 0, false]
        socket.on('data', (bytes) => {
          answer += bytes
        })
        socket.on('error', () => {})
        socket.on('close', () => {
          isOver = true
        })
        socket.write(`${head}${more}\r\n\r\n`)
        for (let n = 0; !answer && !isOver && sent < 64 * 1024 * 1024; n++) {
          const text = piece(n)
          sent += text.length
          if (!socket.write(text)) {
            const drained = new Promise((resolve) => socket.once('drain', resolve))
            await Promise.race([drained, settled(() => answer || isOver)])
          } else if (n % 16 === 0) await Bun.sleep(0)
        }
        await settled(() => answer || isOver)
        return { status: Number(answer.split(' ')[1]), sent }
      }
      const filler = ' '.repeat(65_536)
      const told = await send('content-length: 100000000', () => filler)
      expect(told.status).toBe(413)
      expect(told.sent).toBeLessThan(32 * 1024 * 1024)
      const untold = await send('transfer-encoding: chunked', () => `10000\r\n${filler}\r\n`)
      expect(untold.status).toBe(413)
      expect(untold.sent).toBeLessThan(32 * 1024 * 1024)
      const just = await ask(`${on.url}/stream`, `${' '.repeat(1_048_577)}`)
      expect(just.status).toBe(413)
      const within = JSON.stringify({ follow })
      const fits = await post(`${on.url}/stream`, within + ' '.repeat(1_048_576 - within.length))
      expect(fits.status).toBe(200)
      expect(on.errors).toEqual([])
    })

    test('a chunked body is read like any other, in whatever pieces', async () => {
      const on = begin()
      declare(on.hub)
      const { host, port } = new URL(on.url)
      const socket = connectTcp(Number(port), '127.0.0.1')
      sockets.push(socket)
      let answer = ''
      socket.on('data', (bytes) => {
        answer += bytes
      })
      socket.write(
        `POST /stream HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
      )
      // Cut inside of letters of several bytes too.
      const bytes = Buffer.from(JSON.stringify({ follow: [{ ...follow[0], 'ž🌊': '🌊🌊' }] }))
      for (let at = 0; at < bytes.length; at += 7) {
        const piece = bytes.subarray(at, at + 7)
        socket.write(`${piece.length.toString(16)}\r\n`)
        socket.write(piece)
        socket.write('\r\n')
        if (at % 21 === 0) await Bun.sleep(1)
      }
      expect(answer).toBe('')
      socket.write('0\r\n\r\n')
      await settled(() => answer.includes('hw:follow'))
      expect(answer).toStartWith('HTTP/1.1 200')
    })

    test('H-10 a body that never comes holds no place, and one that breaks off leaves none', async () => {
      const on = begin({ limits: { connections: 1 } })
      declare(on.hub)
      const { host, port } = new URL(on.url)
      const begun = [
        'content-length: 500\r\n\r\n{"fol',
        'transfer-encoding: chunked\r\n\r\n5\r\n{"fol\r\n',
      ]
      for (const more of begun) {
        const socket = connectTcp(Number(port), '127.0.0.1')
        sockets.push(socket)
        socket.on('error', () => {})
        socket.write(
          `POST /stream HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n${more}`,
        )
      }
      await settled(() => on.server.pendingRequests === 2)
      const client = await post(`${on.url}/stream`, { follow })
      expect(client.status).toBe(200)
      for (const socket of sockets.splice(0)) socket.destroy()
      await settled(() => on.server.pendingRequests === 1)
      expect(on.hub.stats()).toMatchObject({ active: 1, total: 1 })
      // Who leaves in the middle of a word is nobody's mistake here.
      expect(on.errors).toEqual([])
    })

    test('H-10 a GET has no body still, and other methods and paths are 405', async () => {
      const on = begin()
      declare(on.hub)
      manage(on)
      const body = JSON.stringify({ follow })
      const get = await answerOf(await connect(`${on.url}/stream?topic=room:1`, { body }))
      expect(get.status).toBe(413)
      for (const method of ['PUT', 'PATCH', 'DELETE']) {
        const { status, headers } = await answerOf(
          await connect(`${on.url}/stream`, { method, body }),
        )
        expect([method, status, headers.allow]).toEqual([method, 405, 'GET, POST'])
      }
      for (const path of [
        '/stream/job',
        '/stream/job/progress?id=1',
        '/stream/nothing',
        '/stream/-/x',
      ]) {
        const { status, headers } = await ask(on.url + path, { follow })
        expect([path, status, headers.allow]).toEqual([path, 405, 'GET'])
      }
    })

    test('H-10 from another site is 403', async () => {
      const on = begin({ origins: ['https://friend.example'] })
      declare(on.hub)
      const status = async (headers: Record<string, string>) =>
        (await post(`${on.url}/stream`, { follow }, headers)).status
      expect(await status({ 'sec-fetch-site': 'cross-site' })).toBe(403)
      expect(await status({ 'sec-fetch-site': 'same-site', origin: 'http://x.127.0.0.1' })).toBe(
        403,
      )
      expect(await status({ origin: 'http://evil.example' })).toBe(403)
      expect(await status({ origin: 'null' })).toBe(403)
      expect(await status({ origin: on.url, 'sec-fetch-site': 'same-origin' })).toBe(200)
      expect(await status({ origin: on.url })).toBe(200)
      expect(
        await status({ origin: 'https://friend.example', 'sec-fetch-site': 'cross-site' }),
      ).toBe(200)
      expect(await status({})).toBe(200)
    })

    test('H-10 beyond the caps is 429 with a Retry-After, whatever it asks for', async () => {
      for (const cap of ['perAddress', 'connections'] as const) {
        const on = begin({ limits: { [cap]: 2 } })
        declare(on.hub)
        const open = () => post(`${on.url}/stream`, { follow })
        const clients = [await open(), await open(), await open()]
        expect(clients.map(({ status }) => status)).toEqual([200, 200, 429])
        expect(Number(clients[2]?.headers['retry-after'])).toBeGreaterThan(0)
        expect((await connect(on.url + room(1))).status).toBe(429)
        clients[0]?.cut()
        await settled(() => on.hub.stats().active === 1)
        expect((await open()).status).toBe(200)
      }
    })

    test('limits.addresses: what is more, in one request or by changes, is refused with 414 by itself', async () => {
      const on = begin({ limits: { addresses: 3 } })
      declare(on.hub)
      const many = [1, 2, 3, 4].map((n) => ({ id: `${n}`, address: room(n) }))
      const first = await post(`${on.url}/stream`, { follow: many })
      expect(first.status).toBe(200)
      await first.until(() => first.raw.includes('hw:refused'))
      expect(first.raw).toContain('data: [{"id":"4","status":414,')
      first.cut()
      const page = new Page(on.url)
      const one = page.add(room(1), ['room:1'])
      const two = page.add(room(2), ['room:2'])
      await page.start()
      const more = [3, 4].map((n) => page.add(room(n), [`room:${n}`]))
      expect(await page.follow(...more)).toMatchObject({ status: 200, refused: [{ status: 414 }] })
      await page.until(() => more[0]?.state === 'in')
      expect(on.hub.stats().topics).toBe(3)
      const last = page.add(room(5), ['room:5'])
      expect((await page.change({ follow: [last], drop: [two] })).status).toBe(200)
      await page.until(() => last.state === 'in')
      expect(on.hub.stats().topics).toBe(3)
      await isLive(on, page, one)
    })

    test('the whole of it is 500 where the viewer can not be told, and opens nothing', async () => {
      const on = begin({
        viewer: () => {
          throw new Error('of the session')
        },
      })
      declare(on.hub)
      const answer = await ask(`${on.url}/stream`, { follow })
      expect([answer.status, answer.text.includes('session')]).toEqual([500, false])
      expect(on.hub.stats().total).toBe(0)
    })
  })
}

describe('a request', () => {
  test('H-10 perViewer counts the streams of pages and of GETs together', async () => {
    const on = serve({ viewer, limits: { perViewer: 2 } })
    declare(on.hub)
    const open = async (user: string) =>
      (
        await post(
          `${on.url}/stream`,
          { follow: [{ id: 'a', address: room(1) }] },
          { 'x-user': user },
        )
      ).status
    expect((await connect(on.url + room(1), by('ann'))).status).toBe(200)
    expect([await open('ann'), await open('ann'), await open('bob')]).toEqual([200, 429, 200])
  })

  test('H-10 whose client leaves while a guard is thinking holds no place', async () => {
    const on = serve({ limits: { connections: 1 } })
    declare(on.hub)
    const { asked, grant } = slowGuard(on.hub)
    const { host, port } = new URL(on.url)
    const body = JSON.stringify({ follow: [{ id: 'a', address: '/stream?topic=slow' }] })
    const socket = connectTcp(Number(port), '127.0.0.1')
    sockets.push(socket)
    const length = `content-length: ${body.length}`
    socket.write(
      `POST /stream HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n${length}\r\n\r\n${body}`,
    )
    await asked
    socket.destroy()
    grant(true)
    await settled(() => on.server.pendingRequests === 0 && on.hub.stats().active === 0)
    const next = await post(`${on.url}/stream`, { follow: [{ id: 'a', address: room(1) }] })
    expect(next.status).toBe(200)
  })

  test('of 5,000 addresses is answered within a moment, and so are changes of it', async () => {
    const on = serve({ limits: { addresses: 6_000 } })
    declare(on.hub)
    const page = new Page(on.url)
    const sources = Array.from({ length: 5_000 }, (_, n) => page.add(room(n), [`room:${n}`]))
    const began = performance.now()
    await page.open()
    await page.until(() => page.position !== undefined)
    expect(sources.every(({ state }) => state === 'in')).toBe(true)
    for (let n = 0; n < 10; n++) {
      await page.follow(page.add(room(5_000 + n), [`room:${5_000 + n}`]))
      await page.drop(sources[n] as Source)
    }
    await on.hub.publish('room:4999', 'x')
    await page.until(() => sources[4_999]?.got.length === 1)
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(on.hub.stats()).toMatchObject({ active: 1, topics: 5_000 })
    expect(page.faults).toEqual([])
  })

  test('H-10 of any shape is answered, and never with 500', async () => {
    const on = serve({ limits: { addresses: 6_000 } })
    declare(on.hub)
    manage(on)
    const url = `${on.url}/stream`
    const text = fc.oneof(
      fc.constantFrom('/stream?topic=room:1', '/stream/job?id=1', '/stream', 'a', '__proto__', ''),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.webUrl({ withQueryParameters: true, withFragments: true }),
    )
    const odd = fc.oneof(fc.jsonValue(), text)
    const wanted = fc.record(
      { id: fc.oneof(text, odd), address: fc.oneof(text, odd), cursor: odd },
      { requiredKeys: [] },
    )
    const order = fc.record(
      {
        follow: fc.oneof(fc.array(fc.oneof(wanted, odd), { maxLength: 6 }), odd),
        drop: fc.oneof(fc.array(odd, { maxLength: 4 }), odd),
        connection: odd,
      },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(fc.oneof(order, odd), async (body) => {
        const client = await post(url, body)
        expect([200, 400, 403, 404, 414]).toContain(client.status)
        client.cut()
      }),
      { numRuns: 300, seed: Number(process.env.PAGE_SEED ?? 4) },
    )
    expect(on.errors).toEqual([])
  })
})

describe('a change', () => {
  test('of two at once with the same new id one is taken, the other is 400', async () => {
    const on = serve()
    declare(on.hub)
    on.hub.topic('slow:*', { guard: () => Bun.sleep(5).then(() => true) })
    const page = new Page(on.url)
    page.add(room(1), ['room:1'])
    await page.start()
    const body = (n: number) => ({
      connection: page.connection,
      follow: [{ id: 'same', address: `/stream?topic=slow:${n}` }],
    })
    const answers = await Promise.all([1, 2].map((n) => ask(`${on.url}/stream`, body(n))))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 400])
    expect(on.hub.stats().topics).toBe(2)
  })

  test('H-10 of a connection that never was, is malformed or another viewer’s is 404, and nothing happens to it', async () => {
    const on = serve({ viewer })
    declare(on.hub)
    const page = new Page(on.url, by('ann'))
    const own = page.add(room(1), ['room:1'])
    await page.start()
    const { connection } = page
    const get = await connect(on.url + room(1), by('bob'))
    await get.until(() => get.lastEventId !== '')
    on.hub.registry.flush()
    const rows = on.hub.db.$client
      .query<{ id: string }, []>('select id from hw_connection')
      .all()
      .map(({ id }) => id)
    const plain = rows.find((id) => id !== connection)
    const body = { follow: [{ id: 'new', address: room(2) }], drop: [own.id] }
    const status = async (id: unknown, headers: Record<string, string> = { 'x-user': 'ann' }) =>
      (await ask(`${on.url}/stream`, { connection: id, ...body }, headers)).status
    expect(await status(crypto.randomUUID())).toBe(404)
    expect(await status('never')).toBe(404)
    expect(await status(connection?.toUpperCase())).toBe(404)
    expect(await status(connection, { 'x-user': 'bob' })).toBe(404)
    expect(await status(connection, {})).toBe(404)
    // A connection that a GET has opened is no page's.
    expect(await status(plain, { 'x-user': 'bob' })).toBe(404)
    for (const bad of ['__proto__', 'constructor', 'toString']) expect(await status(bad)).toBe(404)
    for (const bad of ['', 'x'.repeat(65), 'a b', '../x', `${connection}\n`, 7, {}]) {
      expect([400, 404]).toContain(await status(bad))
    }
    expect(on.hub.stats()).toMatchObject({ active: 2, topics: 1 })
    await isLive(on, page, own)
    expect(page.client.raw).not.toContain('new')
    expect(await status(connection)).toBe(200)
  })

  test('after the connection has ended is 404', async () => {
    const on = serve()
    declare(on.hub)
    const page = new Page(on.url)
    page.add(room(1), ['room:1'])
    await page.start()
    page.cut()
    await settled(() => on.hub.stats().active === 0)
    const answer = await ask(`${on.url}/stream`, { connection: page.connection, drop: ['p-1'] })
    expect(answer.status).toBe(404)
    expect(answer.text.length).toBeLessThan(300)
  })

  test('whose guard is still asked when the connection ends is 404', async () => {
    const on = serve()
    declare(on.hub)
    const { asked, grant } = slowGuard(on.hub)
    const page = new Page(on.url)
    page.add(room(1), ['room:1'])
    await page.start()
    const changing = page.follow(page.add('/stream?topic=slow', ['slow']))
    await asked
    page.cut()
    await settled(() => on.hub.stats().active === 0)
    grant(true)
    expect((await changing).status).toBe(404)
    expect(on.hub.stats()).toMatchObject({ active: 0, topics: 0 })
  })

  test('that drops what an earlier one has not taken up yet, its guard being slow, is kept apart from it', async () => {
    const on = serve()
    declare(on.hub)
    const { asked, grant } = slowGuard(on.hub)
    const page = new Page(on.url)
    const own = page.add(room(1), ['room:1'])
    await page.start()
    const slow = page.add('/stream?topic=slow', ['slow'])
    const changing = page.follow(slow)
    await asked
    // The page had it dropped before it was taken up: it knows which answers are still to come.
    expect((await page.change({ follow: [page.add(room(2), ['room:2'])] })).status).toBe(200)
    grant(true)
    expect((await changing).status).toBe(200)
    await page.until(() => slow.state === 'in')
    await page.drop(slow)
    expect(on.hub.stats().topics).toBe(2)
    await isLive(on, page, own)
    expect(page.faults).toEqual([])
  })
})
