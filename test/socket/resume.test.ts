/**
 * Coming back: after a cut at any event, with any cursor, after the server was killed, and beside another process.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { MultiStreamManager } from 'headwater'
import { type Log, memoryLog } from 'headwater/log'
import { type Client, connect } from '../support/client'
import { lateLog } from '../support/late-log'
import { Child, cleanUp, declare, type Site, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(40_000)
afterEach(cleanUp)

const live = (client: Client) => client.until(() => client.lastEventId !== '')
const datas = (client: Client) => client.events.map(({ data }) => data)
const numbers = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => String(from + i))
/** The texts of the elements in a fragment. */
const texts = (html: string) => [...html.matchAll(/>([^<>]+)<\//g)].map((found) => found[1])

const logs: [string, () => Parameters<typeof serve>[0]][] = [
  ['SQLite', () => ({ database: temporary() })],
  ['memory', () => ({ log: memoryLog() })],
  ['a log that answers later', () => ({ log: lateLog(memoryLog()) })],
]

for (const [what, options] of logs) {
  describe(`coming back, with ${what}`, () => {
    test('at every event of a run of 100 loses nothing and doubles nothing', async () => {
      const on = serve(options())
      declare(on.hub)
      const url = `${on.url}/stream?topic=room:1`
      const ids = [on.hub.cursor() as string]
      for (const n of numbers(1, 100)) {
        if (Number(n) % 3 === 0) on.hub.publish('room:2', 'of another topic')
        ids.push((await on.hub.publish('room:1', n)) as string)
      }
      await on.hub.publish('room:2', 'the newest')
      for (let at = 0; at <= 100; at++) {
        const client = await connect(url, { lastEventId: ids[at] })
        await client.until(() => client.lastEventId === on.hub.cursor())
        expect(client.events).toEqual(
          numbers(at + 1, 100).map(
            (n) => ({ id: ids[Number(n)], name: 'room:1', data: n }) as never,
          ),
        )
        client.cut()
      }
    })

    test('says the head once, and sends what is live once', async () => {
      const on = serve(options())
      declare(on.hub)
      const client = await connect(`${on.url}/stream?topic=room:1`)
      await live(client)
      for (const n of numbers(1, 20)) {
        await on.hub.publish('room:1', n)
        await Bun.sleep(5)
      }
      await client.until(() => client.events.length >= 20)
      expect(datas(client)).toEqual(numbers(1, 20))
      expect(client.raw.match(/^id: .*\n\n/gm)).toHaveLength(1)
    })

    test('again and again while publishing goes on gives one whole run', async () => {
      const on = serve(options())
      declare(on.hub)
      const url = `${on.url}/stream?topic=room:1&since=${on.hub.cursor()}`
      const seen: string[] = []
      let last: string | undefined
      let publishing = true
      const publish = (async () => {
        for (const n of numbers(1, 150)) {
          on.hub.publish('room:1', n)
          if (Number(n) % 3 === 0) await Bun.sleep(2)
        }
        publishing = false
      })()
      while (seen.length < 150) {
        const client = await connect(url, { lastEventId: last })
        await client.until(() => client.events.length > 0)
        client.cut()
        seen.push(...datas(client))
        last = client.lastEventId
        expect(publishing || seen.length > 0).toBe(true)
      }
      await publish
      expect(seen).toEqual(numbers(1, 150))
    })

    test('to a long history while publishing goes on gives one whole run, and the head only after it', async () => {
      const on = serve(options())
      declare(on.hub)
      const since = on.hub.cursor()
      const body = 'x'.repeat(1_000)
      await Promise.all(numbers(1, 900).map((n) => on.hub.publish('room:1', n + body)))
      const head = on.hub.cursor()
      const client = await connect(`${on.url}/stream?topic=room:1`, { lastEventId: since })
      for (const n of numbers(901, 950)) {
        await on.hub.publish('room:1', n + body)
        await Bun.sleep(0)
      }
      await client.until(() => client.events.length >= 950)
      await on.hub.publish('room:1', 'end')
      await client.until(() => client.events.at(-1)?.data === 'end')
      expect(datas(client).slice(0, -1)).toEqual(numbers(1, 950).map((n) => n + body))
      const alone = client.raw.match(/^id: .*\n\n/m)?.index ?? -1
      expect(client.raw.slice(0, alone)).toContain(`id: ${head}\nevent`)
    })

    const cursors: [string, (on: Site) => string | undefined][] = [
      ['none', () => undefined],
      ['of another epoch', () => '00000000.5'],
      ['malformed', () => 'no cursor at all'],
      ['beyond the head', (on) => `${on.hub.log.epoch}.999999`],
    ]
    for (const [name, cursor] of cursors) {
      test(`with a cursor ${name} gives the snapshot of each topic, and the head after it`, async () => {
        const on = serve(options())
        declare(on.hub)
        for (const n of numbers(1, 250)) on.hub.publish('room:1', `<p>${n}</p>`)
        await on.hub.publish('cell:1', 'old')
        await on.hub.publish('flash:1', 'gone')
        await on.hub.publish('cell:1', 'new')
        const client = await connect(`${on.url}/stream?topic=room:1&topic=cell:1&topic=flash:1`, {
          lastEventId: cursor(on),
        })
        await live(client)
        expect(client.lastEventId).toBe(on.hub.cursor())
        const [room, cell, ...more] = client.events.toSorted((a, b) => (a.name < b.name ? 1 : -1))
        expect(room).toMatchObject({ name: 'room:1', id: '' })
        expect(room?.data).toContain('innerHTML')
        expect(room?.data).toContain('sse-swap')
        expect(texts(room?.data ?? '')).toEqual(numbers(51, 250))
        expect(cell).toEqual({ name: 'cell:1', id: '', data: 'new' })
        expect(more).toEqual([])
        expect(client.raw).toEndWith(`id: ${on.hub.cursor()}\n\n`)
        await on.hub.publish('room:1', 'after it')
        await client.until(() => client.events.length === 3)
      })
    }

    test('behind what was given up gives the snapshot, behind what is kept the events', async () => {
      const on = serve(options())
      on.hub.topic('short', { guard: 'public', keep: { count: 20 } })
      const ids: string[] = []
      for (const n of numbers(1, 40)) {
        ids.push((await on.hub.publish('short', `<p>${n}</p>`)) as string)
      }
      await settled(async () => (await on.hub.log.trimmed(['short' as never], 0)).length > 0)
      const first = (await on.hub.history('short')).items.at(0)
      const url = `${on.url}/stream?topic=short`
      const oldest = ids.indexOf(first?.id as string)
      expect(oldest).toBeGreaterThan(5)
      for (const at of [0, oldest - 2]) {
        const client = await connect(url, { lastEventId: ids[at] })
        await client.until(() => client.lastEventId === ids.at(-1))
        expect(client.events.map(({ id }) => id)).toEqual([''])
        expect(texts(client.events[0]?.data ?? '')).toEqual(numbers(oldest + 1, 40))
      }
      const near = await connect(url, { lastEventId: ids[oldest - 1] })
      await near.until(() => near.lastEventId === ids.at(-1))
      expect(near.events.map(({ id }) => id)).toEqual(ids.slice(oldest))
    })

    test('1,000 events behind gets them, 1,001 behind the snapshot of that topic and the events of others', async () => {
      const on = serve(options())
      on.hub.topic('long', { guard: 'public', keep: { count: 5_000 } })
      declare(on.hub)
      const before = on.hub.cursor()
      await on.hub.publish('room:1', 'one')
      const since = await on.hub.publish('long', '<p>0</p>')
      await Promise.all(numbers(1, 1_000).map((n) => on.hub.publish('long', `<p>${n}</p>`)))
      const url = `${on.url}/stream?topic=long&topic=room:1`
      const within = await connect(url, { lastEventId: since as string })
      await within.until(() => within.lastEventId === on.hub.cursor())
      expect(datas(within)).toEqual(numbers(1, 1_000).map((n) => `<p>${n}</p>`))
      const behind = await connect(url, { lastEventId: before })
      await behind.until(() => behind.lastEventId === on.hub.cursor())
      expect(behind.events.map(({ name }) => name)).toEqual(['long', 'room:1'])
      expect(texts(behind.events[0]?.data ?? '')).toEqual(numbers(801, 1_000))
    })

    test('to a state of more keys than are replayed gives every key', async () => {
      const on = serve({ ...options(), limits: { replay: 10 } })
      declare(on.hub)
      for (const n of numbers(1, 25)) on.hub.publish('cell:1', n, { key: n })
      await on.hub.publish('room:1', 'x')
      await settled(async () => (await on.hub.history('cell:1', { last: 99 })).items.length === 25)
      const client = await connect(`${on.url}/stream?topic=cell:1`)
      await live(client)
      expect(datas(client)).toEqual(numbers(1, 25))
    })

    test('gives only the newest of each key of a state, in the order of the log', async () => {
      const on = serve({ ...options(), limits: { pace: 1 } })
      declare(on.hub)
      const since = on.hub.cursor()
      for (const n of numbers(1, 6)) {
        await on.hub.publish('cell:1', `a${n}`, { key: 'a' })
        await on.hub.publish('room:1', `line ${n}`)
        if (n === '3') await on.hub.publish('cell:1', 'b', { key: 'b' })
      }
      const client = await connect(`${on.url}/stream?topic=cell:1&topic=room:1`, {
        lastEventId: since,
      })
      await client.until(() => client.lastEventId === on.hub.cursor())
      expect(datas(client)).toEqual([
        'line 1',
        'line 2',
        'line 3',
        'b',
        'line 4',
        'line 5',
        'a6',
        'line 6',
      ])
    })

    test('to an item of a manager is preceded by the deletion of the same, live ones are not', async () => {
      const on = serve(options())
      const jobs = new MultiStreamManager<{ id: string }>(on.hub, {
        name: 'job',
        getEntity: (id) => ({ id }),
        guard: 'public',
      }).register({
        name: 'rows',
        kind: 'log',
        key: ({ n }: { n: number }) => n,
        render: ({ n, id }: { n: number; id?: string }) =>
          id === undefined ? `<tr><td>${n}</td></tr>` : `<tr id="${id}"><td>${n}</td></tr>`,
      })
      const since = on.hub.cursor()
      const first = await connect(`${on.url}/stream/job/rows?id=a%20b`, { lastEventId: since })
      await live(first)
      await jobs.publish('a b', 'rows', { n: 1, id: 'r:1' })
      await jobs.publish('a b', 'rows', { n: 2 })
      await first.until(() => first.events.length === 2)
      const again = await connect(`${on.url}/stream/job/rows?id=a%20b`, { lastEventId: since })
      await again.until(() => again.events.length === 2)
      for (const [i, { data, id, name }] of again.events.entries()) {
        const plain = first.events[i]?.data ?? ''
        expect([id, name]).toEqual([first.events[i]?.id as string, 'job:a%20b:rows'])
        expect(plain).toMatch(/^<tr id="[^"]+"><td>\d<\/td><\/tr>$/)
        expect(data).toEndWith(plain)
        expect(deletes(data.slice(0, -plain.length))).toBe(/id="([^"]+)"/.exec(plain)?.[1] ?? '')
      }
    })
  })
}

/** The id that a fragment deletes, bare or wrapped. */
function deletes(html: string): string | undefined {
  const bare = /^<(\w+) (?=[^>]*hx-swap-oob="delete")[^>]*?id="([^"]+)"[^>]*><\/\1>$/.exec(
    html,
  )?.[2]
  if (bare !== undefined) return bare
  const wrapped =
    /^<hx-partial (?=[^>]*hx-swap="delete")[^>]*?hx-target="#([^",]+)(?:,document)?"[^>]*><\/hx-partial>$/
  const letter = (_: string, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16))
  return wrapped.exec(html)?.[1]?.replace(/\\([\dA-F]+) /gi, letter)
}

