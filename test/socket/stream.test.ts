/**
 * The stream core, C-01 to C-12, over a real socket.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import fc from 'fast-check'
import { MultiStreamManager, Queue, swap } from 'headwater'
import { type Client, connect } from '../support/client'
import { cleanUp, declare, serve, settled, site } from '../support/serve'

setDefaultTimeout(30_000)
afterEach(cleanUp)

interface Job {
  id: string
}

/** A stream of items of any type; `Source<unknown>` would take the types of a function's parameters away. */
interface Stream {
  kind: 'log' | 'state'
  source: ((id: string, context: { signal: AbortSignal }) => unknown) | object
  interval: number
  timeout: number
  render: (item: unknown) => string | null | Promise<string>
}

/** A manager of jobs with one stream. */
function jobs(on: ReturnType<typeof serve>, stream: Partial<Stream>) {
  return new MultiStreamManager<Job>(on.hub, {
    name: 'job',
    getEntity: (id) => ({ id }),
    guard: 'public',
  }).register<'s', unknown>({
    name: 's',
    kind: 'log',
    render: (item) => `<li>${item}</li>`,
    ...(stream as object),
  })
}

const live = (client: Client) => client.until(() => client.lastEventId !== '')
const texts = (client: Client) =>
  client.events.filter(({ name }) => name !== 'done').map(({ data }) => plain(data))
/** The text of the last element: what a page shows after the fragment. */
const plain = (html: string) => /([^<>]*)<\/li>$/.exec(html)?.[1] ?? html
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i))
const forever = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))

describe('a new stream', () => {
  test('C-01 opens at once with the headers, a jittered retry hint, a comment and then the head', async () => {
    const on = serve()
    declare(on.hub)
    expect(on.hub.limits).toMatchObject({ heartbeat: 15_000, retry: [1_000, 3_000] })
    const start = performance.now()
    const client = await connect(`${on.url}/stream?topic=room:1`)
    await live(client)
    expect(performance.now() - start).toBeLessThan(500)
    expect(client.status).toBe(200)
    expect(client.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    })
    expect(client.raw).toMatch(/^retry: \d+\n:.*\n\nid: [\w-]+\.0\n\n$/)
    expect(client.lastEventId).toBe(on.hub.cursor())
    expect(client.events).toEqual([])
    const others = await Promise.all(
      numbers(1, 20).map(() => connect(`${on.url}/stream?topic=room:1`)),
    )
    await Promise.all(others.map(live))
    const hints = others.map(({ retry }) => retry as number)
    expect(new Set(hints).size).toBeGreaterThan(5)
    expect(Math.min(...hints)).toBeGreaterThanOrEqual(1_000)
    expect(Math.max(...hints)).toBeLessThanOrEqual(3_000)
  })

  test('C-01 says that it is open while a slow snapshot is still being made', async () => {
    const on = serve()
    const slow = Promise.withResolvers<string>()
    on.hub.topic('news', { kind: 'state', guard: 'public', snapshot: () => slow.promise })
    const client = await connect(`${on.url}/stream?topic=news`)
    await client.until(() => client.comments.length === 1)
    expect([client.retry, client.lastEventId]).toEqual([expect.any(Number), ''])
    slow.resolve('<b>now</b>')
    await live(client)
    expect(client.events).toEqual([{ id: '', name: 'news', data: '<b>now</b>' }])
  })

  test('C-01 is not cut by an idle limit of the server that is shorter than its heartbeat', async () => {
    const on = site({}, (hub) =>
      Bun.serve({
        hostname: '127.0.0.1',
        port: 0,
        idleTimeout: 1,
        fetch: async (request, server) =>
          (await hub.fetch(request, { server })) ??
          new Response(new ReadableStream({ pull: () => Bun.sleep(60_000) })),
      }),
    )
    declare(on.hub)
    const [client, control] = await Promise.all([
      connect(`${on.url}/stream?topic=room:1`),
      connect(`${on.url}/control`),
    ])
    await live(client)
    await control.until(() => control.ended, 12_000)
    expect(client.ended).toBe(false)
    await on.hub.publish('room:1', 'still here')
    await client.until(() => client.events.length === 1)
  }, 15_000)

  test('C-01 gets heartbeats: a comment, or the cursor when something else has moved it', async () => {
    const on = serve({ limits: { heartbeat: 50 } })
    declare(on.hub)
    const client = await connect(`${on.url}/stream?topic=room:1`)
    await live(client)
    await client.until(() => client.comments.length >= 3)
    const moved = await on.hub.publish('room:other', 'x')
    await client.until(() => client.lastEventId === moved)
    expect(client.events).toEqual([])
  })

  test('C-02 of a source of three items gives the comment, three events and the end; the counters say 3', async () => {
    const on = serve()
    jobs(on, { source: () => ['a', 'b', 'c'] })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.ended)
    expect(client.events.map(({ name }) => name)).toEqual(['job:1:s', 'job:1:s', 'job:1:s', 'done'])
    expect(texts(client)).toEqual(['a', 'b', 'c'])
    expect(client.raw.indexOf(':\n')).toBeLessThan(client.raw.indexOf('data:'))
    expect(client.raw).toEndWith('event: done\ndata: \n\n')
    expect(on.hub.stats()).toMatchObject({ active: 0, total: 1, events: 3 })
    await client.until(() => client.ended)
  })

  test('C-03 of a source slower than the heartbeat loses nothing', async () => {
    const on = serve({ limits: { heartbeat: 30 } })
    jobs(on, {
      source: async function* () {
        for (const n of numbers(1, 5)) {
          yield n
          await Bun.sleep(100)
        }
      },
    })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.ended)
    expect(texts(client)).toEqual(numbers(1, 5))
    const between = client.raw.split(/^event: job:1:s$/m).slice(1, -1)
    expect(between.every((part) => /^(?::.*|id: .*\n)\n/m.test(part))).toBe(true)
    expect(client.comments.length).toBeGreaterThan(4)
  })

  test('C-04 with a timeout ends with the terminal event and aborts its source', async () => {
    const on = serve()
    const seen = Promise.withResolvers<void>()
    jobs(on, {
      timeout: 200,
      source: async function* (_, { signal }) {
        yield 1
        await forever(signal)
        seen.resolve()
      },
    })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.ended)
    expect(client.events.map(({ name }) => name)).toEqual(['job:1:s', 'done'])
    await seen.promise
  })

  test('C-04 with a timeout and no source ends too, and can be opened again', async () => {
    const on = serve()
    const manager = jobs(on, { timeout: 300, kind: 'state' })
    for (const turn of ['first', 'second']) {
      const client = await connect(`${on.url}/stream/job/s?id=1`)
      await live(client)
      await manager.publish('1', 's', turn)
      await client.until(() => client.ended)
      expect(texts(client)).toContain(turn)
      expect(client.events.at(-1)?.name).toBe('done')
    }
  })
})

