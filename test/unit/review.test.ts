/**
 * What a review of the engine found, shown without a socket: sources, logs, the registry, delivery, pages.
 */

import { heapStats } from 'bun:jsc'
import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Hub, Queue } from 'headwater'
import { type Entry, type Log, type LogEvent, memoryLog, sqliteLog } from 'headwater/log'
import type { Connection } from '../../src/connection'
import { openStore } from '../../src/db'
import { Declarations } from '../../src/declarations'
import { Delivery } from '../../src/delivery'
import { Interest } from '../../src/interest'
import { defaults } from '../../src/limits'
import { Publisher } from '../../src/publisher'
import { Registry } from '../../src/registry'
import { type Ending, Run, type RunOptions } from '../../src/source'
import { asPattern, asTopic } from '../../src/topic'
import { Trim } from '../../src/trim'
import { cleanUp, settled, temporary } from '../support/serve'

setDefaultTimeout(20_000)

const closing: (() => unknown)[] = []
/** Has it closed after the test. */
function opened<T>(value: T, close: (value: T) => unknown): T {
  closing.push(() => close(value))
  return value
}
const log = <L extends Log>(made: L) => opened(made, (it) => it.close())
const hub = (options: ConstructorParameters<typeof Hub>[0] = {}) =>
  opened(new Hub({ secret: 'of the tests', ...options }), (it) => it.close())

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await cleanUp()
})

const entry = (more: Partial<Entry> = {}): Entry => ({
  topic: asTopic('a'),
  kind: 'log',
  form: 'slot',
  key: null,
  data: 'x',
  at: Date.now(),
  ...more,
})
const end = (more: Partial<Entry> = {}) =>
  entry({ kind: 'state', form: 'end', key: 'hw:end', data: '', ...more })
const forever = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))

/** A run with a registry that grants every lease, and all that was said of it in order. */
function start<Item>(source: RunOptions<Item>['source'], more: Partial<RunOptions<Item>> = {}) {
  const said: string[] = []
  const errors: unknown[] = []
  const registry = { take: () => true, release: () => {} } as unknown as Registry
  const run = new Run<Item>({
    name: 'a',
    id: '1',
    source,
    interval: undefined,
    timeout: undefined,
    grace: 10,
    registry,
    ready: () => true,
    after: () => undefined,
    again: () => true,
    publish: (item) => said.push(`item ${item}`),
    settled: () => undefined,
    ended: (how: Ending) => void said.push(`ended ${typeof how === 'string' ? how : how.error}`),
    onError: (error) => errors.push(error),
    over: () => said.push('over'),
    ...more,
  })
  return { run: opened(run, (it) => it.stop()), said, errors }
}