/** A log to which others append: that is heard when it is looked for. `before` is called before each question. */
function sharedLog() {
  const inner = memoryLog()
  const hooks = { before: (_question: 'read' | 'last') => {} }
  let known = 0
  let hear = () => {}
  const log: Log = {
    name: 'shared',
    epoch: inner.epoch,
    head: () => {
      hear()
      return known
    },
    append: (entries) => {
      const places = inner.append(entries)
      hear()
      return places
    },
    read: (query) => {
      hooks.before('read')
      return inner.read(query)
    },
    count: (query) => inner.count(query),
    last: (topic, count) => {
      hooks.before('last')
      return inner.last(topic, count)
    },
    topics: (pattern) => inner.topics(pattern),
    ended: (topics) => inner.ended(topics),
    trimmed: (topics, after) => inner.trimmed(topics, after),
    texts: (topics, after) => inner.texts(topics, after),
    compact: (...text) => inner.compact(...text),
    forget: (topic) => inner.forget(topic),
    trim: (topic, keep) => inner.trim(topic, keep),
    close: () => inner.close(),
    follow: (listener) => {
      const heard: Parameters<typeof listener>[0] = []
      hear = () => {
        known = heard.at(-1)?.seq ?? known
        if (heard.length > 0) listener(heard.splice(0))
      }
      const looking = setInterval(() => hear(), 20)
      const unfollow = inner.follow((events) => heard.push(...events))
      return () => {
        clearInterval(looking)
        unfollow()
      }
    },
  }
  const entry = (n: string) => ({
    topic: 'room:1' as Parameters<Log['last']>[0],
    kind: 'log' as const,
    form: 'slot' as const,
    key: null,
    data: n,
    at: Date.now(),
  })
  return { log, hooks, others: (texts: string[]) => inner.append(texts.map(entry)) }
}

