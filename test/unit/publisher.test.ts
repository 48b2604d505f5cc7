/**
 * What is published on its way to the log: order, pace, limits.
 */
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Hub, swap } from 'headwater'
import { type Entry, type Log, type LogEvent, memoryLog } from 'headwater/log'
import { defaults, type Limits } from '../../src/limits'
import { type Content, Publisher } from '../../src/publisher'
import { asTopic } from '../../src/topic'
import { settled } from '../support/serve'

setDefaultTimeout(20_000)

function start(limits: Partial<Limits> = {}, log: Log = memoryLog()) {
  const kept: LogEvent[] = []
  log.follow((events) => kept.push(...events))
  const publisher = new Publisher(log, { ...defaults, ...limits })
  const to = (kind: Entry['kind'], topic: string, key: string | null, content: Content) =>
    publisher.publish({ topic: asTopic(topic), kind, form: 'slot', key }, content)
  return {
    kept,
    publisher,
    log: (content: Content, topic = 'a') => to('log', topic, null, content),
    state: (content: Content, topic = 's', key = '') => to('state', topic, key, content),
    signal: (content: Content, topic = 'f') => to('signal', topic, null, content),
    end: (topic: string) =>
      publisher.publish({ topic: asTopic(topic), kind: 'state', form: 'end', key: 'hw:end' }, ''),
    datas: () => kept.map(({ data }) => data),
  }
}

const slowly = (data: string, time: number) => () => Bun.sleep(time).then(() => data)