describe('all streams of an entity, by its id', () => {
  test('C-02 are done when their sources have no more, also after a patch', async () => {
    const on = serve()
    const manager = jobs(on, {
      source: async function* () {
        yield 1
        await manager.patch('1', swap.innerHTML('#total', '1'))
        yield 2
      },
    })
    const client = await connect(`${on.url}/stream/job?id=1`)
    await client.until(() => client.ended)
    expect(client.events.some(({ data }) => data.includes('#total'))).toBe(true)
    expect(client.events.at(-1)?.name).toBe('done')
  })

  test('C-09 are done when the entity is stopped', async () => {
    const on = serve()
    const manager = jobs(on, { source: (_, { signal }) => forever(signal) })
    const client = await connect(`${on.url}/stream/job?id=1`)
    await live(client)
    await manager.stop('1')
    await client.until(() => client.ended)
    expect(client.events.at(-1)?.name).toBe('done')
  })
})

describe('a source that ends badly', () => {
  test('C-04 that is late does not publish behind its own end', async () => {
    for (let round = 0; round < 10; round++) {
      const on = serve()
      jobs(on, {
        kind: 'state',
        timeout: 100,
        source: async function* () {
          for (let n = 0; ; n++) {
            yield n
            await Bun.sleep(1)
          }
        },
        render: async (n) => {
          await Bun.sleep(1)
          return `${n}`
        },
      })
      const client = await connect(`${on.url}/stream/job/s?id=1`)
      await client.until(() => client.ended)
      expect(client.events.at(-1)?.name).toBe('done')
    }
  })

  test('C-12 a queue keeps for the next viewer what came when nobody looked on', async () => {
    const on = serve({ limits: { grace: 20 } })
    const queue = new Queue<number>()
    jobs(on, { source: () => queue })
    const leases = on.hub.db.$client.query('select * from hw_lease')
    const first = await connect(`${on.url}/stream/job/s?id=1`)
    queue.push(1)
    await first.until(() => first.events.length === 1)
    first.cut()
    await settled(() => on.hub.stats().active === 0 && leases.all().length === 0)
    queue.push(2)
    queue.push(3)
    const second = await connect(`${on.url}/stream/job/s?id=1`)
    await second.until(() => texts(second).join().includes('3'))
    queue.push(4)
    await second.until(() => texts(second).join().includes('4'))
    const { items } = await on.hub.history('job:1:s')
    expect(items.map(({ html }) => html.replace(/<[^>]*>/g, ''))).toEqual(['1', '2', '3', '4'])
  })
})

