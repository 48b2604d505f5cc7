/**
 * The ways in: the same stream on plain `Bun.serve`, Hono and Elysia, and what pages need beside it.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { html } from '@elysiajs/html'
import { Elysia, status } from 'elysia'
import type { Hub } from 'headwater'
import { headwater } from 'headwater/elysia'
import { Hono } from 'hono'
import { connect } from '../support/client'
import { cleanUp, declare, type Site, serve, serveElysia, site, temporary } from '../support/serve'

setDefaultTimeout(20_000)
afterEach(cleanUp)

type Options = Parameters<typeof serve>[0]

function serveHono(options: Options = {}): Site {
  return site(options, (hub) => {
    const app = new Hono<{ Bindings: { server: Bun.Server<undefined> } }>()
    app.get('/', (context) => context.text('page'))
    app.all('/stream/*', async (context) => {
      const answer = await hub.fetch(context.req.raw, { server: context.env.server })
      return answer ?? context.notFound()
    })
    return Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: (request, server) => app.fetch(request, { server }),
    })
  })
}

const doors: [string, (options?: Options) => Site][] = [
  ['plain Bun.serve', serve],
  ['Hono', serveHono],
  ['Elysia', serveElysia],
]

for (const [name, open] of doors) {
  describe(`on ${name}`, () => {
    test('the stream is the same, byte for byte', async () => {
      const on = open({ limits: { retry: 1_234 } })
      const ticks = declare(on.hub)
      await on.hub.publish('room:1', '<p>äöü 🌊</p>')
      const address = ticks.address(['7'])
      const client = await connect(`${on.url}/stream?topic=room:1&topic=cell:1`)
      await client.until(() => client.lastEventId !== '')
      await on.hub.publish('cell:1', 'a\nb\r\nc')
      await client.until(() => client.events.length === 2)
      await Promise.all([on.hub.end('room:1'), on.hub.end('cell:1')])
      await client.until(() => client.ended)
      const bare = client.raw.replaceAll(on.hub.log.epoch, 'e')
      expect(client.status).toBe(200)
      expect(client.headers).toMatchObject({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
        'transfer-encoding': 'chunked',
      })
      expect(bare).toStartWith('retry: 1234\n:\n\nevent: room:1\ndata: <')
      expect(bare).toContain('<p>äöü 🌊</p>')
      expect(bare).toEndWith(
        '\n\nid: e.1\n\nid: e.2\nevent: cell:1\ndata: a\ndata: b\ndata: c\n\nevent: done\ndata: \n\n',
      )
      const one = await connect(on.url + address)
      await one.until(() => one.events.length > 2)
    })

    test('a refusal keeps its status, body and headers', async () => {
      const on = open()
      declare(on.hub)
      const client = await connect(`${on.url}/stream/nope?id=1`)
      await client.until(() => client.raw !== '')
      expect([client.status, client.raw]).toEqual([404, expect.stringContaining('tick')])
      const post = await connect(`${on.url}/stream/tick?id=1`, { method: 'POST' })
      expect([post.status, post.headers.allow]).toEqual([405, expect.stringContaining('GET')])
    })

    test('the client address is known, and a client that leaves is noticed', async () => {
      const on = open({ limits: { perAddress: 1 } })
      declare(on.hub)
      const first = await connect(`${on.url}/stream?topic=room:1`)
      expect((await connect(`${on.url}/stream?topic=room:1`)).status).toBe(429)
      first.cut()
      const status = async () => (await connect(`${on.url}/stream?topic=room:1`)).status
      let last = 429
      for (let tries = 0; last === 429 && tries < 100; tries++) {
        await Bun.sleep(5)
        last = await status()
      }
      expect(last).toBe(200)
    })

    test('assets are immutable under their hash, unknown ones are not kept', async () => {
      const on = open()
      for (const [asset, type] of [
        ['htmx.js', 'text/javascript'],
        ['sse.js', 'text/javascript'],
        ['theme.css', 'text/css'],
      ] as const) {
        const response = await fetch(on.url + on.hub.asset(asset))
        expect([asset, response.status]).toEqual([asset, 200])
        expect(response.headers.get('content-type')).toStartWith(type)
        expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
        expect((await response.text()).length).toBeGreaterThan(100)
      }
      const wrong = await fetch(on.url + on.hub.asset('sse.js').replace(/-\/\w+/, '-/0123'))
      expect([wrong.status, wrong.headers.get('cache-control')]).toEqual([404, 'no-store'])
    })
  })
}

describe('hub.fetch', () => {
  test('answers nothing for a path outside of its own', async () => {
    const { hub } = serve({ path: '/live/stream' })
    const ask = (path: string) => hub.fetch(new Request(`http://localhost${path}`))
    for (const path of [
      '/',
      '/live',
      '/live/streams',
      '/stream',
      '/live/streamer/x',
      '/x/live/stream',
    ]) {
      expect([path, await ask(path)]).toEqual([path, undefined])
    }
    expect((await ask('/live/stream'))?.status).toBe(400)
    expect((await ask('/live/stream/x'))?.status).toBe(404)
  })

  test('refuses a path that is none when the hub is made', () => {
    for (const path of ['', '/', 'stream', '/stream/', '/a b', '/a?b']) {
      expect(() => serve({ path })).toThrow(TypeError)
    }
  })

  test('hub.open serves what the caller has checked', async () => {
    const on = site({ database: temporary() }, (hub) =>
      Bun.serve({
        hostname: '127.0.0.1',
        port: 0,
        fetch: (request, server) => hub.open(request, ['mine:1', 'room:*'], { server }),
      }),
    )
    const client = await connect(`${on.url}/anything`)
    await client.until(() => client.lastEventId !== '')
    await on.hub.publish('mine:1', 'a')
    await on.hub.publish('room:9', 'b')
    await on.hub.publish('mine:2', 'c')
    await on.hub.publish('mine:1', 'd')
    await client.until(() => client.events.length === 3)
    expect(client.events.map(({ data }) => data)).toEqual(['a', 'b', 'd'])
  })
})

/** The plugin alone, and with the one that gives markup its type, which also maps responses. */
const orders: [string, (app: Elysia, hub: Hub) => Elysia][] = [
  ['alone', (app, hub) => app.use(headwater(hub)) as unknown as Elysia],
  ['behind html()', (app, hub) => app.use(html()).use(headwater(hub)) as unknown as Elysia],
  ['before html()', (app, hub) => app.use(headwater(hub)).use(html()) as unknown as Elysia],
]