describe('a run of a source', () => {
  test('C-12 keeps none of the items it has passed on, however many', async () => {
    let passed = 0
    const parked = Promise.withResolvers<void>()
    const before = heap()
    start<{ bytes: number[] }>(
      async function* (_, { signal }) {
        for (let n = 0; n < 400_000; n++) yield { bytes: [n, n, n, n, n, n, n, n] }
        parked.resolve()
        await forever(signal)
      },
      { publish: () => passed++ },
    )
    await parked.promise
    await settled(() => passed === 400_000)
    expect(heap().bytes - before.bytes).toBeLessThan(60e6)
    expect(heap().promises - before.promises).toBeLessThan(40_000)
  })

  test('C-04 that is late has stopped its source, and passed on its last item, before it says so', async () => {
    const said: string[] = []
    start<number>(
      async function* () {
        for (let n = 0; ; n++) {
          yield n
          await Bun.sleep(1)
        }
      },
      {
        timeout: 30,
        publish: (item) => said.push(`item ${item}`),
        ended: async (how) => {
          said.push(`ended ${how}`)
          await Bun.sleep(50)
        },
        over: () => said.push('over'),
      },
    )
    await settled(() => said.includes('over'))
    expect(said.length).toBeGreaterThan(2)
    expect(said.slice(-2)).toEqual(['ended late', 'over'])
  })

  test('C-11 that fails aborts its signal before it says so', async () => {
    let signal: AbortSignal | undefined
    const aborted: unknown[] = []
    const { said } = start<number>(
      (_, context) => {
        signal = context.signal
        throw new Error('boom')
      },
      { ended: () => void aborted.push(signal?.aborted) },
    )
    await settled(() => said.includes('over'))
    expect(aborted).toEqual([true])
  })

  test('C-11 whose end can not be said reports it, once, and is over', async () => {
    let asked = 0
    const { run, said, errors } = start<number>([1], {
      ended: () => {
        asked++
        throw new Error('locked')
      },
    })
    await run.whenOver
    expect(said).toEqual(['item 1', 'over'])
    expect(errors.map(String)).toEqual(['Error: locked'])
    expect(asked).toBe(1)
  })

  test('C-11 whose lease can not be given back reports it and is over', async () => {
    const registry = {
      take: () => true,
      release: () => {
        throw new Error('locked')
      },
    } as unknown as Registry
    const { run, said, errors } = start<number>([1], { registry })
    await run.whenOver
    expect(said).toEqual(['item 1', 'ended whole', 'over'])
    expect(errors.map(String)).toEqual(['Error: locked'])
  })

  test('C-12 of a queue leaves to the next run what is pushed when it has stopped', async () => {
    const queue = new Queue<number>()
    const first = start<number>(queue)
    queue.push(1)
    await settled(() => first.said.length === 1)
    first.run.stop()
    await first.run.whenOver
    for (const item of [2, 3]) queue.push(item)
    const second = start<number>(queue)
    queue.push(4)
    queue.end()
    await second.run.whenOver
    expect(first.said).toEqual(['item 1', 'over'])
    expect(second.said).toEqual(['item 2', 'item 3', 'item 4', 'ended whole', 'over'])
  })

  test('C-12 of a queue leaves to the next run what is pushed in the turn in which it stops', async () => {
    const queue = new Queue<number>()
    const first = start<number>(queue)
    queue.push(1)
    await settled(() => first.said.length === 1)
    queue.push(2)
    first.run.stop()
    await first.run.whenOver
    const second = start<number>(queue)
    queue.push(3)
    queue.end()
    await second.run.whenOver
    const items = [...first.said, ...second.said].filter((word) => word.startsWith('item'))
    expect(items).toEqual(['item 1', 'item 2', 'item 3'])
  })
})

function heap() {
  Bun.gc(true)
  const { heapSize, objectTypeCounts } = heapStats()
  return { bytes: heapSize, promises: objectTypeCounts.Promise ?? 0 }
}

const drivers: [string, () => Log][] = [
  ['memoryLog', memoryLog],
  ['sqliteLog', () => sqliteLog(temporary())],
]

for (const [name, make] of drivers) {
  describe(name, () => {
    test('reads no more than the size that was asked for, and one event at least', async () => {
      const made = log(make())
      const data = 'x'.repeat(10_000)
      await made.append(Array.from({ length: 50 }, () => entry({ data })))
      const read = async (topic: string, size: number) =>
        (await made.read({ topics: [asPattern(topic)], after: 0, limit: 256, size })).length
      for (const topic of ['a', '*']) {
        expect(await read(topic, 25_000)).toBe(3)
        expect(await read(topic, 1)).toBe(1)
        expect(await read(topic, 10e6)).toBe(50)
      }
    })

    test('counts up to the limit, by name and by pattern', async () => {
      const made = log(make())
      await made.append(Array.from({ length: 20 }, () => entry({ topic: asTopic('a:1') })))
      await made.append([entry({ topic: asTopic('b:1') }), entry({ kind: 'signal' })])
      for (const topic of ['a:1', 'a:*']) {
        const topics = [asPattern(topic)]
        expect(await made.count({ topics, after: 0, limit: 100 })).toBe(20)
        expect(await made.count({ topics, after: 15, limit: 100 })).toBe(5)
        expect(await made.count({ topics, after: 0, limit: 7 })).toBe(7)
      }
    })

    test('does not take a topic for ended again when what came after its end has aged out', async () => {
      const made = log(make())
      const at = Date.now() - 10 * 24 * 60 * 60 * 1_000
      await made.append([end({ at }), entry({ at })])
      expect(await made.ended([asTopic('a')])).toEqual([])
      await made.trim(asTopic('a'), { count: 1_000, age: 24 * 60 * 60 * 1_000 })
      expect(await made.last(asTopic('a'), 10)).toEqual([])
      expect(await made.ended([asTopic('a')])).toEqual([])
    })
  })
}