describe('a log that grows between two questions', () => {
  test('doubles nothing of what came into the snapshot while it was read', async () => {
    const { log, hooks, others } = sharedLog()
    const on = serve({ log })
    on.hub.topic('room:1', { guard: 'public' })
    await on.hub.publish('room:1', '<p>1</p>')
    hooks.before = (question) => {
      if (question !== 'last') return
      hooks.before = () => {}
      others(['<p>2</p>'])
    }
    const client = await connect(`${on.url}/stream?topic=room:1`)
    await on.hub.publish('room:1', '<p>3</p>')
    await client.until(() => datas(client).join().includes('<p>3</p>'))
    expect(datas(client).flatMap(texts)).toEqual(['1', '2', '3'])
  })

  test('loses nothing when more than a page is appended while it is read', async () => {
    const { log, hooks, others } = sharedLog()
    const on = serve({ log, limits: { replay: 2_000 } })
    on.hub.topic('room:1', { guard: 'public', keep: { count: 5_000 } })
    const since = on.hub.cursor()
    for (const n of numbers(1, 10)) await on.hub.publish('room:1', n)
    let appended = 10
    hooks.before = () => {
      if (appended === 1_210) return
      others(numbers(appended + 1, appended + 600))
      appended += 600
    }
    const client = await connect(`${on.url}/stream?topic=room:1`, { lastEventId: since })
    await client.until(() => appended > 10 && datas(client).includes(`${appended}`))
    expect(datas(client)).toEqual(numbers(1, appended))
  })
})

