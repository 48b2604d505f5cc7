/**
 * The contract of a log, run by every driver.
 */
import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { type Entry, type Log, type LogEvent, memoryLog, sqliteLog } from 'headwater/log'
import { asPattern, asTopic } from '../../src/topic'
import { cleanUp, settled, temporary } from '../support/serve'

setDefaultTimeout(20_000)

const opened: Log[] = []
function open(log: Log): Log {
  opened.push(log)
  return log
}

afterEach(async () => {
  for (const log of opened.splice(0)) await log.close()
  await cleanUp()
})

/** An entry in few words: `log a` is of kind log to topic a. */
function entry(words: string, more: Partial<Entry> = {}): Entry {
  const [kind = 'log', topic = 'a', data = 'x'] = words.split(' ')
  return {
    topic: asTopic(topic),
    kind: kind as Entry['kind'],
    form: 'slot',
    key: kind === 'state' ? '' : null,
    data,
    at: Date.now(),
    ...more,
  }
}

const end = (topic: string, kind: Entry['kind'] = 'state') =>
  entry(`${kind} ${topic}`, { form: 'end', key: 'hw:end', data: '' })
const datas = (events: readonly LogEvent[]) => events.map(({ data }) => data)
const all = (log: Log, after = 0, limit = 1_000) =>
  log.read({ topics: [asPattern('**')], after, limit })
const many = (count: number, topic = 'a') =>
  Array.from({ length: count }, (_, i) => entry(`log ${topic} ${i + 1}`))

const drivers: [string, () => Log][] = [
  ['memoryLog', memoryLog],
  ['sqliteLog on a file', () => sqliteLog(temporary())],
  ['sqliteLog in memory', () => sqliteLog(':memory:')],
]