describe('sqliteLog', () => {
  test('H-07 counts the events of a pattern without reading them', async () => {
    const client = opened(new Database(':memory:'), (it) => it.close())
    const made = log(sqliteLog(client))
    client.run(
      `with recursive n(i) as (select 1 union all select i + 1 from n where i < 300)
       insert into hw_event (topic, kind, form, key, data, at)
       select 'job:' || (i % 10) || ':s', 'log', 'slot', null, hex(zeroblob(30000)), ?1 from n`,
      [Date.now()],
    )
    await made.append([entry({ topic: asTopic('job:1:s') })])
    const query = { topics: [asPattern('job:*:s')], after: 0, limit: 1_001 }
    const shortest = async (act: () => unknown) => {
      const times: number[] = []
      for (let turn = 0; turn < 3; turn++) {
        const start = performance.now()
        await act()
        times.push(performance.now() - start)
      }
      return Math.min(...times)
    }
    expect(await made.count(query)).toBe(301)
    const counting = await shortest(() => made.count(query))
    const reading = await shortest(() => made.read(query))
    expect(counting).toBeLessThan(reading / 3)
  })
})

describe('logs on one Database object', () => {
  test('are one: what one hub’s log appends, the other hears at once', async () => {
    const database = opened(new Database(':memory:'), (it) => it.close())
    const [a, b] = [log(sqliteLog(database)), log(sqliteLog(database))] as const
    const heard: LogEvent[] = []
    b.follow((events) => heard.push(...events))
    await a.append([entry({ data: 'one' })])
    await settled(() => heard.length === 1)
    expect(heard.map(({ data }) => data)).toEqual(['one'])
    expect(a.epoch).toBe(b.epoch)
  })

  test('live until the last is closed; closing one again does nothing', async () => {
    const database = opened(new Database(':memory:'), (it) => it.close())
    const [a, b] = [sqliteLog(database), log(sqliteLog(database))] as const
    const heard: LogEvent[] = []
    b.follow((events) => heard.push(...events))
    await a.close()
    await b.append([entry({ data: 'after one close' })])
    expect(heard.length).toBe(1)
    await a.close()
    await b.append([entry({ data: 'after two' })])
    expect(heard.length).toBe(2)
  })
})

describe('the publisher', () => {
  const publisher = (made: Log) => {
    const it = new Publisher(made, defaults)
    const to = (kind: Entry['kind']) =>
      ({ topic: asTopic('a'), kind, form: 'slot', key: kind === 'state' ? '' : null }) as const
    return { it, to }
  }

  test('H-09 settles what was published before, while others go on publishing', async () => {
    const made = log(memoryLog())
    const { it, to } = publisher(made)
    const outcomes: Promise<unknown>[] = []
    const one = () =>
      outcomes.push(it.publish(to('log'), () => Bun.sleep(20).then(() => `${outcomes.length}`)))
    one()
    const more = opened(setInterval(one, 5), clearInterval)
    await settled(() => outcomes.length > 3)
    const before = outcomes.length
    let over = false
    it.settle().then(() => {
      over = true
    })
    await settled(() => over, 4_000)
    clearInterval(more)
    expect(made.head()).toBeGreaterThanOrEqual(before)
    await Promise.all(outcomes)
  })

  test('settles when a driver that takes its time has kept the second batch too', async () => {
    const kept: string[] = []
    const slow = {
      ...memoryLog(),
      append: async (entries: readonly Entry[]) => {
        await Bun.sleep(20)
        return entries.map(({ data }) => ({ seq: kept.push(data), fresh: true }))
      },
    } as unknown as Log
    const { it, to } = publisher(slow)
    it.publish(to('log'), '1')
    await Promise.resolve()
    await Promise.resolve()
    it.publish(to('log'), '2')
    await it.settle()
    expect(kept).toEqual(['1', '2'])
  })

  test('keeps a state in its pace when the time of day is set back by an hour', async () => {
    const made = log(memoryLog())
    const { it, to } = publisher(made)
    const real = Date.now
    opened(real, () => {
      Date.now = real
    })
    await it.publish(to('state'), '1')
    Date.now = () => real() - 3_600_000
    const place = await Promise.race([it.publish(to('state'), '2'), Bun.sleep(5_000)])
    expect(place).toMatchObject({ seq: 2 })
  })
})

