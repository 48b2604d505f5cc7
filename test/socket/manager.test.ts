/**
 * `MultiStreamManager` over a real socket: markup, endpoints, guards, and bad input, which costs the others nothing.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { all, MultiStreamManager } from 'headwater'
import { type Client, type ConnectOptions, connect } from '../support/client'
import { type Job, type ManageOptions, manage } from '../support/managed-jobs'
import { cleanUp, type Site, serve } from '../support/serve'

setDefaultTimeout(20_000)
afterEach(cleanUp)

const live = (client: Client) => client.until(() => client.lastEventId !== '')
const named = (client: Client) => client.events.map(({ name, data }) => [name, data])
const decoded = (html: string) =>
  html.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (_, dec, hex, name) =>
    name
      ? ({ amp: '&', lt: '<', gt: '>', quot: '"' }[name as string] ?? '?')
      : String.fromCodePoint(dec ? Number(dec) : Number.parseInt(hex, 16)),
  )

/** The attributes of the first tag, as an HTML parser reads them. */
async function attributesOf(html: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  let seen = false
  const rewriter = new HTMLRewriter().on('*', {
    element(element) {
      if (!seen) for (const [name, value] of element.attributes) found[name] = decoded(value)
      seen = true
    },
  })
  await rewriter.transform(new Response(html)).text()
  return found
}

