/**
 * Async values: loading, then ok or failed, exactly one at a time; of two loads the one that began later counts.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import {
  type AsyncValueHandle,
  type AsyncValueOptions,
  asyncValue,
  type Hub,
  type LoadContext,
} from 'headwater'
import { AsyncValue } from 'headwater/components'
import { memoryLog } from 'headwater/log'
import { declareValue, type Said, startAsyncNode } from '../support/async-node'
import { type Client, connect } from '../support/client'
import { endPrograms } from '../support/program'
import { cleanUp, type Site, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(60_000)
afterEach(async () => {
  await endPrograms()
  await cleanUp()
})

const live = (client: Client) => client.until(() => client.lastEventId !== '')
const addressIn = (html: string) =>
  (/sse-connect="([^"]+)"/.exec(html)?.[1] ?? '').replaceAll('&amp;', '&')

/** What stands in an element, or was sent: its state and its content. Throws where that is not exactly one. */
function shown(html: string): string {
  const all = [
    ...html.matchAll(/<(div|span) data-state="(\w+)" data-load="[\w-]+"( aria-busy="true")?>/g),
  ]
  const [one] = all
  if (!one || all.length > 1) throw new Error(`Expected one state, got ${all.length}: ${html}`)
  const [start, as, state, busy] = one
  expect(busy !== undefined).toBe(state === 'loading')
  const content = html.slice(one.index + start.length, html.lastIndexOf(`</${as}>`))
  return `${state}: ${content.split(`</${as}>`)[0]}`
}

const shownBy = ({ events }: Client) => events.map(({ data }) => shown(data))

/** A load that waits until its test says how it goes. */
interface Waiting extends LoadContext {
  give(value: string | null): void
  fail(error: unknown): void
}

/** A value whose loads are told by the test, oldest first. */
function declareTold(hub: Hub, options: Partial<AsyncValueOptions<string | null>> = {}) {
  const loads: Waiting[] = []
  const value = asyncValue<string | null>(
    hub,
    'weather:berlin',
    ({ signal }) => {
      const { promise, resolve, reject } = Promise.withResolvers<string | null>()
      loads.push({ signal, give: resolve, fail: reject })
      return promise
    },
    {
      loading: () => '<i>wait</i>',
      ok: (words) => `<b>${words}</b>`,
      failed: (error, retry) => `<u>${(error as Error).message}</u>${retry}`,
      ...options,
    },
  )
  return { value, loads }
}

/** Shows it as a page does, and follows it. */
async function view<Value>({ url }: Site, value: AsyncValueHandle<Value>) {
  const html = await AsyncValue({ value })
  const client = await connect(`${url}${addressIn(html)}`)
  await live(client)
  return { html, client }
}