describe('delivery', () => {
  const topic = asTopic('big')

  /** A connection that takes what it is sent, or nothing more once it is stuck. */
  function viewer() {
    const sent: string[] = []
    const it = {
      interest: new Interest([topic]),
      endedBefore: [],
      openBefore: [],
      record: { state: 'open', events: 0 },
      ended: false,
      cursor: 0,
      stuck: false,
      sent,
      write(bytes: Uint8Array) {
        sent.push(new TextDecoder().decode(bytes))
        return it.stuck ? new Promise(() => {}) : undefined
      },
      end() {
        it.ended = true
      },
    }
    return { ...it, as: it as unknown as Connection, it }
  }

  test('H-07 a viewer who joins in the turn in which the only other one lags gets what comes next', () => {
    const nothing = () => {}
    const delivery = new Delivery({
      epoch: 'e',
      position: 0,
      limits: defaults,
      events: {
        onViewers: nothing,
        onLag: nothing,
        onCatchUp: nothing,
        onChange: nothing,
        onBeat: nothing,
      },
    })
    const [a, b] = [viewer(), viewer()]
    opened(delivery, (it) => {
      for (const { as } of [a, b]) it.remove(as)
    })
    delivery.admit(a.as)
    delivery.join(a.as, [topic])
    delivery.dispatch([{ ...entry({ topic, data: 'first' }), seq: 1 }])
    a.it.stuck = true
    delivery.admit(b.as)
    delivery.join(b.as, [topic])
    expect(a.it.record.state).toBe('lagging')
    delivery.dispatch([{ ...entry({ topic, data: 'second' }), seq: 2 }])
    delivery.flush()
    expect(b.sent.join('')).toContain('second')
    expect(b.sent.join('')).not.toContain('first')
  })
})

describe('the registry', () => {
  const store = (file: string) => opened(openStore(file), (it) => it.close())
  const registry = (made: ReturnType<typeof openStore>, lease: number, errors: unknown[] = []) =>
    opened(new Registry(made, { lease, onError: (error) => errors.push(error) }), (it) =>
      it.close(),
    )

  /** Locks the database for everybody else, who does not wait for it. */
  function lock(file: string, client: Database): () => void {
    client.run('pragma busy_timeout = 1')
    const other = opened(new Database(file), (it) => it.close())
    other.run('begin immediate')
    return () => other.run('commit')
  }

  const record = (node: string) => ({
    id: 'one',
    node,
    kind: 'topics',
    topics: ['a'],
    entity: null,
    viewer: null,
    address: null,
    agent: null,
    openedAt: Date.now(),
    seenAt: Date.now(),
    events: 0,
    bytes: 0,
    state: 'open' as const,
    reason: null,
  })

  test('C-27 reports a database that is locked, and writes what it had to when it is not any more', async () => {
    const file = temporary()
    const made = store(file)
    const errors: unknown[] = []
    const it = registry(made, 90, errors)
    const unlock = lock(file, made.client)
    it.add(record(it.node))
    await settled(() => errors.length > 4)
    expect(errors.join()).toContain('locked')
    unlock()
    const rows = () => made.client.query('select * from hw_connection').all()
    await settled(() => rows().length === 1)
  })

  test('C-27 a trim that meets a locked database is reported, and comes another time', async () => {
    const file = temporary()
    const made = store(file)
    const kept = log(sqliteLog(made.client))
    const errors: unknown[] = []
    const trim = new Trim(
      kept,
      () => ({ count: 4, age: 60_000 }),
      (error) => errors.push(error),
    )
    opened(trim, (it) => it.close())
    kept.follow((events) => trim.count(events))
    const many = () => kept.append(Array.from({ length: 20 }, () => entry()))
    await many()
    const unlock = lock(file, made.client)
    await settled(() => errors.length > 0, 8_000)
    unlock()
    await many()
    await settled(async () => (await kept.last(asTopic('a'), 100)).length === 4)
  }, 15_000)

  test('C-27 looking for what has aged in a database that is locked is reported, not thrown', async () => {
    const errors: unknown[] = []
    const real = globalThis.setInterval
    let age: (() => unknown) | undefined
    globalThis.setInterval = ((act: () => unknown) => {
      age = act
      return real(() => {}, 60_000)
    }) as typeof setInterval
    try {
      const broken = { topics: () => Promise.reject(new Error('locked')) } as unknown as Log
      const keep = () => ({ count: 4, age: 60_000 })
      const trim = new Trim(broken, keep, (error) => errors.push(error))
      opened(trim, (it) => it.close())
    } finally {
      globalThis.setInterval = real
    }
    await age?.()
    expect(errors.map(String)).toEqual(['Error: locked'])
  })

  test('a hub whose database is locked when it closes leaves nothing of it behind', async () => {
    const file = temporary()
    const made = new Hub({ database: file, secret: 's', limits: { lease: 300 }, onError: () => {} })
    const { $client } = made.db
    opened($client, (it) => it.close())
    const unlock = lock(file, $client)
    try {
      made.close()
    } catch {
      // It may say so.
    }
    unlock()
    expect(() => $client.query('select 1').get()).toThrow()
  })

  test('a follower whose database can not be asked is told, and hears what it missed afterwards', async () => {
    const file = temporary()
    const made = store(file)
    const kept = log(sqliteLog(made.client))
    const errors: unknown[] = []
    const heard: LogEvent[] = []
    let broken = true
    kept.follow(
      (events) => {
        if (broken) throw new Error('broken')
        heard.push(...events)
      },
      (error) => errors.push(error),
    )
    const other = log(sqliteLog(file))
    await other.append([entry()])
    await settled(() => errors.length > 0)
    broken = false
    await other.append([entry({ data: 'y' })])
    await settled(() => heard.some(({ data }) => data === 'y'))
  })

  test('C-27 says that its node lives without reading the rows of a long day', async () => {
    const made = store(temporary())
    made.client.run(
      `with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000)
       insert into hw_connection (id, node, kind, topics, opened_at, seen_at, events, bytes, state, agent)
       select 'c' || i, 'n', 'job', '["job:1:progress","job:1:lines"]', ?1 - i, ?1 - i, 0, 0, 'closed',
         'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0' from n`,
      [Date.now()],
    )
    registry(made, 12)
    const until = made.client.query<{ at: number }, []>('select lease_until as at from hw_node')
    const seen = new Set<number | undefined>()
    const cpu = process.cpuUsage()
    await settled(() => seen.add(until.get()?.at).size > 60, 15_000)
    const { user, system } = process.cpuUsage(cpu)
    expect((user + system) / 1_000).toBeLessThan(1_000)
  })

  test('C-12 who finds that another node has its lease is told, once', async () => {
    const made = store(temporary())
    const it = registry(made, 90)
    let lost = 0
    expect(it.take('job:1:lines', () => lost++)).toBe(true)
    await Bun.sleep(70)
    expect(lost).toBe(0)
    made.client.run(`update hw_lease set node = 'another'`)
    await settled(() => lost === 1)
    await Bun.sleep(70)
    expect(lost).toBe(1)
  })
})