for (const [name, make] of drivers) {
  describe(name, () => {
    test('begins at 0, numbers what is appended one by one, and says so', async () => {
      const log = open(make())
      expect(log.head()).toBe(0)
      expect(await log.append([entry('log a'), entry('state a'), entry('signal b')])).toEqual([
        { seq: 1, fresh: true },
        { seq: 2, fresh: true },
        { seq: 3, fresh: true },
      ])
      expect(log.head()).toBe(3)
      await log.append([])
      expect(log.head()).toBe(3)
      expect(log.epoch).toMatch(/^[\w-]{1,64}$/)
    })

    test('follows all three kinds in one order, what is appended from now on only', async () => {
      const log = open(make())
      await log.append([entry('log a before')])
      const heard: LogEvent[] = []
      const stop = log.follow((events) => heard.push(...events))
      await log.append([entry('log a 1'), entry('state a 2'), entry('signal b 3')])
      await log.append([entry('state a 4'), entry('log b 5', { key: 'k', form: 'item' })])
      await settled(() => heard.length === 5)
      expect(datas(heard)).toEqual(['1', '2', '3', '4', '5'])
      expect(heard.map(({ seq }) => seq)).toEqual([2, 3, 4, 5, 6])
      expect(heard.at(-1)).toMatchObject({
        topic: 'b',
        kind: 'log',
        form: 'item',
        key: 'k',
        seq: 6,
      })
      stop()
      await log.append([entry('log a 6')])
      log.head()
      expect(heard).toHaveLength(5)
    })

    test('has told who follows everything up to the head when it says where that is', async () => {
      const log = open(make())
      let heard = 0
      log.follow((events) => {
        heard = events.at(-1)?.seq ?? heard
      })
      for (let i = 0; i < 10; i++) {
        await log.append(many(3))
        expect(log.head()).toBe(heard)
      }
    })

    test('reads the events after a cursor, oldest first, never more than asked for, never signals', async () => {
      const log = open(make())
      await log.append([entry('log a 1'), entry('log b 2'), entry('signal a 3'), entry('log a 4')])
      const read = (after: number, limit = 10) =>
        log.read({ topics: [asTopic('a'), asTopic('b')], after, limit })
      expect(datas(await read(0))).toEqual(['1', '2', '4'])
      expect(datas(await read(1))).toEqual(['2', '4'])
      expect(datas(await read(0, 2))).toEqual(['1', '2'])
      expect(await read(4)).toEqual([])
      expect(await read(99)).toEqual([])
      expect(await log.read({ topics: [], after: 0, limit: 10 })).toEqual([])
      expect(await log.read({ topics: [asTopic('none')], after: 0, limit: 10 })).toEqual([])
    })

    test('reads by patterns, and an event that several of them name once', async () => {
      const log = open(make())
      await log.append(
        ['job:1:lines', 'job:2:lines', 'job:1:state', 'job', 'jobs:1:lines'].map((topic) =>
          entry(`log ${topic} ${topic}`),
        ),
      )
      const read = async (...topics: string[]) =>
        datas(await log.read({ topics: topics.map(asPattern), after: 0, limit: 10 }))
      expect(await read('job:*:lines')).toEqual(['job:1:lines', 'job:2:lines'])
      expect(await read('job:**')).toEqual(['job:1:lines', 'job:2:lines', 'job:1:state', 'job'])
      expect(await read('job:1:lines', 'job:*:lines', '**')).toHaveLength(5)
      expect(await read('job:1:*', 'job')).toEqual(['job:1:lines', 'job:1:state', 'job'])
    })

    test('keeps of a state the newest of its key, under a new number', async () => {
      const log = open(make())
      await log.append([
        entry('state a 1'),
        entry('state a k1', { key: 'k' }),
        entry('state b other'),
        entry('state a 2'),
        entry('state a k2', { key: 'k' }),
        entry('state a 3'),
      ])
      expect(datas(await all(log))).toEqual(['other', 'k2', '3'])
      expect((await all(log)).map(({ seq }) => seq)).toEqual([3, 5, 6])
      expect(datas(await log.last(asTopic('a'), 10))).toEqual(['k2', '3'])
    })

    test('drops an item of kind log whose key is kept, and says where it stands', async () => {
      const log = open(make())
      const heard: LogEvent[] = []
      log.follow((events) => heard.push(...events))
      const places = [
        ...(await log.append([entry('log a 1', { key: '1' }), entry('log a again', { key: '1' })])),
        ...(await log.append([entry('log a again', { key: '1' }), entry('log b 1', { key: '1' })])),
        ...(await log.append([entry('log a', { key: null }), entry('log a', { key: null })])),
      ]
      expect(places.map(({ fresh }) => fresh)).toEqual([true, false, false, true, true, true])
      expect(places.slice(0, 3).map(({ seq }) => seq)).toEqual([1, 1, 1])
      expect(datas(await all(log))).toEqual(['1', '1', 'x', 'x'])
      await settled(() => heard.length === 4)
      expect(heard.map(({ seq }) => seq)).toEqual(
        places.filter(({ fresh }) => fresh).map(({ seq }) => seq),
      )
    })

    test('gives the newest of a topic, oldest first, never signals or ends', async () => {
      const log = open(make())
      await log.append([...many(5), entry('signal a s'), end('a'), entry('log b b')])
      expect(datas(await log.last(asTopic('a'), 3))).toEqual(['3', '4', '5'])
      expect(datas(await log.last(asTopic('a'), 99))).toEqual(['1', '2', '3', '4', '5'])
      expect(await log.last(asTopic('none'), 3)).toEqual([])
    })

    test('knows the topics with kept events that a pattern names', async () => {
      const log = open(make())
      await log.append(
        ['job:1', 'job:2', 'job:1:x', 'jobs:1', 'j'].map((topic) => entry(`log ${topic}`)),
      )
      const topics = async (pattern: string) => (await log.topics(asPattern(pattern))).toSorted()
      expect(await topics('job:*')).toEqual(['job:1', 'job:2'].map(asTopic))
      expect(await topics('job:**')).toEqual(['job:1', 'job:1:x', 'job:2'].map(asTopic))
      expect(await topics('*')).toEqual([asTopic('j')])
      expect(await topics('**')).toHaveLength(5)
      expect(await topics('job:1')).toEqual([asTopic('job:1')])
      expect(await topics('none:*')).toEqual([])
      expect(await topics('none')).toEqual([])
    })

    test('knows which topics have ended: whose newest kept event is an end', async () => {
      const log = open(make())
      const [a, b] = [asTopic('a'), asTopic('b')]
      const ended = async () => log.ended([a, b, asTopic('c'), asTopic('d')])
      await log.append([entry('log a'), end('a'), end('b'), entry('log c')])
      expect(await ended()).toEqual([a, b])
      await log.append([entry('signal a'), entry('log b')])
      expect(await ended()).toEqual([a])
      await log.append([end('c', 'signal'), end('d', 'signal'), end('b')])
      expect(await ended()).toEqual([a, b])
      await log.append([entry('state a'), end('b')])
      expect(await ended()).toEqual([b])
      expect(await log.ended([])).toEqual([])
    })

    test('does not lose what is kept to a signal under the same key', async () => {
      const log = open(make())
      await log.append([entry('state b kept', { key: 'k' }), entry('log a'), end('a')])
      await log.append([entry('signal b passing', { key: 'k' }), end('a', 'signal')])
      expect(await log.ended([asTopic('a')])).toEqual([asTopic('a')])
      expect(datas(await log.last(asTopic('b'), 9))).toEqual(['kept'])
    })

    test('gives up what is too much of a topic, and says behind which cursors', async () => {
      const log = open(make())
      await log.append([...many(10), entry('log b b1'), entry('state a s')])
      const keep = { count: 4, age: 60_000 }
      await log.trim(asTopic('a'), keep)
      expect(datas(await log.last(asTopic('a'), 99))).toEqual(['7', '8', '9', '10', 's'])
      const trimmed = async (after: number, ...topics: string[]) =>
        log.trimmed(topics.map(asPattern), after)
      expect(await trimmed(0, 'a', 'b')).toEqual([asTopic('a')])
      expect(await trimmed(5, '*')).toEqual([asTopic('a')])
      expect(await trimmed(6, 'a', 'b')).toEqual([])
      expect(await trimmed(0, 'b')).toEqual([])
      await log.trim(asTopic('a'), keep)
      await log.trim(asTopic('none'), keep)
      expect(await trimmed(0, '**')).toEqual([asTopic('a')])
      expect(await all(log)).toHaveLength(6)
    })

    test('gives up what is too old, and keeps the key of what it gave up for others', async () => {
      const log = open(make())
      const old = { at: Date.now() - 10_000 }
      await log.append([
        entry('log a old', { ...old, key: 'k' }),
        entry('log a young'),
        entry('state a state', old),
      ])
      await log.trim(asTopic('a'), { count: 100, age: 5_000 })
      expect(datas(await log.last(asTopic('a'), 99))).toEqual(['young', 'state'])
      expect(await log.trimmed([asTopic('a')], 0)).toEqual([asTopic('a')])
      const [again] = await log.append([entry('log a again', { key: 'k' })])
      expect(again?.fresh).toBe(true)
      await log.trim(asTopic('a'), { count: 100, age: 5_000 })
      expect(datas(await log.last(asTopic('a'), 99))).toEqual(['young', 'state', 'again'])
    })

    test('gives up signals over ten seconds of every topic, and nothing beside them', async () => {
      const log = open(make())
      const old = { at: Date.now() - 11_000, key: 'k' }
      await log.append([
        entry('signal a old', old),
        entry('log a line'),
        entry('signal b old', old),
      ])
      await log.trim(asTopic('c'), { count: 1, age: 60_000 })
      await log.append([entry('signal a new', { key: 'k' }), entry('log b new', { key: 'k' })])
      expect(datas(await all(log))).toEqual(['line', 'new'])
      expect(await log.trimmed([asPattern('**')], 0)).toEqual([])
    })

    test('holds any text, and a megabyte of it', async () => {
      const log = open(make())
      const samples = ['', '\0', '\r\n', '🌊', "';drop table hw_event;--", 'x'.repeat(1_048_576)]
      await log.append(
        samples.map((data) => entry('log a', { data, key: data.slice(0, 99) || null })),
      )
      expect(datas(await log.last(asTopic('a'), 99))).toEqual(samples)
    })

    test('may be closed again', async () => {
      const log = make()
      log.follow(() => {})
      await log.close()
      await log.close()
    })
  })
}