describe('the element', () => {
  test('C-20 carries what htmx needs, and what was asked for', async () => {
    const on = serve()
    const { jobs } = manage(on)
    const made = await on.hub.page(new Request('http://localhost/'), () =>
      jobs.element('1', 'progress', {
        as: 'td',
        id: 'p1',
        class: 'wide',
        'data-x': 'a"b&<c',
        content: '<b>0</b>',
      }),
    )
    expect(made).toMatch(/^<td [^>]*><b>0<\/b><\/td>$/)
    const attributes = await attributesOf(made)
    const { 'sse-connect': address, ...rest } = attributes
    expect(rest).toMatchObject({
      id: 'p1',
      class: 'wide',
      'data-x': 'a"b&<c',
      'hx-ext': 'sse',
      'sse-swap': 'job:1:progress',
      'hx-swap': 'innerHTML',
      'sse-close': 'done',
    })
    const { pathname, searchParams } = new URL(address as string, 'http://localhost')
    expect(pathname).toBe('/stream/job/progress')
    expect([...searchParams.keys()].sort()).toEqual(['exp', 'id', 'sig', 'since'])
    expect(searchParams.get('id')).toBe('1')
    expect(searchParams.get('since')).toBe(on.hub.cursor())
    const client = await connect(on.url + address)
    await live(client)
    await jobs.publish('1', 'progress', { id: '1', state: 'running', value: 7 })
    await client.until(() => client.events.length === 1)
    expect(named(client)).toEqual([[rest['sse-swap'] as string, '<b>7</b>']])
  })

  test('C-20 without a connection or life of its own leaves those attributes out', async () => {
    const { jobs } = manage(serve())
    const slot = await attributesOf(jobs.element('1', 'lines', { connect: false }))
    expect(slot).toMatchObject({ 'sse-swap': 'job:1:lines', 'hx-swap': 'beforeend' })
    expect(slot['sse-connect'] ?? slot['hx-ext'] ?? slot['sse-close']).toBeUndefined()
    const still = jobs.element('9', 'progress', { active: false, id: 'x', content: '<b>1</b>' })
    expect(still).toBe('<span id="x"><b>1</b></span>')
  })

  const ids = [
    'a b&c="1"<',
    '../../etc/passwd',
    `quo'te"s`,
    'com,ma',
    'žluťoučký 🌊',
    '*',
    '**',
    'a:b',
    '100%',
    '%2e%2e',
    '?#/\\+',
    'line\nbreak\0',
    '__proto__',
  ]
  for (const id of ids) {
    test(`C-21 works for the id ${JSON.stringify(id)}, to that one only`, async () => {
      const on = serve()
      const asked: string[] = []
      const { jobs } = manage(on, {
        getEntity: (of) => {
          asked.push(of)
          return { id: of, state: 'running', value: 0 }
        },
      })
      const attributes = await attributesOf(jobs.element(id, 'lines'))
      const client = await connect(on.url + attributes['sse-connect'])
      await live(client)
      expect(client.status).toBe(200)
      expect(new Set(asked)).toEqual(new Set([id]))
      await jobs.publish('other', 'lines', 'not for it')
      await jobs.publish(id, 'lines', 'x')
      await client.until(() => client.events.length > 0)
      expect(client.events.map(({ name }) => name)).toEqual([attributes['sse-swap'] as string])
      expect(attributes['sse-swap']).not.toMatch(/[\s,"<>*]/)
    })
  }

  test('C-22 of an unknown stream is an error that names it and the known ones', async () => {
    const on = serve()
    const { jobs } = manage(on, { guard: 'public' })
    const unknown = 'progres' as 'progress'
    const misuse = /progres".*progress, lines/
    expect(() => jobs.element('1', unknown)).toThrow(misuse)
    expect(() => jobs.topic('1', unknown)).toThrow(TypeError)
    expect(() => jobs.all(unknown)).toThrow(misuse)
    const job = { id: '1', state: 'running', value: 1 } as const
    expect(jobs.publish('1', unknown, job)).rejects.toThrow(misuse)
    const client = await connect(`${on.url}/stream/job/progres?id=1`)
    await client.until(() => client.ended)
    expect(client.status).toBe(404)
    expect(client.raw).toMatch(misuse)
  })
})

describe('the end', () => {
  test('C-23 of an inactive entity: one final fragment, done, closed', async () => {
    const on = serve()
    const { jobs } = manage(on)
    const client = await connect(on.url + jobs.address(['9'], 'progress'))
    await client.until(() => client.ended)
    expect(named(client)).toEqual([
      ['job:9:progress', '<b>0 final</b>'],
      ['done', ''],
    ])
  })

  test('C-23 C-24 of an unknown entity: what is missing, done, and the render is never asked', async () => {
    const on = serve()
    const { jobs, rendered } = manage(on)
    const client = await connect(on.url + jobs.address(['<404>']))
    await client.until(() => client.ended)
    expect(named(client)).toEqual([
      ['job:%3C404%3E:progress', '<i>no &lt;404&gt;</i>'],
      ['job:%3C404%3E:lines', '<i>no &lt;404&gt;</i>'],
      ['done', ''],
    ])
    await jobs.finish('<404>')
    expect(rendered).toEqual([])
  })

  test('C-23 of one entity does not end the stream of another on the same connection', async () => {
    const on = serve()
    const { jobs, known } = manage(on)
    const client = await connect(on.url + jobs.address(['1', '2', '9', '404']))
    await live(client)
    await jobs.publish('1', 'lines', 'last')
    known.set('1', { id: '1', state: 'done', value: 100 })
    await jobs.finish('1')
    await jobs.publish('2', 'lines', 'goes on')
    await client.until(() => client.events.at(-1)?.name === 'job:2:lines')
    expect(client.ended).toBe(false)
    known.set('2', { id: '2', state: 'done', value: 50 })
    await jobs.finish('2')
    await client.until(() => client.ended)
    const names = client.events.map(({ name }) => name)
    expect(names.filter((name) => name === 'done')).toHaveLength(1)
    expect(names.at(-1)).toBe('done')
    expect(named(client)).toContainEqual(['job:1:progress', '<b>100 final</b>'])
    expect(named(client)).toContainEqual(['job:2:progress', '<b>50 final</b>'])
  })

  test('C-23 comes after every publish begun before finish, however slow its render', async () => {
    const on = serve()
    const slow = new MultiStreamManager<Job>(on.hub, {
      name: 'slow',
      getEntity: (id) => ({ id, state: 'done', value: 1 }),
      isActive: () => true,
      guard: 'public',
    })
      .register({ name: 'state', kind: 'state', render: async ({ value }) => `${value}` })
      .register({
        name: 'lines',
        kind: 'log',
        render: async (n: number) => {
          await Bun.sleep(60 - 10 * n)
          return `<li>${n}</li>`
        },
      })
    const client = await connect(`${on.url}/stream/slow?id=1`)
    await live(client)
    for (const n of [1, 2, 3]) {
      slow.publish('1', 'lines', n)
      slow.publish('1', 'state', { id: '1', state: 'running', value: n })
    }
    await slow.finish('1')
    await client.until(() => client.ended)
    const lines = client.events.filter(({ name }) => name === 'slow:1:lines')
    expect(lines.map(({ data }) => data.match(/\d<\/li>/)?.[0])).toEqual([
      '1</li>',
      '2</li>',
      '3</li>',
    ])
    expect(client.events.filter(({ name }) => name === 'slow:1:state').at(-1)?.data).toBe('1')
    expect(client.events.at(-1)?.name).toBe('done')
  })

  test('C-23 a finished entity is still finished for who comes later, its lines too', async () => {
    const on = serve()
    const { jobs, known } = manage(on)
    await jobs.publish('1', 'lines', 'a')
    known.set('1', { id: '1', state: 'done', value: 3 })
    await jobs.finish('1')
    const client = await connect(on.url + jobs.address(['1']))
    await client.until(() => client.ended)
    expect(client.raw).toContain('<b>3 final</b>')
    expect(client.raw).toMatch(/<li[^>]*>a<\/li>/)
    expect(client.events.at(-1)?.name).toBe('done')
  })

  test('C-23 all() never ends by done and shows new entities', async () => {
    const on = serve()
    const { jobs, known } = manage(on)
    const client = await connect(on.url + jobs.all())
    await live(client)
    known.set('1', { id: '1', state: 'done', value: 1 })
    await jobs.finish('1')
    await jobs.publish('new', 'lines', 'x')
    await client.until(() => client.events.at(-1)?.name === 'job:new:lines')
    expect(client.events.map(({ name }) => name)).toEqual(['job:1:progress', 'job:new:lines'])
    expect(client.ended).toBe(false)
    const only = await connect(on.url + jobs.all('progress'))
    await live(only)
    await jobs.publish('2', 'lines', 'not for it')
    await jobs.publish('2', 'progress', { id: '2', state: 'running', value: 5 })
    await only.until(() => only.raw.includes('job:2:progress'))
    expect(only.raw).not.toContain('job:2:lines')
  })
})

describe('guards', () => {
  const refusing: [string, ManageOptions['guard']][] = [
    ['is false', () => false],
    ['is undefined', () => undefined],
    [
      'throws',
      () => {
        throw new Error('guard')
      },
    ],
    ['rejects', () => Promise.reject(new Error('guard'))],
    ['is truthy but not true', (() => 'yes') as unknown as () => boolean],
  ]
  for (const [what, guard] of refusing) {
    test(`C-28 a guard that ${what} refuses with 403 before the stream opens`, async () => {
      const on = serve()
      manage(on, { guard })
      for (const path of ['/job?id=1', '/job/lines?id=1', '/job?all', '?topic=job:1:lines']) {
        const client = await connect(`${on.url}/stream${path}`)
        await client.until(() => client.ended || client.raw !== '')
        expect([path, client.status]).toEqual([path, 403])
        expect(client.headers['content-type']).toStartWith('text/plain')
      }
      expect(on.hub.stats()).toMatchObject({ active: 0, total: 0 })
      expect(on.refusals).toHaveLength(4)
    })
  }

  test('C-28 a viewer who is not known is asked to sign in with 401', async () => {
    const on = serve({ viewer: (request) => request.headers.get('x-user') })
    manage(on, { guard: (request) => request.headers.get('x-user') === 'ann' })
    const status = async (headers: Record<string, string>) =>
      (await connect(`${on.url}/stream/job?id=1`, { headers })).status
    expect(await status({})).toBe(401)
    expect(await status({ 'x-user': 'bob' })).toBe(403)
    expect(await status({ 'x-user': 'ann' })).toBe(200)
  })

  test('C-28 a guard is asked with each id, and all of them must be allowed', async () => {
    const on = serve()
    const asked: unknown[] = []
    manage(on, {
      guard: (_, id) => {
        asked.push(id)
        return id === '1'
      },
    })
    expect((await connect(`${on.url}/stream/job?id=1`)).status).toBe(200)
    expect((await connect(`${on.url}/stream/job?id=1&id=2`)).status).toBe(403)
    expect((await connect(`${on.url}/stream/job?all`)).status).toBe(403)
    expect((await connect(`${on.url}/stream?topic=job:*:lines`)).status).toBe(403)
    expect(asked).toEqual(['1', '1', '2', all])
  })

  test('C-28 an address is good for its viewer only', async () => {
    const on = serve({ viewer: (request) => request.headers.get('x-user') })
    const { jobs } = manage(on)
    const ann = { headers: { 'x-user': 'ann' } }
    const address = await on.hub.page(new Request('http://localhost/', ann), () =>
      jobs.address(['1']),
    )
    expect((await connect(on.url + address, ann)).status).toBe(200)
    expect((await connect(on.url + address, { headers: { 'x-user': 'bob' } })).status).toBe(403)
    expect((await connect(on.url + address)).status).toBeGreaterThanOrEqual(401)
  })
})

describe('bad input', () => {
  type Case = [
    what: string,
    status: number,
    path: (good: string) => string,
    options?: ConnectOptions,
  ]
  const manyIds = (count: number, length = 1) =>
    Array.from({ length: count }, (_, i) => `id=${String(i).padStart(length, '0')}`).join('&')
  const change = (good: string, name: string, value: (old: string) => string) => {
    const url = new URL(good, 'http://localhost')
    url.searchParams.set(name, value(url.searchParams.get(name) ?? ''))
    return url.pathname + url.search
  }
  const drop = (good: string, name: string) => {
    const url = new URL(good, 'http://localhost')
    url.searchParams.delete(name)
    return url.pathname + url.search
  }
  const cases: Case[] = [
    ['an unknown stream', 404, (good) => good.replace('/job', '/job/nope')],
    ['an unknown endpoint', 404, (good) => good.replace('/job', '/jobs')],
    ['a path too deep', 404, (good) => good.replace('/job', '/job/lines/x')],
    ['a path above', 404, (good) => good.replace('/job', '/..%2fjob')],
    ['a path badly encoded', 400, (good) => good.replace('/job', '/%zz')],
    ['an asset that is not there', 404, () => '/stream/-/0000/htmx.js'],
    ['an asset outside', 404, () => '/stream/-/..%2f..%2fpackage.json'],
    ['no entity', 400, () => '/stream/job'],
    ['an empty id', 400, () => '/stream/job?id='],
    ['ids and all', 400, (good) => `${good}&all`],
    ['no topic', 400, () => '/stream'],
    ['an empty topic', 400, () => '/stream?topic='],
    ['a reserved topic', 400, () => '/stream?topic=done'],
    ['a topic with a line break', 400, () => '/stream?topic=a%0Ab'],
    ['a topic badly encoded', 400, () => '/stream?topic=job:%25zz:lines'],
    ['a public topic badly encoded', 400, () => '/stream?topic=open:%25zz:lines'],
    ['a star within a segment', 400, () => '/stream?topic=job:a*:lines'],
    ['1,000 ids', 414, () => `/stream/job?${manyIds(1_000)}`],
    ['1,000 topics', 414, () => `/stream?${manyIds(1_000).replaceAll('id=', 'topic=a')}`],
    ['ids near the limit of the head', 414, () => `/stream/job?${manyIds(140, 100)}`],
    ['an id longer than a topic', 400, () => `/stream/open?id=${'x'.repeat(1_500)}`],
    [
      'an id longer than a topic once encoded',
      400,
      () => `/stream/open?id=${'%F0%9F%8C%8A'.repeat(150)}`,
    ],
    ['no signature', 403, (good) => drop(drop(good, 'sig'), 'exp')],
    ['no sig', 403, (good) => drop(good, 'sig')],
    ['no exp', 403, (good) => drop(good, 'exp')],
    [
      'a sig of another',
      403,
      (good) => change(good, 'sig', (old) => (old[0] === 'A' ? 'B' : 'A') + old.slice(1)),
    ],
    ['a sig that is none', 403, (good) => change(good, 'sig', () => '"><script>')],
    ['a sig cut short', 403, (good) => change(good, 'sig', (old) => old.slice(0, -1))],
    ['an exp put off', 403, (good) => change(good, 'exp', (old) => String(Number(old) + 1))],
    ['an exp that is no number', 403, (good) => change(good, 'exp', () => 'Infinity')],
    ["another entity's address", 403, (good) => good.replace('id=1', 'id=2')],
    ['an added second id', 403, (good) => `${good}&id=2`],
    ['an added first id', 403, (good) => good.replace('?id=1', '?id=2&id=1')],
    ["a stream with the entity's address", 403, (good) => good.replace('/job', '/job/lines')],
    [
      'topics with the address of an entity',
      403,
      (good) => good.replace('/job?', '?topic=job:1:lines&'),
    ],
    ['a pattern that is not signed', 403, () => '/stream?topic=**'],
    ['a wrong method', 405, (good) => good, { method: 'POST' }],
    ['another wrong method', 405, (good) => good, { method: 'DELETE' }],
    [
      'a page of another site',
      403,
      (good) => good,
      { headers: { 'sec-fetch-site': 'cross-site' } },
    ],
  ]
  for (const [what, status, path, options] of cases) {
    test(`${what} is refused with ${status}, told, and costs the others nothing`, async () => {
      const on = serve()
      const { jobs } = manage(on)
      manageOpen(on)
      const healthy = await connect(on.url + jobs.address(['2']))
      await live(healthy)
      const client = await connect(on.url, { ...options, path: path(jobs.address(['1'])) })
      await client.until(() => client.ended || client.raw !== '')
      expect(client.status).toBe(status)
      expect(client.raw.trim()).toMatch(/^[A-Z"][^\n]{10,400}\.$/)
      expect(client.headers['content-type']).toBe('text/plain; charset=utf-8')
      expect(client.headers['cache-control']).toBe('no-store')
      expect(on.refusals).toEqual([`${status} ${client.raw.trim()}`])
      expect(on.errors).toEqual([])
      if (status === 405) expect(client.headers.allow).toContain('GET')
      expect(on.hub.stats().active).toBe(1)
      await jobs.publish('2', 'lines', 'still here')
      await healthy.until(() => healthy.events.length === 1)
    })
  }

  test('an expired address is refused with 403', async () => {
    const on = serve()
    for (const expires of [-1, new Date(0), Date.now() - 1]) {
      const client = await connect(on.url + on.hub.address(['room:1'], { expires }))
      await client.until(() => client.raw !== '')
      expect([client.status, on.refusals.at(-1)]).toEqual([403, expect.stringContaining('expired')])
    }
  })

  test('an address signed with an older secret of the list is good, with an unknown one not', async () => {
    const old = serve({ secret: 'old' })
    const rotated = serve({ secret: ['new', 'old'] })
    const foreign = serve({ secret: ['new'] })
    const address = old.hub.address(['room:1'])
    expect((await connect(rotated.url + address)).status).toBe(200)
    expect((await connect(foreign.url + address)).status).toBe(403)
  })

  test('a head that is too large is refused by the server and costs the others nothing', async () => {
    const on = serve()
    const { jobs } = manage(on)
    const healthy = await connect(on.url + jobs.address(['2']))
    await live(healthy)
    const client = await connect(`${on.url}/stream/job?${manyIds(1_000, 40)}`)
    expect([0, 414, 431]).toContain(client.status)
    await jobs.publish('2', 'lines', 'still here')
    await healthy.until(() => healthy.events.length === 1)
  })

  test('what may be in since or Last-Event-ID is never an error', async () => {
    const on = serve()
    const { jobs } = manage(on)
    await jobs.publish('1', 'lines', 'a')
    const odd = [
      'x',
      '1',
      '.',
      'a.b.c',
      '../..',
      '"><',
      '-1',
      `${on.hub.cursor()}x`,
      'é',
      '9'.repeat(300),
    ]
    for (const lastEventId of odd) {
      const client = await connect(on.url + jobs.address(['1']), { lastEventId })
      await live(client)
      expect(client.raw).toMatch(/<li[^>]*>a<\/li>/)
    }
  })

  test('more than the caps are refused with 429 and a Retry-After, also when all come at once', async () => {
    const on = serve({ limits: { perAddress: 3 } })
    const { jobs } = manage(on, {
      getEntity: (id) => Bun.sleep(10).then(() => ({ id, state: 'running', value: 0 })),
    })
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => connect(on.url + jobs.address(['1']))),
    )
    const refused = clients.filter(({ status }) => status === 429)
    expect(clients.filter(({ status }) => status === 200)).toHaveLength(3)
    expect(refused).toHaveLength(7)
    for (const { headers } of refused) expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  })

  test('a viewer has a cap of their own', async () => {
    const on = serve({
      limits: { perViewer: 2 },
      viewer: (request) => request.headers.get('x-user'),
    })
    manage(on, { guard: 'public' })
    const status = async (user: string) =>
      (await connect(`${on.url}/stream/job?id=1`, { headers: { 'x-user': user } })).status
    const all = [await status('ann'), await status('ann'), await status('ann'), await status('bob')]
    expect(all).toEqual([200, 200, 429, 200])
  })

  test('an app that fails to find an entity gives 500 without its words, and is told', async () => {
    const on = serve()
    const { jobs } = manage(on, {
      getEntity: () => {
        throw new Error('password of the database')
      },
    })
    const client = await connect(on.url + jobs.address(['1']))
    await client.until(() => client.raw !== '')
    expect(client.status).toBe(500)
    expect(client.raw).not.toContain('password')
    expect(on.errors.map(String)).toEqual(['Error: password of the database'])
  })
})

/** Streams that everybody may open. */
function manageOpen(on: Site): void {
  new MultiStreamManager<Job>(on.hub, {
    name: 'open',
    getEntity: (id) => ({ id, state: 'running', value: 0 }),
    guard: 'public',
  }).register({ name: 'lines', kind: 'log', source: () => [], render: (line: string) => line })
}