describe('pages', () => {
  const since = (address: string) => new URL(address, 'http://localhost').searchParams.get('since')

  test('take their cursor before their data is read, each its own, on Elysia', async () => {
    const gates = new Map<string, PromiseWithResolvers<void>>()
    const on = serveElysia({}, (app, hub) =>
      app.get('/page/:name', async ({ params }) => {
        await gates.get(params.name)?.promise
        return hub.address(['room:1'])
      }),
    )
    declare(on.hub)
    const names = ['a', 'b', 'c', 'd', 'e']
    const cursors: string[] = []
    const answers: Promise<Response>[] = []
    for (const name of names) {
      gates.set(name, Promise.withResolvers())
      cursors.push(on.hub.cursor())
      const before = on.server.pendingRequests
      answers.push(fetch(`${on.url}/page/${name}`))
      while (on.server.pendingRequests === before) await Bun.sleep(1)
      await Bun.sleep(5)
      await on.hub.publish('room:1', name)
    }
    for (const name of names.toReversed()) gates.get(name)?.resolve()
    const pages = await Promise.all(answers)
    expect(pages.map(({ headers }) => headers.get('cache-control'))).toEqual(
      names.map(() => 'private, no-store'),
    )
    const addresses = await Promise.all(pages.map((page) => page.text()))
    expect(addresses.map(since)).toEqual(cursors)
    const client = await connect(on.url + addresses[2])
    await client.until(() => client.events.length === 3)
    expect(client.events.map(({ data }) => data)).toEqual(['c', 'd', 'e'])
  })

  test('take their cursor each its own with hub.page', async () => {
    const on = serve({ viewer: (request) => request.headers.get('x-user') })
    const make = (user: string, wait: Promise<void>) =>
      on.hub.page(new Request('http://localhost/', { headers: { 'x-user': user } }), async () => {
        await wait
        return on.hub.address(['room:1'])
      })
    const gate = Promise.withResolvers<void>()
    const before = on.hub.cursor()
    const ann = make('ann', gate.promise)
    await on.hub.publish('room:1', 'x')
    const after = on.hub.cursor()
    const bob = await make('bob', Promise.resolve())
    gate.resolve()
    expect([since(await ann), since(bob)]).toEqual([before, after])
    const status = async (user: string, address: string) =>
      (await connect(on.url + address, { headers: { 'x-user': user } })).status
    expect(await status('ann', await ann)).toBe(200)
    expect(await status('ann', bob)).toBe(403)
    expect(since(on.hub.address(['room:1']))).toBeNull()
  })

  test('with addresses are private and not kept, however they answer; others as they say', async () => {
    const on = serveElysia({}, (app, hub) =>
      app
        .get('/with', () => hub.address(['room:1']))
        .get('/without', () => 'nothing live')
        .get('/response', () => new Response(hub.address(['room:1'])))
        .get('/kept', () => {
          const headers = { 'cache-control': 'private, max-age=9' }
          return new Response(hub.address(['room:1']), { headers })
        })
        .get('/own', ({ set }) => {
          set.headers['cache-control'] = 'private, max-age=5'
          return hub.address(['room:1'])
        })
        .get('/streamers', () => hub.address(['room:1'])),
    )
    const ask = async (path: string) => {
      const response = await fetch(on.url + path)
      return [response.headers.get('cache-control'), since(await response.text())]
    }
    expect(await ask('/with')).toEqual(['private, no-store', on.hub.cursor()])
    expect((await ask('/without'))[0]).toBeNull()
    expect(await ask('/response')).toEqual(['private, no-store', on.hub.cursor()])
    expect(await ask('/kept')).toEqual(['private, max-age=9', on.hub.cursor()])
    expect(await ask('/own')).toEqual(['private, max-age=5', on.hub.cursor()])
    expect(await ask('/streamers')).toEqual(['private, no-store', on.hub.cursor()])
  })

  for (const [order, use] of orders) {
    test(`of errors arrive as they are, also where no route is: ${order}`, async () => {
      const on = site({}, (hub) => {
        const app = new Elysia()
        use(app, hub)
          .onRequest(({ request }) => {
            if (request.url.endsWith('/early')) throw new Error('early')
            if (request.url.endsWith('/refused')) throw status(401)
          })
          .onError(({ code, set }) => {
            set.status = 404
            return `<html><body>${code ?? 'early'} ${hub.address(['room:1'])}</body></html>`
          })
          .get('/throws', () => {
            throw new Error('late')
          })
          .listen({ hostname: '127.0.0.1', port: 0 })
        return app.server as Bun.Server<undefined>
      })
      const type = order === 'alone' ? 'text/plain' : 'text/html'
      for (const [path, code] of [
        ['/nowhere', 'NOT_FOUND'],
        ['/early', 'early'],
        ['/refused', '401'],
        ['/throws', 'UNKNOWN'],
      ] as const) {
        const response = await fetch(on.url + path)
        expect([path, response.status, await response.text()]).toEqual([
          path,
          404,
          expect.stringContaining(`<body>${code} /stream?`),
        ])
        expect(response.headers.get('content-type')).toStartWith(type)
        expect(response.headers.get('cache-control')).toBe('private, no-store')
      }
    })

    test(`that are thrown as a status keep their type: ${order}`, async () => {
      const on = site({}, (hub) => {
        const app = new Elysia()
        use(app, hub)
          .get('/throws', () => {
            throw status(409, '<html>taken</html>')
          })
          .listen({ hostname: '127.0.0.1', port: 0 })
        return app.server as Bun.Server<undefined>
      })
      const response = await fetch(`${on.url}/throws`)
      expect([response.status, await response.text()]).toEqual([
        409,
        expect.stringContaining('<html>taken</html>'),
      ])
      const type = order === 'alone' ? 'text/plain' : 'text/html'
      expect(response.headers.get('content-type')).toStartWith(type)
    })
  }

  test('that hub.page answers with a Response and addresses are private and not kept', async () => {
    const { hub } = serve()
    const request = new Request('http://localhost/')
    const live = await hub.page(request, () => new Response(hub.address(['room:1'])))
    expect(live.headers.get('cache-control')).toBe('private, no-store')
    const plain = await hub.page(request, () => new Response('nothing live'))
    expect(plain.headers.get('cache-control')).toBeNull()
  })

  test('H-02 what is published between reading the data and opening the stream is shown once', async () => {
    const on = serve()
    const ticks = declare(on.hub)
    await ticks.publish('1', 'lines', 1)
    const page = await on.hub.page(new Request('http://localhost/'), async () => {
      const address = ticks.address(['1'], 'lines')
      await ticks.publish('1', 'lines', 2)
      const { items } = await on.hub.history('tick:1:lines')
      await ticks.publish('1', 'lines', 3)
      return { address, shown: items.map(({ html }) => html) }
    })
    await ticks.publish('1', 'lines', 4)
    await ticks.stop('1')
    const client = await connect(on.url + page.address)
    await client.until(() => client.ended)
    expect(page.shown).toHaveLength(2)
    const [again, ...fresh] = client.events
    // The page has 2 already; it comes with its own deletion, so it replaces itself.
    expect(again?.data).toEndWith(page.shown[1] as string)
    expect(again?.data).toContain('delete')
    expect(fresh.map(({ data }) => data.match(/>(\d)<\/li>$/)?.[1])).toEqual(['3', '4', undefined])
  })

  test('history gives items with the cursor that goes with exactly these', async () => {
    const on = serve()
    declare(on.hub)
    for (const n of [1, 2, 3, 4]) await on.hub.publish('room:1', `${n}`, { key: n })
    const { items, cursor } = await on.hub.history('room:1', { last: 2 })
    await on.hub.publish('room:1', '5')
    expect(items.map(({ html, key }) => [html, key])).toEqual([
      ['3', '3'],
      ['4', '4'],
    ])
    const client = await connect(on.url + on.hub.address(['room:1'], { since: cursor }))
    await client.until(() => client.events.length === 1)
    expect(client.events[0]?.data).toBe('5')
    expect((await on.hub.history('room:none')).cursor).toBe(on.hub.cursor())
  })
})