describe('the order', () => {
  test('of calls is that of numbers, over topics and kinds', async () => {
    const { log, state, signal, kept, datas } = start()
    const places = await Promise.all([log('1'), state('2'), signal('3'), log('4', 'b')])
    expect(datas()).toEqual(['1', '2', '3', '4'])
    expect(places.map((place) => place?.seq)).toEqual(kept.map(({ seq }) => seq))
  })

  test('of one topic holds when an earlier render takes longer, and others do not wait', async () => {
    const { log, datas } = start()
    const all = [
      log(slowly('1', 60)),
      log(slowly('2', 20)),
      log(Bun.sleep(1).then(() => '3')),
      log('4'),
      log('other', 'b'),
    ]
    await all.at(-1)
    expect(datas()).toEqual(['other'])
    await Promise.all(all)
    expect(datas()).toEqual(['other', '1', '2', '3', '4'])
  })

  test('renders in turn, when the earlier one is done', async () => {
    const { log } = start()
    let running = 0
    const render = async () => {
      running++
      await Bun.sleep(5)
      const alone = running === 1
      running--
      return String(alone)
    }
    const { kept } = { kept: await Promise.all([log(render), log(render), log(render)]) }
    expect(kept).toHaveLength(3)
    expect(running).toBe(0)
  })

  test('is that of one transaction for one turn', async () => {
    const batches: number[] = []
    const inner = memoryLog()
    const append: Log['append'] = (entries) => {
      batches.push(entries.length)
      return inner.append(entries)
    }
    const { log, state } = start({}, Object.assign(Object.create(inner), wrap(inner), { append }))
    await Promise.all([log('1'), log('2'), state('3')])
    await log('4')
    expect(batches).toEqual([3, 1])
  })

  test('holds with a log that answers later', async () => {
    const inner = memoryLog()
    const append: Log['append'] = async (entries) => {
      await Bun.sleep(entries.length === 1 ? 10 : 1)
      return inner.append(entries)
    }
    const { log, datas } = start({}, Object.assign(Object.create(inner), wrap(inner), { append }))
    const all = [log('1')]
    await Bun.sleep(0)
    for (let n = 2; n <= 20; n++) {
      all.push(log(String(n)))
      if (n % 5 === 0) await Bun.sleep(1)
    }
    const places = await Promise.all(all)
    expect(datas()).toEqual(Array.from({ length: 20 }, (_, i) => String(i + 1)))
    expect(places.map((place) => place?.seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
  })
})

/** The methods of a log, bound to it. */
function wrap(log: Log) {
  return {
    head: () => log.head(),
    follow: (listener: Parameters<Log['follow']>[0]) => log.follow(listener),
  }
}

describe('a state', () => {
  test('is appended at most once in its pace, and its last value always', async () => {
    const { state, kept, datas } = start({ pace: 20 })
    const all: Promise<unknown>[] = []
    const begun = performance.now()
    for (let n = 1; n <= 300; n++) {
      all.push(state(String(n)))
      if (n % 5 === 0) await Bun.sleep(1)
    }
    const took = performance.now() - begun
    await Promise.all(all)
    expect(datas().at(0)).toBe('1')
    expect(datas().at(-1)).toBe('300')
    expect(datas().map(Number)).toEqual(
      datas()
        .map(Number)
        .toSorted((a, b) => a - b),
    )
    expect(kept.length).toBeGreaterThan(1)
    expect(kept.length).toBeLessThanOrEqual(Math.ceil(took / 20) + 2)
  })

  test('is paced by key and topic, so two do not hold each other', async () => {
    const { state, datas } = start({ pace: 1_000 })
    await Promise.all([state('1', 's', 'a'), state('2', 's', 'b'), state('3', 't', 'a')])
    expect(datas()).toEqual(['1', '2', '3'])
  })

  test('never comes before what was published before it', async () => {
    const { state, log, kept, publisher } = start({ pace: 10 })
    const all: Promise<unknown>[] = []
    for (let n = 1; n <= 100; n++) {
      all.push(log(`${n}`, `log${n % 3}`), state(`${n}`))
      if (n % 9 === 0) await Bun.sleep(2)
    }
    await Promise.all(all)
    await publisher.settle()
    let lines = 0
    for (const { kind, data } of kept) {
      if (kind === 'log') lines++
      else expect(lines).toBeGreaterThanOrEqual(Number(data))
    }
    expect(kept.findLast(({ kind }) => kind === 'state')?.data).toBe('100')
  })

  test('resolves each publish with the event that holds its value or a newer one', async () => {
    const { state, kept } = start({ pace: 20 })
    const places = await Promise.all(['1', '2', '3'].map((value) => state(value)))
    expect(places[1]).toEqual(places[2])
    expect(kept.map(({ seq }) => seq)).toEqual([places[0]?.seq, places[2]?.seq] as number[])
  })

  test('comes before the end of its topic that was published after it', async () => {
    const { state, end, kept } = start({ pace: 50 })
    await Promise.all([state('1'), state('2'), state('other', 't'), end('s')])
    const own = kept.filter(({ topic }) => topic === 's')
    expect(own.map(({ form, data }) => [form, data])).toEqual([
      ['slot', '1'],
      ['slot', '2'],
      ['end', ''],
    ])
  })

  test('that is held is appended by a flush', async () => {
    const { state, publisher, datas } = start({ pace: 60_000 })
    const all = Promise.all([state('1'), state('2')])
    publisher.flush()
    await all
    expect(datas()).toEqual(['1', '2'])
  })
})

describe('a render', () => {
  test('that gives null, undefined or false appends nothing', async () => {
    const { log, kept } = start()
    const none = [
      null,
      undefined,
      false,
      () => null,
      () => Bun.sleep(1).then(() => undefined),
    ] as const
    expect(await Promise.all(none.map((content) => log(content)))).toEqual(
      none.map(() => undefined),
    )
    expect(kept).toEqual([])
  })

  test('that publishes to its own topic is a TypeError, not a deadlock; to another it is not', async () => {
    const { log, datas } = start()
    expect(log(async () => (await log('inner')) && 'outer')).rejects.toBeInstanceOf(TypeError)
    expect(
      log(async () => {
        await Bun.sleep(1)
        await log(async () => (await log('inner', 'a')) && 'middle', 'b')
        return 'outer'
      }),
    ).rejects.toBeInstanceOf(TypeError)
    await log(async () => (await log('to another', 'b')) && 'own')
    await log('goes on')
    expect(datas()).toEqual(['to another', 'own', 'goes on'])
  })

  test('may leave something behind that publishes to its topic when it is over', async () => {
    const { log, datas } = start()
    const later = Promise.withResolvers<unknown>()
    await log(() => {
      setTimeout(() => later.resolve(log('later')), 5)
      return 'now'
    })
    await later.promise
    await log(async () => {
      setTimeout(() => log('even later'), 20)
      return 'again'
    })
    await settled(() => datas().includes('even later'))
    expect(datas()).toEqual(['now', 'later', 'again', 'even later'])
  })

  test('that takes too long is an error that says so, and the next ones go on', async () => {
    const { log, datas } = start({ render: 30 })
    const hung = log(() => new Promise<string>(() => {}))
    const next = log('next')
    await expect(hung).rejects.toThrow('30 ms')
    await next
    expect(datas()).toEqual(['next'])
  })

  test('that throws rejects its own publish only', async () => {
    const { log, datas } = start()
    const outcomes = await Promise.allSettled([
      log(() => {
        throw new Error('now')
      }),
      log(slowly('a', 5)),
      log(() => {
        throw new Error('later')
      }),
      log(Promise.reject(new Error('before its turn'))),
      log('b'),
    ])
    expect(
      outcomes.map((outcome) => (outcome.status === 'rejected' ? String(outcome.reason) : 'ok')),
    ).toEqual(['Error: now', 'ok', 'Error: later', 'Error: before its turn', 'ok'])
    expect(datas()).toEqual(['a', 'b'])
  })
})

describe('an event', () => {
  test('of more than the limit is a RangeError that says how much, in bytes', async () => {
    const { log, datas } = start()
    const most = defaults.event
    await log('x'.repeat(most))
    await expect(log('x'.repeat(most + 1))).rejects.toThrow(RangeError)
    await expect(log('ä'.repeat(most / 2 + 1))).rejects.toThrow(String(most))
    await log('ä'.repeat(most / 2))
    expect(datas()).toHaveLength(2)
  })

  test('that is no string or patch is a TypeError', async () => {
    const { log } = start()
    for (const odd of [7, {}, [], true, Symbol.iterator]) {
      await expect(log(odd as unknown as string)).rejects.toBeInstanceOf(TypeError)
    }
  })

  test('of kind state that is a patch needs a key', async () => {
    const { log, state, kept } = start()
    const patch = swap.innerHTML('#n', '7')
    await expect(state(patch)).rejects.toThrow(/key/)
    await state(patch, 's', 'n')
    await log(patch)
    expect(kept.map(({ form, data }) => [form, data])).toEqual([
      ['patch', patch.html],
      ['patch', patch.html],
    ])
  })

  test('that the log does not keep is an error that names the log and the cause', async () => {
    const inner = memoryLog()
    const append = () => {
      throw new Error('disk full')
    }
    const { log } = start(
      {},
      Object.assign(Object.create(inner), wrap(inner), { append, name: 'broken' }),
    )
    await expect(log('x')).rejects.toThrow(/broken.*disk full/)
  })
})

describe('the hub', () => {
  test('publishes of the declared kind only, and nothing once it is closed', async () => {
    const hub = new Hub({ secret: 's' })
    hub.topic('s:*', { kind: 'state' }).topic('f:*', { kind: 'signal' })
    await expect(hub.publish('s:1', 'x', { kind: 'log' })).rejects.toBeInstanceOf(TypeError)
    await expect(hub.publish('other', 'x', { kind: 'state' })).rejects.toBeInstanceOf(TypeError)
    await expect(hub.publish('s:*', 'x')).rejects.toBeInstanceOf(TypeError)
    await expect(hub.publish('other', 'x', { key: 'hw:end' })).rejects.toBeInstanceOf(TypeError)
    expect(await hub.publish('other', 'x', { kind: 'log' })).toBe(hub.cursor())
    expect(await hub.publish('f:1', 'x')).toBeUndefined()
    const last = hub.publish('s:1', '1')
    const held = hub.publish('s:1', '2')
    hub.close()
    hub.close()
    expect(await Promise.all([last, held])).toHaveLength(2)
    await expect(hub.publish('other', 'x')).rejects.toThrow(/closed/)
  })
})
