/**
 * The contract of a log, which every driver runs: `log.test.ts` names them.
 */
import { describe, expect, test } from 'bun:test'
import type { Entry, Log, LogEvent } from 'headwater/log'
import { asPattern, asTopic } from '../../src/topic'
import { eventId, seqOf } from '../../src/wire'
import { turnOf } from '../support/neighbour'
import { settled } from '../support/serve'

/** What a writer was told of an entry: where it stands. */
export interface Confirmed {
  seq: number
  data: string
}

/** A log, and how others write to the same events beside it. */
export interface Place {
  log: Log
  /** Appends so many turns under that name, at once with others; of several processes, where the driver has them. */
  write(writer: string, turns: number): Promise<Confirmed[]>
}

const opened: Log[] = []

/** Has the log closed after the test. */
export function open(log: Log): Log {
  opened.push(log)
  return log
}

/** Closes what was opened. */
export async function closeLogs(): Promise<void> {
  for (const log of opened.splice(0)) await log.close()
}

/** An entry in few words: `log a` is of kind log to topic a. */
export function entry(words: string, more: Partial<Entry> = {}): Entry {
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

/** The mark that a topic has ended. */
export const end = (topic: string, kind: Entry['kind'] = 'state') =>
  entry(`${kind} ${topic}`, { form: 'end', key: 'hw:end', data: '' })
export const datas = (events: readonly LogEvent[]) => events.map(({ data }) => data)
export const all = (log: Log, after = 0, limit = 1_000) =>
  log.read({ topics: [asPattern('**')], after, limit })
/** `1` to `count`, of kind log. */
export const many = (count: number, topic = 'a') =>
  Array.from({ length: count }, (_, i) => entry(`log ${topic} ${i + 1}`))

/** A writer of the same process. */
export function beside(log: Log): Place['write'] {
  return async (writer, turns) => {
    const confirmed: Confirmed[] = []
    let n = 1
    for (let turn = 0; turn < turns; turn++) {
      const entries = turnOf(writer, n, 1 + (turn % 3))
      n += entries.length
      const places = await log.append(entries)
      for (const [i, { seq }] of places.entries()) {
        confirmed.push({ seq, data: entries[i]?.data as string })
      }
      if (Math.random() < 0.3) await Bun.sleep(0)
    }
    return confirmed
  }
}

/** Runs the contract on what `make` gives. */
export function contract(name: string, make: () => Place): void {
  describe(name, () => {
    test('begins at 0, numbers what is appended one by one, and says so', async () => {
      const log = open(make().log)
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
      const log = open(make().log)
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
      const log = open(make().log)
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
      const log = open(make().log)
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
      const log = open(make().log)
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
      const log = open(make().log)
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
      const log = open(make().log)
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
      const log = open(make().log)
      await log.append([...many(5), entry('signal a s'), end('a'), entry('log b b')])
      expect(datas(await log.last(asTopic('a'), 3))).toEqual(['3', '4', '5'])
      expect(datas(await log.last(asTopic('a'), 99))).toEqual(['1', '2', '3', '4', '5'])
      expect(await log.last(asTopic('none'), 3)).toEqual([])
    })

    test('knows the topics with kept events that a pattern names', async () => {
      const log = open(make().log)
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
      const log = open(make().log)
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
      const log = open(make().log)
      await log.append([entry('state b kept', { key: 'k' }), entry('log a'), end('a')])
      await log.append([entry('signal b passing', { key: 'k' }), end('a', 'signal')])
      expect(await log.ended([asTopic('a')])).toEqual([asTopic('a')])
      expect(datas(await log.last(asTopic('b'), 9))).toEqual(['kept'])
    })

    test('gives up what is too much of a topic, and says behind which cursors', async () => {
      const log = open(make().log)
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
      const log = open(make().log)
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

    test('says of which topics there are pieces of a text, whichever way they are named', async () => {
      const log = open(make().log)
      const piece = (data: string, topic = 'a') => entry(`log ${topic} ${data}`, { form: 'text' })
      const places = await log.append([piece('1'), entry('log b 1'), piece('2'), piece('1', 'c:d')])
      const seqs = places.map(({ seq }) => seq)
      const texts = async (after: number, ...topics: string[]) =>
        (await log.texts(topics.map(asPattern), after)).toSorted()
      expect(await texts(0, 'a', 'b', 'c:d', 'none')).toEqual(['a', 'c:d'].map(asTopic))
      expect(await texts(0, '**')).toEqual(['a', 'c:d'].map(asTopic))
      expect(await texts(0, 'c:*', 'c:d')).toEqual([asTopic('c:d')])
      expect(await texts(seqs[2] as number, 'a', '*')).toEqual([])
      expect(await texts((seqs[2] as number) - 1, 'a')).toEqual([asTopic('a')])
      expect(await texts(seqs[2] as number, '**')).toEqual([asTopic('c:d')])
    })

    test('replaces the pieces of a text by one, and leaves all else where it is', async () => {
      const log = open(make().log)
      const piece = (data: string, topic = 'a') => entry(`log ${topic} ${data}`, { form: 'text' })
      const places = await log.append([
        ...['1', '2', '3', '4'].map((data) => piece(data)),
        entry('log a slot'),
        piece('other', 'b'),
        end('a'),
      ])
      const upTo = places[2]?.seq as number
      await log.compact([{ topic: asTopic('a'), upTo, data: '123' }])
      expect(datas(await log.last(asTopic('a'), 99))).toEqual(['123', '4', 'slot'])
      expect(datas(await log.last(asTopic('b'), 99))).toEqual(['other'])
      expect((await log.last(asTopic('a'), 99)).map(({ seq }) => seq)).toEqual(
        [2, 3, 4].map((n) => places[n]?.seq as number),
      )
      expect(await log.ended([asTopic('a')])).toEqual([asTopic('a')])
      expect(await log.trimmed([asPattern('**')], 0)).toEqual([])
      expect((await log.append([piece('5')]))[0]?.seq).toBeGreaterThan(places[6]?.seq as number)
    })

    test('gives up all pieces of a text when its newest is too old, and none before', async () => {
      const log = open(make().log)
      const old = { form: 'text', at: Date.now() - 10_000 } as const
      const names = ['a', 'b']
      const pieces = names.flatMap((topic) => many(20, topic).map((one) => ({ ...one, ...old })))
      await log.append([...pieces, entry('log a new', { form: 'text' }), ...many(5)])
      for (const topic of names) await log.trim(asTopic(topic), { count: 3, age: 5_000 })
      const kept = [...many(20).map(({ data }) => data), 'new', '3', '4', '5']
      expect(datas(await log.last(asTopic('a'), 99))).toEqual(kept)
      expect(await log.last(asTopic('b'), 99)).toEqual([])
      expect(await log.trimmed([asTopic('b')], 0)).toEqual([asTopic('b')])
    })

    test('gives up signals over ten seconds of every topic, and nothing beside them', async () => {
      const log = open(make().log)
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

    test('forgets all of a topic, its states, keys, signals, text and end, and nothing beside it', async () => {
      const log = open(make().log)
      const a = asTopic('a')
      await log.append([
        ...many(3),
        entry('log a keyed', { key: 'k' }),
        entry('state a state', { key: 's' }),
        entry('signal a signal'),
        entry('log a piece', { form: 'text' }),
        end('a'),
        ...many(2, 'b'),
        entry('log a:b child'),
      ])
      await log.forget(a)
      expect(datas(await all(log))).toEqual(['1', '2', 'child'])
      expect(await log.last(a, 99)).toEqual([])
      expect(await log.read({ topics: [a], after: 0, limit: 99 })).toEqual([])
      expect(await log.count({ topics: [a], after: 0, limit: 99 })).toBe(0)
      expect(await log.ended([a])).toEqual([])
      expect((await log.topics(asPattern('**'))).toSorted()).toEqual(['a:b', 'b'].map(asTopic))
    })

    test('has forgotten a topic at a number of its own: cursors before it are no good, later ones are', async () => {
      const log = open(make().log)
      const named = ['a', 'b'].map(asPattern)
      const seqs = (await log.append([...many(3), ...many(2, 'b')])).map(({ seq }) => seq)
      const before = log.head()
      await log.forget(asTopic('a'))
      const at = log.head()
      expect(at).toBeGreaterThan(before)
      for (const after of [0, seqs[0] as number, before, at - 1]) {
        expect(await log.trimmed(named, after)).toEqual([asTopic('a')])
        expect(await log.trimmed([asPattern('**')], after)).toEqual([asTopic('a')])
      }
      expect(await log.trimmed(named, at)).toEqual([])
      const [next] = await log.append([entry('log a next')])
      expect(next?.seq).toBeGreaterThan(at)
      expect(log.head()).toBe(next?.seq as number)
      expect(await log.trimmed(named, at)).toEqual([])
    })

    test('tells who follows which topic was forgotten, behind what came before and in front of what came after', async () => {
      const log = open(make().log)
      const heard: unknown[] = []
      log.follow((events, missed) => {
        if (missed) heard.push(missed)
        heard.push(...datas(events))
      })
      await log.append([entry('log a before'), entry('log b b')])
      await log.forget(asTopic('a'))
      const upTo = log.head()
      await log.append([entry('log a after')])
      await settled(() => heard.length === 4)
      expect(heard).toEqual(['before', 'b', { topics: [asTopic('a')], upTo }, 'after'])
    })

    test('takes what is appended to a forgotten topic as if it were a new one', async () => {
      const log = open(make().log)
      const a = asTopic('a')
      const life = async () => {
        const places = await log.append([
          entry('log a 1', { key: 'k' }),
          entry('log a twice', { key: 'k' }),
          entry('state a s'),
          entry('log a piece', { form: 'text' }),
        ])
        expect(places.map(({ fresh }) => fresh)).toEqual([true, false, true, true])
        expect(datas(await log.last(a, 99))).toEqual(['1', 's', 'piece'])
        expect(await log.texts([a], places[2]?.seq as number)).toEqual([a])
        await log.append([end('a')])
        expect(await log.ended([a])).toEqual([a])
      }
      for (let turn = 0; turn < 3; turn++) {
        await life()
        await log.forget(a)
        expect(await all(log)).toEqual([])
      }
      await log.forget(a)
      await log.forget(asTopic('never'))
      await life()
    })

    test('says of a text that was forgotten, or is too old, that it was one', async () => {
      const log = open(make().log)
      const old = { form: 'text', at: Date.now() - 10_000 } as const
      await log.append([entry('log a x', old), entry('log b x', old), ...many(3, 'c')])
      await log.forget(asTopic('a'))
      await log.trim(asTopic('b'), { count: 9, age: 5_000 })
      await log.forget(asTopic('c'))
      expect((await log.texts([asPattern('*')], 0)).toSorted()).toEqual(['a', 'b'].map(asTopic))
      expect(await log.texts([asPattern('*')], log.head())).toEqual([])
    })

    test('puts nothing of a forgotten text back when its pieces are replaced afterwards', async () => {
      const log = open(make().log)
      const piece = (data: string) => entry(`log a ${data}`, { form: 'text' })
      const [, second] = await log.append([piece('1'), piece('2')])
      await log.forget(asTopic('a'))
      await log.append([piece('3')])
      await log.compact([{ topic: asTopic('a'), upTo: second?.seq as number, data: '12' }])
      expect(datas(await all(log))).toEqual(['3'])
    })

    test('gives nobody a number twice while topics are forgotten and others append', async () => {
      const { log, write } = make()
      open(log)
      const heard: number[] = []
      log.follow((events, missed) => {
        if (missed) heard.push(missed.upTo)
        heard.push(...events.map(({ seq }) => seq))
      })
      const writing = write('one', 100)
      const forgotten: number[] = []
      for (let n = 0; n < 40; n++) {
        const [place] = await log.append([entry('log mine x')])
        await log.forget(asTopic('mine'))
        forgotten.push(place?.seq as number)
        await Bun.sleep(1)
      }
      const written = (await writing).map(({ seq }) => seq)
      expect(new Set([...written, ...forgotten]).size).toBe(written.length + forgotten.length)
      await settled(() => heard.at(-1) === log.head())
      expect(await log.last(asTopic('mine'), 9)).toEqual([])
      expect(await log.trimmed([asTopic('mine')], (forgotten.at(-1) as number) - 1)).toHaveLength(1)
    })

    test('holds any text, and a megabyte of it', async () => {
      const log = open(make().log)
      const samples = ['', '\0', '\r\n', '🌊', "';drop table hw_event;--", 'x'.repeat(1_048_576)]
      await log.append(
        samples.map((data) => entry('log a', { data, key: data.slice(0, 99) || null })),
      )
      expect(datas(await log.last(asTopic('a'), 99))).toEqual(samples)
    })

    test('gives one order to all three kinds while two writers append at once', async () => {
      const { log, write } = make()
      open(log)
      const heard: LogEvent[] = []
      log.follow((events) => heard.push(...events))
      const [one, two] = await Promise.all([write('one', 200), write('two', 200)])
      expect(one).toHaveLength(399)
      expect(two).toHaveLength(399)
      const both = [...one, ...two].toSorted((a, b) => a.seq - b.seq)
      await settled(() => heard.length >= both.length)
      // Each once, under the number that its writer was told, in the order of the numbers.
      expect(heard.map(({ seq, data }) => ({ seq, data }))).toEqual(
        both.map(({ seq, data }) => ({ seq, data })),
      )
      expect(new Set(heard.map(({ kind }) => kind))).toEqual(new Set(['log', 'state', 'signal']))
      for (const own of [one, two]) {
        expect(own.map(({ seq }) => seq)).toEqual(
          own.map(({ seq }) => seq).toSorted((a, b) => a - b),
        )
      }
      // They took turns, or nothing was shown.
      const writers = heard.map(({ data }) => data.split(' ')[0])
      expect(
        writers.filter((writer, i) => i > 0 && writer !== writers[i - 1]).length,
      ).toBeGreaterThan(5)
      const kept = heard.filter(({ kind }) => kind !== 'signal').map(({ seq }) => seq)
      expect((await all(log)).map(({ seq }) => seq)).toEqual(kept)
      expect(log.head()).toBe(both.at(-1)?.seq as number)
    })

    test('gives a reader who goes from page to page while others append everything once', async () => {
      const { log, write } = make()
      open(log)
      const writing = Promise.all([write('one', 150), write('two', 150)])
      let isOver = false
      void writing.then(() => {
        isOver = true
      })
      const read: LogEvent[] = []
      for (;;) {
        const isLast = isOver && log.head() === (read.at(-1)?.seq ?? 0)
        const page = await all(log, read.at(-1)?.seq ?? 0, 7)
        read.push(...page)
        if (isLast || (isOver && page.length === 0)) break
        await Bun.sleep(0)
      }
      // Every third entry is a signal.
      const kept = (await writing)
        .flat()
        .filter(({ data }) => Number(data.split(' ')[1]) % 3 < 2)
        .toSorted((a, b) => a.seq - b.seq)
      expect(read.map(({ seq, data }) => ({ seq, data }))).toEqual(
        kept.map(({ seq, data }) => ({ seq, data })),
      )
    })

    test('says of a cursor before, at and after the trim point, and beyond the head, what it is good for', async () => {
      const log = open(make().log)
      const seqs = (await log.append([...many(10), entry('log b 1')])).map(({ seq }) => seq)
      await log.trim(asTopic('a'), { count: 4, age: 60_000 })
      const at = seqs[5] as number
      const behind = async (after: number) => log.trimmed([asTopic('a'), asTopic('b')], after)
      const rest = async (after: number) =>
        datas(await log.read({ topics: [asTopic('a')], after, limit: 99 }))
      // The newest that was given up: who has it lacks nothing.
      expect([await behind(at - 1), await behind(at), await behind(at + 1)]).toEqual([
        [asTopic('a')],
        [],
        [],
      ])
      expect(await rest(at - 1)).toEqual(['7', '8', '9', '10'])
      expect(await rest(at)).toEqual(['7', '8', '9', '10'])
      expect(await rest(seqs[6] as number)).toEqual(['8', '9', '10'])
      for (const beyond of [log.head(), log.head() + 1, Number.MAX_SAFE_INTEGER]) {
        expect(await rest(beyond)).toEqual([])
        expect(await behind(beyond)).toEqual([])
        expect(await log.count({ topics: [asPattern('**')], after: beyond, limit: 9 })).toBe(0)
      }
    })

    test('has an epoch of its own, in which a cursor of another means nothing', async () => {
      const [log, other] = [open(make().log), open(make().log)]
      expect(log.epoch).not.toBe(other.epoch)
      const [place] = await log.append([entry('log a')])
      const cursor = eventId(log.epoch, place?.seq as number)
      expect(seqOf(cursor, log.epoch)).toBe(place?.seq as number)
      expect(seqOf(cursor, other.epoch)).toBeUndefined()
    })

    test('leaves a reader whose states are superseded between its pages with the newest of each key', async () => {
      const log = open(make().log)
      const states = (turn: string, from: number, to: number) =>
        Array.from({ length: to - from + 1 }, (_, i) =>
          entry(`state a ${turn}${from + i}`, { key: `k${from + i}` }),
        )
      await log.append(states('first', 1, 12))
      const shown = new Map<string | null, string>()
      const seqs: number[] = []
      const readOn = async (limit: number) => {
        const page = await all(log, seqs.at(-1) ?? 0, limit)
        for (const { key, data, seq } of page) {
          shown.set(key, data)
          seqs.push(seq)
        }
        return page.length
      }
      await readOn(5)
      // Some that it has, some that it was about to get, and a new one.
      await log.append(states('second', 3, 8))
      await readOn(4)
      await log.append(states('third', 7, 13))
      while ((await readOn(4)) > 0);
      const newest = [
        ...states('first', 1, 2),
        ...states('second', 3, 6),
        ...states('third', 7, 13),
      ]
      expect(Object.fromEntries(shown)).toEqual(
        Object.fromEntries(newest.map(({ key, data }) => [key as string, data])),
      )
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
      expect(new Set(seqs).size).toBe(seqs.length)
      expect(await all(log)).toHaveLength(13)
    })

    test('stays within its count and age however much is appended', async () => {
      const log = open(make().log)
      const keep = { count: 20, age: 60_000 }
      const topic = asTopic('a')
      for (let turn = 0; turn < 10; turn++) {
        await log.append(many(30))
        await log.append([entry('log a aged', { at: Date.now() - 61_000 }), entry('log b b')])
        await log.trim(topic, keep)
        const kept = await log.read({ topics: [topic], after: 0, limit: 999 })
        expect(kept.length).toBeLessThanOrEqual(keep.count)
        expect(datas(kept)).not.toContain('aged')
      }
      // What is young and within the count is not given up with the old.
      await log.append(many(20))
      await log.trim(topic, keep)
      expect(datas(await log.last(topic, 99))).toEqual(datas(many(20) as LogEvent[]))
      expect(await log.last(asTopic('b'), 99)).toHaveLength(10)
    })

    test('tells nobody any more who has stopped following, or that it was closed, however often that is said', async () => {
      const log = open(make().log)
      const heard: string[] = []
      const stop = log.follow((events) => heard.push(...datas(events)))
      const stopOther = log.follow((events) => heard.push(...datas(events)))
      await log.append([entry('log a 1')])
      stop()
      stop()
      await log.append([entry('log a 2')])
      expect(heard).toEqual(['1', '1', '2'])
      await log.close()
      await log.close()
      stop()
      stopOther()
      expect(heard).toEqual(['1', '1', '2'])
    })

    test('may be closed again', async () => {
      const { log } = make()
      log.follow(() => {})
      await log.close()
      await log.close()
    })
  })
}
