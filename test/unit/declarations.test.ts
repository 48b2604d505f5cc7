/**
 * Which declaration holds for a topic, and in which order what is declared by pattern counts.
 */
import { describe, expect, test } from 'bun:test'
import {
  type Broadcast,
  type Durability,
  type Guard,
  Hub,
  type Keep,
  type Kind,
  MultiStreamManager,
  swap,
} from 'headwater'
import { memoryLog } from 'headwater/log'
import { Declarations } from '../../src/declarations'
import { ByPattern } from '../../src/patterns'
import { asTopic } from '../../src/topic'

describe('C-43 what is declared by pattern', () => {
  test('counts by priority across patterns, then in the order of declaration', () => {
    const declared = new ByPattern<string>()
    declared.add('**', 'wide')
    declared.add('a:*', 'first of 0')
    declared.add('a:b', 'highest', { priority: 10 })
    declared.add('*:b', 'lowest', { priority: -1 })
    declared.add('a:b', 'exact, of 0')
    declared.add('a:**', 'of 5', { priority: 5 })
    declared.add('a:*', 'of 5, later', { priority: 5 })
    expect(declared.of(asTopic('a:b'))).toEqual([
      'highest',
      'of 5',
      'of 5, later',
      'wide',
      'first of 0',
      'exact, of 0',
      'lowest',
    ])
    expect(declared.of(asTopic('a:c'))).toEqual(['of 5', 'of 5, later', 'wide', 'first of 0'])
    expect(declared.of(asTopic('b'))).toEqual(['wide'])
  })

  test('counts for a topic that was looked up before', () => {
    const declared = new ByPattern<number>()
    const topic = asTopic('a:b')
    expect(declared.of(topic)).toEqual([])
    declared.add('a:*', 1)
    expect(declared.of(topic)).toEqual([1])
    declared.add('**', 2, { priority: 1 })
    expect(declared.of(topic)).toEqual([2, 1])
  })

  test('of a manager is before every priority', () => {
    const declared = new Declarations()
    declared.add('**', { kind: 'signal', priority: Number.MAX_VALUE })
    declared.add('job:*:lines', { kind: 'state' }, true)
    expect(declared.of(asTopic('job:1:lines')).kind).toBe('state')
    expect(declared.of(asTopic('job:1:other')).kind).toBe('signal')
    expect(declared.of(asTopic('job')).kind).toBe('signal')
  })

  test('of an app is never before that of a manager, whatever the app says', () => {
    const hub = new Hub()
    hub.topic('**', { kind: 'signal', guard: 'public', priority: 1e9, first: true } as never)
    new MultiStreamManager<{ id: string }>(hub, {
      name: 'job',
      getEntity: (id) => ({ id }),
    }).register({ name: 'state', kind: 'state', render: () => 'x' })
    expect([hub.kindOf('job:1:state'), hub.kindOf('other')]).toEqual(['state', 'signal'])
    hub.close()
  })

  test('keeps what it knows small, however many topics are asked for', () => {
    const declared = new Declarations()
    declared.add('a:*', { kind: 'state' })
    for (let n = 0; n < 25_000; n++) declared.of(asTopic(`a:${n}`))
    expect(declared.of(asTopic('a:1')).kind).toBe('state')
    expect(declared.of(asTopic('b:1')).kind).toBe('log')
  })

  test('is refused for what is no pattern, priority, option or function', () => {
    const hub = new Hub({ log: memoryLog() })
    for (const pattern of ['', 'a:', 'a*', 'x,y', 'done', 7, undefined]) {
      expect(() => hub.topic(pattern as string)).toThrow(TypeError)
      expect(() => hub.use(pattern as string, () => {})).toThrow(TypeError)
    }
    for (const priority of [Number.NaN, Number.POSITIVE_INFINITY, '1', null]) {
      expect(() => hub.topic('a', { priority: priority as number })).toThrow(
        /Expected a number as the priority of "a"/,
      )
      expect(() => hub.use('a', () => {}, { priority: priority as number })).toThrow(TypeError)
    }
    const options = [
      [{ kind: 'State' }, 'Expected kind log, state or signal, got State for "a:*"'],
      [{ guard: 'Signed' }, 'Expected guard signed, public or a function, got Signed for "a:*"'],
      [{ guard: null }, 'got null'],
      [{ keep: { count: 0 } }, 'Expected to keep a number of events, got 0'],
      [{ keep: { count: 1.5 } }, 'got 1.5'],
      [{ keep: { count: Number.POSITIVE_INFINITY } }, 'got Infinity'],
      [{ keep: { age: 0 } }, 'Expected to keep events for milliseconds above 0, got 0'],
      [{ keep: { age: Number.NaN } }, 'got NaN'],
    ] as const
    for (const [bad, words] of options) expect(() => hub.topic('a:*', bad as never)).toThrow(words)
    // What was refused was not declared.
    expect(hub.kindOf('a:1')).toBe('log')
    hub.topic('a:*', { kind: 'state', keep: { age: Number.POSITIVE_INFINITY }, guard: () => true })
    for (const middleware of [undefined, null, 'x', {}]) {
      expect(() => hub.use('a', middleware as never)).toThrow(/Expected a function for "a"/)
    }
    hub.close()
  })
})

test('H-10 a key that begins with hw: is refused, by whatever way it comes', async () => {
  const hub = new Hub()
  const job = new MultiStreamManager<{ id: string }>(hub, {
    name: 'job',
    getEntity: (id) => ({ id }),
  }).register({
    name: 'lines',
    kind: 'log',
    key: (line: string) => line,
    render: (line: string) => line,
  })
  const ways = [
    hub.publish('a', 'x', { key: 'hw:end' }),
    job.publish('1', 'lines', 'hw:end'),
    job.patch('1', swap.innerHTML('#a', 'x'), { key: 'hw:end' }),
  ]
  for (const way of ways) {
    expect(await way.catch((error) => error)).toEqual(
      new TypeError('Expected a key that does not begin with hw:, got "hw:end"'),
    )
  }
  await job.publish('1', 'lines', 'hw')
  expect((await hub.history('job:1:lines')).items.map(({ key }) => key)).toEqual(['hw'])
  hub.close()
})

test('C-43 what the signatures name can be named by an app', async () => {
  const durability: Durability = 'full'
  const guard: Guard = (request, topic) => request.url.endsWith(topic)
  const keep: Keep = { count: 1, age: 1_000 }
  const hub = new Hub({ durability }).topic('a', { guard, keep })
  const kind: Kind = hub.kindOf('a')
  const sent: Broadcast = await hub.broadcast('a', 'x')
  expect([kind, sent.ids.length, sent.delivered]).toEqual(['log', 1, 0])
  hub.close()
})