describe('an async value', () => {
  test('D-23 begins with loading, becomes ok, and is ok for who comes later and who comes back', async () => {
    const site = serve()
    const told = declareTold(site.hub)
    expect(told.loads).toHaveLength(0)
    const { html, client } = await view(site, told.value)
    expect(shown(html)).toBe('loading: <i>wait</i>')
    expect(html).toContain('aria-live="polite"')
    expect(told.loads).toHaveLength(1)
    const since = client.lastEventId
    told.loads[0]?.give('sunny')
    await client.until(() => client.events.length === 1)
    expect(shownBy(client)).toEqual(['ok: <b>sunny</b>'])
    expect(client.events[0]?.name).toBe('weather:berlin')
    const later = await view(site, told.value)
    expect(shown(later.html)).toBe('ok: <b>sunny</b>')
    expect(later.client.events).toEqual([])
    const back = await connect(`${site.url}${addressIn(html)}`, { lastEventId: since })
    await back.until(() => back.events.length === 1)
    expect(back.events[0]?.data).toBe(client.events[0]?.data as string)
    // The page, the live change and the replay are the same HTML.
    expect(later.html).toContain(client.events[0]?.data as string)
    expect(told.loads).toHaveLength(1)
    expect(told.loads[0]?.signal.aborted).toBe(false)
    expect(site.errors).toEqual([])
  })

  test('D-23 is failed when its loader throws, and is loaded again', async () => {
    const site = serve()
    const told = declareTold(site.hub, { retry: '/retry', retryLabel: '<again>' })
    const { client } = await view(site, told.value)
    told.loads[0]?.fail(new Error('no connection'))
    await client.until(() => client.events.length === 1)
    const button =
      '<form class="hw-retry" method="post" action="/retry" hx-post="/retry" hx-swap="none" hx-target="this">' +
      '<button type="submit">&lt;again&gt;</button></form>'
    expect(shownBy(client)).toEqual([`failed: <u>no connection</u>${button}`])
    expect(site.errors).toEqual([expect.objectContaining({ message: 'no connection' })])
    // It is not loaded again by being looked at.
    expect(shown(await AsyncValue(told))).toStartWith('failed: ')
    const again = told.value.load()
    await client.until(() => client.events.length === 2)
    told.loads[1]?.give('rain')
    expect(await again).toBe('ok')
    await client.until(() => client.events.length === 3)
    expect(shownBy(client).slice(1)).toEqual(['loading: <i>wait</i>', 'ok: <b>rain</b>'])
  })

  test('D-23 takes every way a loader can go: at once, null, thrown in the same turn, never', async () => {
    const site = serve()
    const give = (topic: string, load: () => unknown, timeout?: number) =>
      asyncValue(site.hub, topic, load, { ok: (value) => `<b>${value}</b>`, timeout })
    const end = async <Value>(value: AsyncValueHandle<Value>) => [
      await value.load(),
      shown(await AsyncValue({ value })),
    ]
    expect(await end(give('v:1', () => 7))).toEqual(['ok', 'ok: <b>7</b>'])
    expect(await end(give('v:2', async () => null))).toEqual(['ok', 'ok: <b>null</b>'])
    const thrown = give('v:3', () => {
      throw undefined
    })
    expect(await end(thrown)).toEqual(['failed', 'failed: <span class="hw-failed">Failed</span>'])
    const signals: AbortSignal[] = []
    const endless = asyncValue(
      site.hub,
      'v:4',
      ({ signal }) => {
        signals.push(signal)
        return new Promise<string>(() => {})
      },
      { ok: String, failed: (error) => (error as Error).message, timeout: 50 },
    )
    expect(await end(endless)).toEqual(['failed', 'failed: Loading "v:4" took longer than 50 ms'])
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
    expect(site.errors).toHaveLength(2)
  })

  test('D-23 is failed when what renders it throws, is too much or too slow; other renders that fail have a stand-in', async () => {
    const site = serve({ limits: { render: 50 } })
    const { hub } = site
    const made = (topic: string, options: AsyncValueOptions<string>) =>
      asyncValue(hub, topic, () => 'x', { timeout: 5_000, ...options })
    const boom = () => {
      throw new Error('boom')
    }
    const failed = 'failed: <span class="hw-failed">Failed</span>'
    const throwing = made('v:1', { ok: boom })
    expect([await throwing.load(), shown(await AsyncValue({ value: throwing }))]).toEqual([
      'failed',
      failed,
    ])
    const huge = made('v:2', { ok: () => 'x'.repeat(2 ** 20 + 1) })
    await huge.load()
    expect(shown(await AsyncValue({ value: huge }))).toBe(failed)
    const worst = made('v:3', { loading: boom, ok: boom, failed: boom })
    const first = await AsyncValue({ value: worst })
    expect(first).toContain('<span class="hw-loading">Loading …</span>')
    await settled(async () => shown(await AsyncValue({ value: worst })) === failed)
    const slow = made('v:4', { ok: boom, failed: () => new Promise(() => {}) })
    await slow.load()
    expect(shown(await AsyncValue({ value: slow }))).toBe(failed)
    const nothing = made('v:5', { ok: () => null })
    expect([await nothing.load(), shown(await AsyncValue({ value: nothing }))]).toEqual([
      'ok',
      'ok: ',
    ])
  })

  test('D-23 drops what an older load gives, and tells that loader to stop', async () => {
    const site = serve()
    const told = declareTold(site.hub)
    const { client } = await view(site, told.value)
    const outcomes = [told.value.load(), told.value.load()]
    expect(told.loads.map(({ signal }) => signal.aborted)).toEqual([true, true, false])
    told.loads[2]?.give('newest')
    expect(await Promise.all(outcomes)).toEqual(['superseded', 'ok'])
    told.loads[0]?.give('oldest')
    told.loads[1]?.fail(new Error('older'))
    await told.value.cancel()
    await client.until(() => shownBy(client).at(-1) === 'ok: <b>newest</b>')
    const last = told.value.load()
    told.loads[3]?.give('last')
    await last
    await client.until(() => shownBy(client).at(-1) === 'ok: <b>last</b>')
    expect(shownBy(client).filter((it) => it.includes('old'))).toEqual([])
    expect(site.errors).toEqual([])
  })

  test('D-23 never shows an older load over a newer one, of 200 that end in any order', async () => {
    const site = serve({ limits: { pace: 0 } })
    let count = 0
    const value = asyncValue(
      site.hub,
      'v:many',
      async () => {
        const own = ++count
        await Bun.sleep(Math.random() * 6)
        if (own % 5 === 0) throw new Error(`${own}`)
        return own
      },
      { ok: String, failed: (error) => (error as Error).message, loading: () => '' },
    )
    const { client } = await view(site, value)
    let last: Promise<unknown> | undefined
    for (let n = 0; n < 200; n++) {
      last = value.load()
      await Bun.sleep(Math.random() * 6)
    }
    await last
    await client.until(() => /^(ok|failed): 201$/.test(shownBy(client).at(-1) ?? ''))
    const seen = shownBy(client).filter((it) => !it.startsWith('loading'))
    const numbers = seen.map((it) => Number(it.split(': ')[1]))
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect(numbers.length).toBeGreaterThan(20)
    // A result follows its own loading, or nothing was between two results.
    const all = shownBy(client)
    expect(
      all.filter(
        (it, i) => !it.startsWith('loading') && all[i - 1]?.startsWith('loading') === false,
      ),
    ).toEqual([])
  })

  test('D-23 cancelled shows again what was there before, and aborts its loader', async () => {
    const site = serve()
    const told = declareTold(site.hub, { retry: '/retry' })
    const { client } = await view(site, told.value)
    const first = told.value.load()
    await told.value.cancel()
    expect(await first).toBe('cancelled')
    expect(told.loads.map(({ signal }) => signal.aborted)).toEqual([true, true])
    // There was nothing before.
    await client.until(
      () => shownBy(client).at(-1)?.startsWith('failed: <u>Cancelled</u><form') === true,
    )
    const second = told.value.load()
    told.loads[2]?.give('sunny')
    await second
    const third = told.value.load()
    await client.until(() => shownBy(client).at(-1) === 'loading: <i>wait</i>')
    await told.value.cancel()
    expect(await third).toBe('cancelled')
    await client.until(() => shownBy(client).at(-1) === 'ok: <b>sunny</b>')
    told.loads[3]?.give('too late')
    // Of a load that was never shown, too.
    const fourth = told.value.load()
    await told.value.cancel()
    expect(await fourth).toBe('cancelled')
    expect(shown(await AsyncValue(told))).toBe('ok: <b>sunny</b>')
    // What is not loading can not be cancelled, and the next load is not meant.
    void told.value.cancel()
    const fifth = told.value.load()
    told.loads.at(-1)?.give('fifth')
    expect(await fifth).toBe('ok')
    expect(site.errors).toEqual([])
  })

  test('D-23 is cancelled by a form that posts to its address', async () => {
    const site = serve()
    const told = declareTold(site.hub)
    const { client } = await view(site, told.value)
    const answer = await fetch(`${site.url}${told.value.cancelAddress()}`, {
      method: 'POST',
      redirect: 'manual',
    })
    expect(answer.status).toBe(303)
    await client.until(() => shownBy(client).at(-1) === 'failed: <u>Cancelled</u>')
    expect(told.loads[0]?.signal.aborted).toBe(true)
  })

  test('D-23 of a page that is rendered by many at once is loaded once, and not for one of them', async () => {
    const site = serve({ viewer: (request) => request.headers.get('x-user') })
    let inner = ''
    let loads = 0
    const value = asyncValue(
      site.hub,
      'v:once',
      () => {
        loads++
        inner = site.hub.address(['v:once'])
        return 1
      },
      { ok: String },
    )
    const pages = ['ann', 'bob'].map((user) =>
      site.hub.page(new Request('http://x/', { headers: { 'x-user': user } }), () =>
        AsyncValue({ value }),
      ),
    )
    const html = await Promise.all(pages)
    expect(html.map((one) => addressIn(one) === '')).toEqual([false, false])
    await settled(async () => shown(await AsyncValue({ value })) === 'ok: 1')
    expect(loads).toBe(1)
    // An address made in a loader is for all.
    const client = await connect(`${site.url}${inner}`, { headers: { 'x-user': 'eve' } })
    expect(client.status).toBe(200)
  })

  test('D-23 works on a log in memory, and in a line', async () => {
    const site = serve({ log: memoryLog() })
    const told = declareTold(site.hub, { as: 'span' })
    const { html, client } = await view(site, told.value)
    expect(html).toStartWith('<span aria-live="polite" class="hw-async"')
    expect(html).toContain('><span data-state="loading"')
    told.loads[0]?.give('sunny')
    await client.until(() => shownBy(client).at(-1) === 'ok: <b>sunny</b>')
  })

  test('D-23 is declared once, on a topic that may be declared before, with good options only', async () => {
    const { hub } = serve()
    hub.topic('report:*', { kind: 'state', guard: 'public' })
    const value = asyncValue(hub, 'report:1', () => 1, { ok: String })
    expect(asyncValue(hub, 'report:1', () => 2, { ok: String })).toBe(value)
    const bad = (options: Partial<AsyncValueOptions<number>>, topic = 'report:2') =>
      expect(() => asyncValue(hub, topic, () => 1, { ok: String, ...options })).toThrow(TypeError)
    for (const timeout of [0, -1, Number.NaN, 2 ** 31]) bad({ timeout })
    for (const retry of ['', 'javascript:alert(1)', '//evil.example', '/\\evil.example'])
      bad({ retry })
    bad({}, 'a b')
  })

  test('D-23 hostile text is inert where the app escapes it, and nothing else is shown of an error', async () => {
    const { hub } = serve()
    const hostile = '"></div><script>alert(1)</script><div data-state="ok" data-load="9-x">'
    const value = asyncValue(
      hub,
      'v:hostile',
      () => {
        throw new Error(hostile)
      },
      { ok: String, retry: `/retry?${hostile}`, retryLabel: hostile },
    )
    await value.load()
    const html = await AsyncValue({ value, title: hostile })
    expect(html).not.toContain('<script')
    expect(shown(html)).toStartWith('failed: <span class="hw-failed">Failed</span>')
  })

  for (const [what, alter] of Object.entries({
    'puts something before it': (html: unknown) => `<!-- <b> -->${html}`,
    'wraps it': (html: unknown) => `<div class="card"><div>${html}</div></div>\n`,
    'takes the quotes of its attributes': (html: unknown) =>
      String(html).replaceAll(/="([\w-]+)"/g, (_, value) => `=${value}`),
  })) {
    test(`D-23 is shown, and cancelled, behind a middleware that ${what}`, async () => {
      const site = serve()
      site.hub.use('weather:*', ({ content }) => alter(content))
      const ok = '<div title="</div>"><b data-state="failed" data-load="9-x">sunny</b></div>'
      const told = declareTold(site.hub, { ok: () => ok })
      const { client } = await view(site, told.value)
      told.loads[0]?.give('')
      await client.until(() => client.events.length === 1)
      expect(client.events[0]?.data).toContain(ok.split('<b')[0] as string)
      expect(await AsyncValue(told)).toContain(client.events[0]?.data as string)
      expect(told.loads).toHaveLength(1)
      void told.value.load()
      await client.until(() => client.events.length === 2)
      await told.value.cancel()
      await client.until(() => client.events.length === 3)
      const load = /data-load="?[\w-]+"?/
      expect(client.events[2]?.data.replace(load, '')).toBe(
        client.events[0]?.data.replace(load, '') as string,
      )
      expect(site.errors).toEqual([])
    })
  }

  test('D-23 a hub that closes aborts what is loading, without a word', async () => {
    const site = serve()
    const told = declareTold(site.hub)
    const { client } = await view(site, told.value)
    const load = told.value.load()
    client.cut()
    await site.stop()
    expect(told.loads.map(({ signal }) => signal.aborted)).toEqual([true, true])
    expect(await load).toBe('superseded')
    expect(site.errors).toEqual([])
  })

  test('D-23 a hub that closes is not waited for, also when it was shown that it loads', async () => {
    for (const log of [undefined, memoryLog()]) {
      const site = serve(log && { log })
      const told = declareTold(site.hub)
      const load = told.value.load()
      await settled(async () => (await site.hub.log.last(told.value.topic, 1)).length === 1)
      await Bun.sleep(20)
      const from = performance.now()
      site.hub.close()
      expect(await load).toBe('superseded')
      expect(performance.now() - from).toBeLessThan(1_000)
      expect(site.errors).toEqual([])
    }
  })
})