describe('sqliteLog', () => {
  const raw = (file: string, statement: string, ...values: string[]) => {
    const database = new Database(file)
    database.run(statement, values)
    database.close()
  }

  test('appends all or none', () => {
    const file = temporary()
    const log = open(sqliteLog(file))
    log.append([entry('log a kept')])
    const broken = { ...entry('log a broken'), data: null as unknown as string }
    expect(() => log.append([entry('log a first'), broken, entry('log a last')])).toThrow()
    expect(datas(all(log) as LogEvent[])).toEqual(['kept'])
    expect(log.append([entry('log a next')])).toEqual([{ seq: 2, fresh: true }])
  })

  test('goes on where it stood when it is opened again, under the same epoch', async () => {
    const file = temporary()
    const first = sqliteLog(file)
    await first.append([...many(3), entry('state a s')])
    await first.close()
    const second = open(sqliteLog(file))
    expect([second.epoch, second.head()]).toEqual([first.epoch, 4])
    expect(datas(await second.last(asTopic('a'), 99))).toEqual(['1', '2', '3', 's'])
    expect(await second.append([entry('log a')])).toEqual([{ seq: 5, fresh: true }])
  })

  test('gives no number again, though the newest was given up', async () => {
    const file = temporary()
    const first = sqliteLog(file)
    await first.append(many(3))
    await first.trim(asTopic('a'), { count: 0, age: 60_000 })
    await first.close()
    const second = open(sqliteLog(file))
    expect(second.head()).toBe(3)
    expect(await second.append([entry('log a')])).toEqual([{ seq: 4, fresh: true }])
  })

  test('has another epoch when the machine was started anew, or the file is a new one', async () => {
    const file = temporary()
    const first = sqliteLog(file)
    await first.append(many(3))
    await first.close()
    raw(file, "update hw_meta set value = ? where name = 'boot'", 'of another start')
    const second = sqliteLog(file)
    expect(second.epoch).not.toBe(first.epoch)
    expect(second.head()).toBe(3)
    await second.close()
    const third = sqliteLog(file)
    expect(third.epoch).toBe(second.epoch)
    await third.close()
    for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true })
    const fourth = open(sqliteLog(file))
    expect([first.epoch, second.epoch]).not.toContain(fourth.epoch)
    expect(fourth.head()).toBe(0)
  })

  test('hears what another on the same file appends within half a second, all kinds', async () => {
    const file = temporary()
    const [here, there] = [open(sqliteLog(file)), open(sqliteLog(file))]
    expect(here.epoch).toBe(there.epoch)
    const heard: LogEvent[] = []
    here.follow((events) => heard.push(...events))
    const start = performance.now()
    await there.append([entry('log a 1'), entry('state a 2'), entry('signal a 3')])
    await settled(() => heard.length === 3)
    expect(performance.now() - start).toBeLessThan(500)
    expect(heard.map(({ kind, seq }) => [kind, seq])).toEqual([
      ['log', 1],
      ['state', 2],
      ['signal', 3],
    ])
    await there.append([entry('log a 4')])
    expect(here.head()).toBe(4)
    expect(datas(heard)).toEqual(['1', '2', '3', '4'])
  })

  test('tells each event once and in order when two writers take turns', async () => {
    const file = temporary()
    const logs = [open(sqliteLog(file)), open(sqliteLog(file)), open(sqliteLog(file))]
    const heard: number[][] = logs.map((log) => {
      const seqs: number[] = []
      log.follow((events) => seqs.push(...events.map(({ seq }) => seq)))
      return seqs
    })
    for (let i = 0; i < 300; i++) {
      await logs[i % 2]?.append(many(1 + (i % 3)))
      if (i % 7 === 0) await Bun.sleep(1)
    }
    const whole = Array.from({ length: 600 }, (_, i) => i + 1)
    await settled(() => heard.every(({ length }) => length >= 600))
    expect(heard).toEqual([whole, whole, whole])
  })

  test('uses a database of the app and leaves it open', async () => {
    const database = new Database(temporary())
    const log = sqliteLog(database)
    await log.append(many(2))
    await log.close()
    expect(database.query('select count(*) as n from hw_event').get()).toEqual({ n: 2 })
    database.close()
  })
})