describe('a server that is killed', () => {
  test('H-08 delivers after its restart everything that publish had confirmed', async () => {
    const database = temporary()
    const child = await new Child(database).ready()
    const start = await connect(`${child.url}/stream?topic=room:1`)
    await live(start)
    const since = start.lastEventId
    const confirmed = new Map<string, string>()
    let told = 0
    // Twenty are always on their way, so that the kill comes in the middle of some.
    const tell = () => {
      if (told === 900) return
      const n = String(++told)
      child.tell({ publish: ['room:1', n] }).then((id) => {
        confirmed.set(n, id as string)
        tell()
      })
    }
    for (let i = 0; i < 20; i++) tell()
    await start.until(() => start.events.length >= 100 && confirmed.size >= 100)
    await child.kill()
    await start.until(() => start.ended)
    expect(confirmed.size).toBeLessThan(900)

    const again = await new Child(database).ready()
    const client = await connect(`${again.url}/stream?topic=room:1`, { lastEventId: since })
    await client.until(() => client.comments.length > 0 && client.lastEventId !== '')
    await again.tell({ publish: ['room:1', 'end'] })
    await client.until(() => client.events.at(-1)?.data === 'end')
    const ids = client.events.map(({ id }) => id)
    const kept = new Map(client.events.map(({ id, data }) => [data, id]))
    expect([...confirmed].filter(([n, id]) => kept.get(n) !== id)).toEqual([])
    expect(datas(client).slice(0, -1)).toEqual(numbers(1, client.events.length - 1))
    // What anybody was shown before the kill was kept.
    expect(start.events.filter(({ id }) => !ids.includes(id))).toEqual([])
    const rest = await connect(`${again.url}/stream?topic=room:1`, {
      lastEventId: start.lastEventId,
    })
    await rest.until(() => rest.events.at(-1)?.data === 'end')
    expect([...datas(start), ...datas(rest).slice(0, -1)]).toEqual(datas(client).slice(0, -1))
  })
})