describe('leaving', () => {
  test("C-05 while the source is idle runs the source's finally and returns all counts to zero", async () => {
    const on = serve({ limits: { grace: 50, heartbeat: 50 } })
    const finished = Promise.withResolvers<void>()
    jobs(on, {
      source: async function* (_, { signal }) {
        try {
          yield 1
          await forever(signal)
        } finally {
          finished.resolve()
        }
      },
    })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.events.length === 1)
    expect(on.hub.stats()).toMatchObject({ active: 1, topics: 1, byKind: { 'job/s': 1 } })
    client.cut()
    await finished.promise
    await settled(() => on.hub.stats().active === 0)
    expect(on.hub.stats()).toMatchObject({ active: 0, topics: 0, lagging: 0, byKind: {} })
    on.hub.registry.flush()
    const rows = on.hub.db.$client.query('select state, reason from hw_connection').all()
    expect(rows).toEqual([{ state: 'closed', reason: 'left' }])
    const leases = on.hub.db.$client.query('select * from hw_lease')
    await settled(() => leases.all().length === 0)
  })

  test('C-05 C-12 and coming back within the grace goes on with the same run', async () => {
    const on = serve({ limits: { grace: 2_000 } })
    const starts: string[] = []
    const queue = new Queue<number>()
    jobs(on, {
      source: (id) => {
        starts.push(id)
        return queue
      },
    })
    const first = await connect(`${on.url}/stream/job/s?id=1`)
    queue.push(1)
    await first.until(() => first.events.length === 1)
    first.cut()
    await settled(() => on.hub.stats().active === 0)
    const again = await connect(`${on.url}/stream/job/s?id=1`, { lastEventId: first.lastEventId })
    queue.push(2)
    await again.until(() => again.events.length === 1)
    expect([texts(first), texts(again), starts]).toEqual([['1'], ['2'], ['1']])
  })

  test('C-05 a hub that is closed while a source runs leaves no error behind', async () => {
    const on = serve()
    const finished = Promise.withResolvers<void>()
    const loose: unknown[] = []
    const note = (error: unknown) => loose.push(error)
    process.on('unhandledRejection', note)
    jobs(on, {
      source: async function* (_, { signal }) {
        yield 1
        await forever(signal)
        finished.resolve()
      },
    })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.events.length === 1)
    await on.stop()
    await finished.promise
    await Bun.sleep(20)
    process.off('unhandledRejection', note)
    expect([loose, on.errors]).toEqual([[], []])
    expect(client.ended).toBe(true)
  })
})