describe('declarations', () => {
  test('C-28 that of a manager counts before an earlier and wider one of the app', () => {
    const declarations = new Declarations()
    declarations.add('**', { kind: 'log', guard: 'public' })
    declarations.add('job:*:p', { kind: 'state', guard: 'signed' }, true)
    expect(declarations.of(asTopic('job:1:p'))).toMatchObject({ kind: 'state', guard: 'signed' })
    expect(declarations.of(asTopic('job:1:q'))).toMatchObject({ kind: 'log', guard: 'public' })
  })
})

describe('a page whose viewer can not be said', () => {
  const fails: [string, () => never | Promise<never>][] = [
    [
      'throws',
      () => {
        throw new Error('bad cookie')
      },
    ],
    ['rejects', () => Promise.reject(new Error('bad cookie'))],
  ]
  const request = new Request('http://localhost/')
  for (const [how, viewer] of fails) {
    test(`C-28 is rendered when it has no address, where the function ${how}`, async () => {
      const made = hub({ viewer })
      expect(await made.page(request, () => 'ok')).toBe('ok')
      expect(await made.page(request, async () => Bun.sleep(1).then(() => 'ok'))).toBe('ok')
    })

    test(`C-28 rejects where an address is signed, where the function ${how}`, async () => {
      const made = hub({ viewer })
      const page = made.page(request, async () => made.address(['room:1']))
      await expect(page).rejects.toThrow('bad cookie')
      const told = await made.page(request, () => made.address(['room:1'], { viewer: 'ann' }))
      expect(told).toContain('sig=')
    })
  }

  test('C-28 stands alone: another page at the same time is its viewer’s', async () => {
    const made = hub({
      viewer: (request) => {
        const user = request.headers.get('x-user')
        if (!user) throw new Error('bad cookie')
        return user
      },
    })
    const known = new Request('http://localhost/', { headers: { 'x-user': 'ann' } })
    const [bad, good] = await Promise.all([
      made.page(request, () => Bun.sleep(5).then(() => made.current?.viewer)),
      made.page(known, () => Bun.sleep(1).then(() => made.current?.viewer)),
    ])
    expect([bad, good]).toEqual([undefined, 'ann'])
  })
})