describe('a restored backup', () => {
  test('makes no hole for a cursor that was beyond the head once', async () => {
    const on = serve({ database: temporary() })
    declare(on.hub)
    for (const n of numbers(1, 5)) await on.hub.publish('room:1', n)
    const ahead = `${on.hub.log.epoch}.8`
    const url = `${on.url}/stream?topic=room:1`
    await live(await connect(url, { lastEventId: ahead }))
    for (const n of numbers(6, 10)) await on.hub.publish('room:1', `<p>${n}</p>`)
    const client = await connect(url, { lastEventId: ahead })
    await live(client)
    await client.until(() => client.raw.includes('<p>10</p>'))
    expect(client.raw).toContain('<p>6</p>')
  })
})

describe('two processes on one file', () => {
  test('hear each other, all kinds, within half a second', async () => {
    const database = temporary()
    const on = serve({ database })
    declare(on.hub)
    const child = await new Child(database).ready()
    const topics = '?topic=room:1&topic=cell:1&topic=flash:1'
    const here = await connect(`${on.url}/stream${topics}`)
    const there = await connect(`${child.url}/stream${topics}`)
    await Promise.all([live(here), live(there)])
    for (const topic of ['room:1', 'cell:1', 'flash:1']) {
      const start = performance.now()
      await on.hub.publish(topic, 'from here')
      await there.until(() => there.events.at(-1)?.name === topic)
      await child.tell({ publish: [topic, 'from there'] })
      await here.until(() => here.events.at(-1)?.data === 'from there')
      expect(performance.now() - start).toBeLessThan(1_000)
    }
    await settled(() => there.events.length === 6 && here.events.length === 6)
    expect(here.events).toEqual(there.events)
  })

  test('that both publish give their viewers one order, with nothing lost', async () => {
    const database = temporary()
    const on = serve({ database })
    declare(on.hub)
    const child = await new Child(database).ready()
    const here = await connect(`${on.url}/stream?topic=room:1`)
    const there = await connect(`${child.url}/stream?topic=room:1`)
    await Promise.all([live(here), live(there)])
    const burst = child.tell({ burst: ['room:1', 400] })
    for (const n of numbers(1, 400)) {
      await on.hub.publish('room:1', `<p id="a${n}">${n}</p>`)
      if (Number(n) % 10 === 0) await Bun.sleep(1)
    }
    await burst
    await here.until(() => here.events.length >= 800)
    await there.until(() => there.events.length >= 800)
    expect(here.events).toEqual(there.events)
    expect(here.events).toHaveLength(800)
    const own = (letter: string) => datas(here).filter((data) => data.includes(`"${letter}`))
    expect(own('a').flatMap(texts)).toEqual(numbers(1, 400))
    expect(own('b').flatMap(texts)).toEqual(numbers(1, 400))
  })

  test('C-12 run a source once, and the other takes it over when the first is killed', async () => {
    const database = temporary()
    const on = serve({ database })
    const started: string[] = []
    declare(on.hub, (id) => started.push(id))
    const child = await new Child(database).ready()
    const there = await connect(`${child.url}/stream/tick/lines?id=1`)
    await there.until(() => there.events.length > 5)
    const here = await connect(`${on.url}/stream/tick/lines?id=1&since=${on.hub.log.epoch}.0`)
    await here.until(() => here.events.length > 30)
    expect([child.started, started]).toEqual([['1'], []])
    await child.kill()
    await here.until(() => here.ended, 20_000)
    expect(started).toEqual(['1'])
    const lines = here.events
      .filter(({ name }) => name !== 'done')
      .flatMap(({ data }) => texts(data))
    expect(lines).toEqual(numbers(1, 300))
  })

  test('C-09 C-12 a source is stopped from the other process too', async () => {
    const database = temporary()
    const on = serve({ database })
    const ticks = declare(on.hub)
    const child = await new Child(database).ready()
    const there = await connect(`${child.url}/stream/tick/lines?id=1`)
    await there.until(() => there.events.length > 5)
    expect(child.started).toEqual(['1'])
    await ticks.stop('1')
    await there.until(() => there.ended)
    expect(there.events.length).toBeLessThan(200)
    const cursor = on.hub.cursor()
    await Bun.sleep(100)
    expect(on.hub.cursor()).toBe(cursor)
  })
})