describe('what is published', () => {
  test('C-06 awaits a render and keeps the order of calls when an earlier one takes longer', async () => {
    const on = serve()
    const manager = jobs(on, {
      render: async (item) => {
        await Bun.sleep(100 - 20 * Number(item))
        return `<li>${item}</li>`
      },
    })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await live(client)
    await Promise.all(numbers(1, 5).map((n) => manager.publish('1', 's', n)))
    await client.until(() => client.events.length === 5)
    expect(texts(client)).toEqual(numbers(1, 5))
  })

  test('C-06 C-11 goes on in order after a render that fails, and tells the caller', async () => {
    const on = serve()
    declare(on.hub)
    const client = await connect(`${on.url}/stream?topic=room:1`)
    await live(client)
    const outcomes = await Promise.allSettled([
      on.hub.publish(
        'room:1',
        Bun.sleep(20).then(() => 'a'),
      ),
      on.hub.publish('room:1', () => Promise.reject(new Error('no'))),
      on.hub.publish('room:1', Promise.reject(new Error('nor this'))),
      on.hub.publish('room:1', 'b'),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    await client.until(() => client.events.length === 2)
    expect(texts(client)).toEqual(['a', 'b'])
  })

  test('C-07 reads back identical, whatever string it is', async () => {
    const on = serve()
    on.hub.topic('text', { guard: 'public', keep: { count: 10_000 } })
    const client = await connect(`${on.url}/stream?topic=text`)
    await live(client)
    const bits = ['\r', '\n', '\r\n', '\0', '\ud800', '\udc00', '🌊', ':', ' ', 'a', '\ufeff']
    const hostile = fc.string({
      unit: fc.constantFrom(...bits, '\n\nevent: x\n', 'data: ', 'id: 9\n', '\u2028'),
    })
    const samples = ['', '\n', '\n\nevent: x\ndata: y\n\n', ...fc.sample(hostile, 500)]
    await Promise.all(samples.map((sample) => on.hub.publish('text', sample)))
    await client.until(() => client.events.length === samples.length)
    expect(client.events.map(({ data }) => data)).toEqual(
      samples.map((sample) => sample.toWellFormed().replace(/\r\n|\r/g, '\n')),
    )
    expect(new Set(client.events.map(({ name }) => name))).toEqual(new Set(['text']))
  })

  test('C-07 is refused with a name that would break the wire', async () => {
    const { hub } = serve()
    const bad = [
      'a\nb',
      'a\rb',
      'a\0b',
      'a,b',
      'a b',
      '',
      'done',
      'open',
      'error',
      'message',
      'hw:x',
    ]
    for (const name of bad) {
      expect(hub.publish(name, 'x')).rejects.toBeInstanceOf(TypeError)
      expect(() => hub.address([name])).toThrow(TypeError)
    }
  })

  test('C-08 sends nothing when the render gives null', async () => {
    const on = serve()
    const manager = jobs(on, { render: (item) => (item === 2 ? null : `<li>${item}</li>`) })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await live(client)
    const ids = await Promise.all([1, 2, 3].map((n) => manager.publish('1', 's', n)))
    expect(ids[1]).toBeUndefined()
    await client.until(() => client.events.length === 2)
    expect(texts(client)).toEqual(['1', '3'])
    expect(on.hub.stats().events).toBe(2)
  })

  test('carries its event id, which is that of publish; a signal carries none', async () => {
    const on = serve()
    declare(on.hub)
    const client = await connect(`${on.url}/stream?topic=room:1&topic=cell:1&topic=flash:1`)
    await live(client)
    const ids = [
      await on.hub.publish('room:1', 'a'),
      await on.hub.publish('cell:1', 'b'),
      await on.hub.publish('flash:1', 'c'),
    ]
    await client.until(() => client.events.length === 3)
    expect(ids[2]).toBeUndefined()
    expect(client.events.map(({ id }) => id)).toEqual([ids[0], ids[1], ids[1]] as string[])
    expect(client.raw.match(/^id: .*\nevent: flash:1$/m)).toBeNull()
  })

  test('begins an ended topic again: done waits for its next end', async () => {
    const on = serve()
    declare(on.hub)
    await on.hub.end('room:a')
    const client = await connect(`${on.url}/stream?topic=room:a&topic=room:b`)
    await live(client)
    await on.hub.publish('room:a', 'again')
    const other = await connect(`${on.url}/stream?topic=room:b`)
    await live(other)
    await on.hub.end('room:b')
    await other.until(() => other.ended)
    await on.hub.publish('room:a', 'and on')
    await client.until(() => client.events.length >= 2)
    await on.hub.end('room:a')
    await client.until(() => client.ended)
    expect(client.events.map(({ data }) => data)).toEqual(['again', 'and on', ''])
  })

  test('done comes after a state that was published before the end', async () => {
    const on = serve()
    declare(on.hub)
    const client = await connect(`${on.url}/stream?topic=cell:1`)
    await live(client)
    for (const value of numbers(1, 3)) on.hub.publish('cell:1', value)
    await on.hub.end('cell:1')
    await client.until(() => client.ended)
    expect(client.events.slice(-2).map(({ name, data }) => [name, data])).toEqual([
      ['cell:1', '3'],
      ['done', ''],
    ])
  })
})

describe('sources', () => {
  test('C-09 are stopped from the server and see their AbortSignal', async () => {
    const on = serve()
    const aborted = Promise.withResolvers<boolean>()
    const manager = jobs(on, {
      source: async function* (_, { signal }) {
        yield 1
        await forever(signal)
        aborted.resolve(signal.aborted)
        yield 2
      },
    })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.events.length === 1)
    await manager.stop('1')
    expect(await aborted.promise).toBe(true)
    await client.until(() => client.ended)
    expect(client.events.map(({ name }) => name)).toEqual(['job:1:s', 'done'])
  })

  const three = ['1', '2', '3']
  const kinds: [string, Partial<Stream>][] = [
    [
      'an async generator',
      {
        source: (async function* () {
          yield* three
        })(),
      },
    ],
    [
      'a function returning an async generator',
      {
        source: async function* () {
          yield* three
        },
      },
    ],
    ['a list', { source: three }],
    ['a function returning a list', { source: () => three }],
    ['a promise of a list', { source: Promise.resolve(three) }],
    ['a function returning a promise of a list', { source: async () => three }],
    ['a set', { source: () => new Set(three) }],
    [
      'a queue',
      {
        source: () => {
          const queue = new Queue<string>()
          for (const n of three) queue.push(n)
          queue.end()
          return queue
        },
      },
    ],
  ]
  for (const [what, stream] of kinds) {
    test(`C-10 may be ${what}`, async () => {
      const on = serve()
      jobs(on, stream)
      const client = await connect(`${on.url}/stream/job/s?id=1`)
      await client.until(() => client.ended)
      expect(texts(client)).toEqual(three)
    })
  }

  test('C-10 may be a promise of one item', async () => {
    const on = serve()
    jobs(on, { source: async () => 'only' })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.ended)
    expect(texts(client)).toEqual(['only'])
  })

  test('C-10 may be a plain function, asked again at its interval', async () => {
    const on = serve({ limits: { grace: 10 } })
    let asked = 0
    jobs(on, { kind: 'state', interval: 30, source: () => String(++asked), render: (n) => `${n}` })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.events.length === 4)
    expect(texts(client)).toEqual(numbers(1, 4))
    client.cut()
    await settled(() => on.hub.db.$client.query('select * from hw_lease').all().length === 0)
    const stopped = asked
    await Bun.sleep(90)
    expect(asked).toBe(stopped)
  })

  const failures: [string, Partial<Stream>][] = [
    [
      'a source that throws',
      {
        source: async function* () {
          yield 1
          throw new Error('boom')
        },
      },
    ],
    [
      'a function that throws before it gives anything',
      {
        source: () => {
          throw new Error('boom')
        },
      },
    ],
    ['a promise that fails', { source: () => Promise.reject(new Error('boom')) }],
    [
      'a render that throws',
      {
        source: async function* (_, { signal }) {
          yield* [1, 2]
          await forever(signal)
        },
        render: (n) => {
          if (n === 2) throw new Error('boom')
          return `<li>${n}</li>`
        },
      },
    ],
    [
      'a render of kind state that throws while its source goes on',
      {
        kind: 'state',
        source: async function* (_, { signal }) {
          for (let n = 1; !signal.aborted; n++) {
            yield n
            await Bun.sleep(20)
          }
        },
        render: (n) => {
          if (n === 3) throw new Error('boom')
          return `${n}`
        },
      },
    ],
  ]
  for (const [what, stream] of failures) {
    test(`C-11 ${what} gives an error fragment and the end, and is reported; other streams go on`, async () => {
      const on = serve()
      declare(on.hub)
      jobs(on, stream)
      const other = await connect(`${on.url}/stream?topic=room:1`)
      const client = await connect(`${on.url}/stream/job/s?id=1`)
      await client.until(() => client.ended)
      expect(client.events.at(-2)).toMatchObject({ name: 'job:1:s' })
      expect(client.events.at(-2)?.data).toContain('role="alert"')
      expect(client.events.at(-1)?.name).toBe('done')
      expect(on.errors.map(String)).toEqual(['Error: boom'])
      await on.hub.publish('room:1', 'goes on')
      await other.until(() => other.events.length === 1)
    })
  }

  test('C-11 are started again for who comes after a failure', async () => {
    const on = serve()
    let starts = 0
    jobs(on, {
      source: async function* () {
        yield ++starts
        if (starts === 1) throw new Error('boom')
      },
    })
    for (const turn of [1, 2]) {
      const client = await connect(`${on.url}/stream/job/s?id=1`)
      await client.until(() => client.ended)
      expect(starts).toBe(turn)
    }
  })

  test('C-11 are started again for who comes after a failure, also while another connection names it', async () => {
    const on = serve()
    let starts = 0
    const manager = jobs(on, {
      source: async function* () {
        yield ++starts
        if (starts === 1) throw new Error('boom')
      },
    })
    manager.register({ name: 'other', kind: 'log', render: (line: string) => line })
    const both = await connect(`${on.url}/stream/job?id=1`)
    await both.until(() => both.raw.includes('role="alert"'))
    const late = await connect(`${on.url}/stream/job/s?id=1`)
    await late.until(() => late.ended)
    expect(starts).toBe(2)
  })

  test('C-12 run once for all viewers; who comes later gets no line twice and misses none', async () => {
    const on = serve({ limits: { grace: 50 } })
    const starts: string[] = []
    declare(on.hub, (id) => starts.push(id))
    const clients: Client[] = []
    for (let i = 0; i < 5; i++) {
      const client = await connect(`${on.url}/stream/tick/lines?id=1`)
      clients.push(client)
      await client.until(() => shown(client).length >= 10 * (i + 1))
    }
    const [first] = clients as [Client]
    await first.until(() => first.ended, 20_000)
    for (const client of clients) {
      await client.until(() => client.ended)
      expect(shown(client)).toEqual(numbers(1, 300))
    }
    expect(starts).toEqual(['1'])
  })

  test('C-12 stop after the last viewer and go on after the last kept item', async () => {
    const on = serve({ limits: { grace: 30 } })
    const starts: string[] = []
    declare(on.hub, (id) => starts.push(id))
    const first = await connect(`${on.url}/stream/tick/lines?id=1`)
    await first.until(() => first.events.length >= 20)
    first.cut()
    const leases = on.hub.db.$client.query('select * from hw_lease')
    await settled(() => leases.all().length === 0)
    const stood = on.hub.cursor()
    await Bun.sleep(90)
    expect(on.hub.cursor()).toBe(stood)
    const again = await connect(`${on.url}/stream/tick/lines?id=1`, {
      lastEventId: first.lastEventId,
    })
    await again.until(() => again.ended, 20_000)
    expect([...texts(first), ...texts(again)]).toEqual(numbers(1, 300))
    expect(starts).toEqual(['1', '1'])
  })

  test('C-12 run once, also when a topic is written in another encoding', async () => {
    const on = serve()
    const starts: string[] = []
    declare(on.hub, (id) => starts.push(id))
    await connect(`${on.url}/stream?topic=tick:42:lines`)
    const odd = await connect(`${on.url}/stream?topic=${encodeURIComponent('tick:%34%32:lines')}`)
    await settled(() => starts.length > 0)
    await Bun.sleep(30)
    expect(starts).toEqual(['42'])
    expect([200, 400]).toContain(odd.status)
  })

  test('C-12 begin again for a viewer who comes while a stopped run still renders', async () => {
    const on = serve({ limits: { grace: 10 } })
    const gate = Promise.withResolvers<void>()
    const starts: string[] = []
    jobs(on, {
      source: async function* (id, { signal }) {
        starts.push(id)
        yield starts.length
        await forever(signal)
      },
      render: async (n) => {
        if (n === 1) await gate.promise
        return `<li>${n}</li>`
      },
    })
    const first = await connect(`${on.url}/stream/job/s?id=1`)
    await settled(() => starts.length === 1)
    first.cut()
    await settled(() => on.hub.stats().active === 0)
    await Bun.sleep(40)
    const second = await connect(`${on.url}/stream/job/s?id=1`)
    gate.resolve()
    await second.until(() => shown(second).includes('2'))
  })
})

/** The lines a page would show: a snapshot sets them, an item adds one. */
function shown(client: Client): string[] {
  return client.events
    .filter(({ name }) => name !== 'done')
    .flatMap(({ data }) =>
      [...data.matchAll(/<li[^>]*>([^<]+)<\/li>/g)].map((found) => found[1] ?? ''),
    )
}