describe('an async value of several processes', () => {
  const outcomes = (said: readonly Said[]) =>
    said.flatMap((it) => ('outcome' in it ? `${it.of} ${it.outcome}` : []))

  test('D-23 the load that began later counts, and the other is told to stop', async () => {
    const database = temporary()
    const site = serve({ database })
    const next = { name: 'here', wait: 0 }
    const value = declareValue(site.hub, next)
    const { client } = await view(site, value)
    await client.until(() => shownBy(client).at(-1) === 'ok: <b>here</b>')
    const nodes = await Promise.all([1, 2].map(() => startAsyncNode({ database })))
    const [one, two] = nodes as [(typeof nodes)[0], (typeof nodes)[0]]
    one.node.tell({ load: 'slow', wait: 600 })
    await one.heard('loading', 1)
    await client.until(() => shownBy(client).at(-1) === 'loading: <i>loading</i>')
    two.node.tell({ load: 'quick', wait: 100 })
    await one.heard('aborted', 1)
    await two.heard('outcome', 1)
    await one.heard('outcome', 1)
    expect([...outcomes(one.node.said), ...outcomes(two.node.said)]).toEqual([
      'slow superseded',
      'quick ok',
    ])
    await client.until(() => shownBy(client).at(-1) === 'ok: <b>quick</b>')
    // The loader that did not listen has ended by now.
    await Bun.sleep(600)
    expect(shownBy(client).filter((it) => it.includes('slow'))).toEqual([])
    expect(shown(await AsyncValue({ value }))).toBe('ok: <b>quick</b>')
  })

  test('D-23 an older load is dropped also by who has not heard of the newer one yet', async () => {
    const database = temporary()
    const [here, there] = [
      declareTold(serve({ database }).hub),
      declareTold(serve({ database }).hub),
    ]
    for (let n = 0; n < 10; n++) {
      const older = here.value.load()
      await settled(async () => shown(await AsyncValue(here)).startsWith('loading'))
      const newer = there.value.load()
      await there.value.show()
      // In this turn, and the log of the other is looked at every 20 ms.
      here.loads[n]?.give(`older ${n}`)
      expect(await older).toBe('superseded')
      there.loads[n]?.give(`newer ${n}`)
      expect(await newer).toBe('ok')
      expect(shown(await AsyncValue(here))).toBe(`ok: <b>newer ${n}</b>`)
    }
  })

  test('D-23 an older load is dropped also behind a middleware', async () => {
    const database = temporary()
    const [here, there] = [1, 2].map(() => {
      const { hub } = serve({ database })
      hub.use('weather:*', ({ content }) => `<div>${content}</div>`)
      return declareTold(hub)
    }) as [ReturnType<typeof declareTold>, ReturnType<typeof declareTold>]
    const older = here.value.load()
    await settled(async () => shown(await AsyncValue(here)).startsWith('loading'))
    const newer = there.value.load()
    await there.value.show()
    there.loads[0]?.give('newer')
    expect(await newer).toBe('ok')
    here.loads[0]?.give('older')
    expect(await older).toBe('superseded')
    expect(await AsyncValue(here)).toContain('<b>newer</b>')
  })

  test('D-23 an older load never overwrites a newer one, of 3 × 60 at once', async () => {
    const database = temporary()
    const site = serve({ database })
    const nodes = await Promise.all([1, 2].map(() => startAsyncNode({ database })))
    const next = { name: 'here-0', wait: 0 }
    const value = declareValue(site.hub, next)
    const { client } = await view(site, value)
    await client.until(() => shownBy(client).at(-1) === 'ok: <b>here-0</b>')
    const each = 60
    for (let n = 1; n <= each; n++) {
      for (const [i, { node }] of nodes.entries()) {
        node.tell({ load: `${i}-${n}`, wait: Math.random() * 20 })
      }
      Object.assign(next, { name: `here-${n}`, wait: Math.random() * 20 })
      void value.load()
      await Bun.sleep(Math.random() * 25)
    }
    await Promise.all(nodes.map(({ heard }) => heard('outcome', each)))
    await client.until(() => !shownBy(client).at(-1)?.startsWith('loading'))
    // The number of loads that had begun, as the events say: it never goes back.
    const counts = client.events.map(({ data }) => Number(/data-load="(\d+)-/.exec(data)?.[1]))
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
    expect(new Set(counts).size).toBeGreaterThan(20)
    // Of each number there was one load.
    const names = client.events.map(({ data }) => /data-load="([\w-]+)"/.exec(data)?.[1])
    expect(new Set(names).size).toBe(new Set(counts).size)
  })

  test('D-23 is cancelled from another process, which shows again what was there before', async () => {
    const database = temporary()
    const site = serve({ database })
    const next = { name: 'before', wait: 0 }
    const value = declareValue(site.hub, next)
    const { client } = await view(site, value)
    await client.until(() => shownBy(client).at(-1) === 'ok: <b>before</b>')
    const { node, heard } = await startAsyncNode({ database })
    node.tell({ load: 'there', wait: 60_000 })
    await client.until(() => shownBy(client).at(-1) === 'loading: <i>loading</i>')
    await value.cancel()
    await heard('outcome', 1)
    expect(outcomes(node.said)).toEqual(['there cancelled'])
    await client.until(() => shownBy(client).at(-1) === 'ok: <b>before</b>')
  })

  test('D-23 a load whose process was killed is begun again by the next page, and by a page that stayed open', async () => {
    const database = temporary()
    const dying = await startAsyncNode({ database })
    dying.node.tell({ load: 'never', wait: 60_000 })
    await dying.heard('loading', 1)
    const site = serve({ database })
    await settled(async () => (await site.hub.history('value:1')).items.length === 1)
    const next = { name: 'restarted', wait: 100 }
    const value = declareValue(site.hub, next)
    const { html, client } = await view(site, value)
    expect(shown(html)).toBe('loading: <i>loading</i>')
    // It lives, so it is waited for.
    await Bun.sleep(1_500)
    expect(client.events).toEqual([])
    await dying.node.kill()
    await client.until(() => shownBy(client).at(-1) === 'ok: <b>restarted</b>')
    expect(shownBy(client)).toEqual(['loading: <i>loading</i>', 'ok: <b>restarted</b>'])

    const second = await startAsyncNode({ database })
    second.node.tell({ load: 'never', wait: 60_000 })
    await client.until(() => client.events.length === 3)
    client.cut()
    await settled(() => site.hub.stats().active === 0)
    await second.node.kill()
    next.name = 'by a page'
    expect(shown(await AsyncValue({ value }))).toBe('loading: <i>loading</i>')
    await settled(async () => shown(await AsyncValue({ value })) === 'ok: <b>by a page</b>')
  })

  test('D-23 a server that starts again on its file goes on with what it was loading', async () => {
    const database = temporary()
    const before = serve({ database })
    void declareTold(before.hub).value.load()
    await settled(async () => (await before.hub.history('weather:berlin')).items.length === 1)
    await before.stop()
    const site = serve({ database })
    const told = declareTold(site.hub)
    const { html } = await view(site, told.value)
    expect(shown(html)).toBe('loading: <i>wait</i>')
    expect(told.loads).toHaveLength(1)
    told.loads[0]?.give('sunny')
    await settled(async () => shown(await AsyncValue(told)) === 'ok: <b>sunny</b>')
  })
})
