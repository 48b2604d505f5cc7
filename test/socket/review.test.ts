/**
 * What a review of the engine found, shown over real sockets: catching up, ends and new beginnings, several
 * hubs on one file, who may follow what.
 */

import { heapStats } from 'bun:jsc'
import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Hub, type ManagerOptions, MultiStreamManager } from 'headwater'
import { memoryLog } from 'headwater/log'
import { type Client, connect } from '../support/client'
import { cleanUp, type Site, serve, serveElysia, settled, temporary } from '../support/serve'

setDefaultTimeout(20_000)
const closing: (() => unknown)[] = []
afterEach(async () => {
  await cleanUp()
  for (const close of closing.splice(0).reverse()) await close()
})

interface Job {
  id: string
  note?: string
}

/** A stream of items of any type; `Source<unknown>` would take the types of a function's parameters away. */
interface Stream {
  kind: 'log' | 'state' | 'signal'
  source: ((id: string, context: { signal: AbortSignal }) => unknown) | object
  timeout: number
  render: (item: unknown) => unknown
  final: (entity: Job) => unknown
}

/** A manager of jobs with one stream, `s`. */
function jobs(hub: Hub, stream: Partial<Stream>, options: Partial<ManagerOptions<Job>> = {}) {
  return new MultiStreamManager<Job>(hub, {
    name: 'job',
    getEntity: (id) => ({ id }),
    guard: 'public',
    ...options,
  }).register<'s', unknown>({
    name: 's',
    kind: 'log',
    render: (item) => `<li>${item}</li>`,
    ...(stream as object),
  })
}

const live = (client: Client) => client.until(() => client.lastEventId !== '')
const forever = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
const names = ({ events }: Client) => events.map(({ name }) => name)
/** What the slot of a topic of kind state shows. */
const shown = ({ events }: Client, topic: string) =>
  events.filter(({ name }) => name === topic).at(-1)?.data
const leases = (hub: Hub) => () => hub.db.$client.query('select * from hw_lease').all().length

/**
 * How long the event loop was held up at the longest, from now on, in milliseconds. Counted is the time in
 * which this process worked, not that in which the machine had others to serve.
 */
function held() {
  let wall = performance.now()
  let cpu = process.cpuUsage()
  let longest = 0
  const look = () => {
    const now = performance.now()
    const { user, system } = process.cpuUsage(cpu)
    longest = Math.max(longest, Math.min(now - wall, (user + system) / 1_000))
    wall = now
    cpu = process.cpuUsage()
  }
  const timer = setInterval(look, 1)
  closing.push(() => clearInterval(timer))
  return () => {
    look()
    return longest
  }
}

/** A source that says how often it was started, and then waits. */
function counted() {
  const starts: string[] = []
  const source = async function* (id: string, { signal }: { signal: AbortSignal }) {
    starts.push(id)
    yield `start ${starts.length}`
    await forever(signal)
  }
  return { starts, source }
}

describe('catching up', () => {
  test('H-07 of 600 events of 100 KB takes no longer than their bytes, and lets others have their turns', async () => {
    const on = serve({ database: temporary() })
    on.hub.topic('big', { guard: 'public' })
    const since = on.hub.cursor()
    const data = 'x'.repeat(100_000)
    for (let n = 0; n < 600; n += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_, i) => on.hub.publish('big', `${n + i}${data}`)),
      )
    }
    const longest = held()
    const client = await connect(`${on.url}/stream?topic=big&since=${since}`)
    await client.until(() => client.events.length === 600, 15_000)
    expect(longest()).toBeLessThan(300)
    expect(client.events.map((event) => Number.parseInt(event.data, 10))).toEqual(
      Array.from({ length: 600 }, (_, n) => n),
    )
  })

  test('H-07 of a pattern does not read what other topics got meanwhile', async () => {
    const on = serve({ database: temporary() })
    const manager = jobs(on.hub, { kind: 'state', render: (item) => `${item}` })
    await manager.publish('1', 's', 'old')
    const since = on.hub.cursor()
    on.hub.db.$client.run(
      `with recursive n(i) as (select 1 union all select i + 1 from n where i < 150000)
       insert into hw_event (topic, kind, form, key, data, at)
       select 'chat:' || (i % 600) || ':lines', 'log', 'slot', null, hex(zeroblob(100)), ?1 from n`,
      [Date.now()],
    )
    await manager.publish('1', 's', 'new')
    await Bun.sleep(20)
    const longest = held()
    const client = await connect(`${on.url}/stream/job?all&since=${since}`)
    await live(client)
    expect(client.events.map(({ data }) => data)).toEqual(['new'])
    expect(longest()).toBeLessThan(100)
  })
})

describe('a source', () => {
  test('C-12 of kind state keeps nothing of the items that were superseded', async () => {
    const on = serve()
    const parked = Promise.withResolvers<void>()
    jobs(on.hub, {
      kind: 'state',
      source: async function* (_, { signal }) {
        for (let n = 1; n <= 100_000; n++) {
          yield n
          if (n % 500 === 0) await Bun.sleep(0)
        }
        parked.resolve()
        await forever(signal)
      },
      render: (item) => `${item}`,
    })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await live(client)
    const before = objects()
    await parked.promise
    await client.until(() => shown(client, 'job:1:s') === '100000')
    const after = objects()
    expect(after.arrays - before.arrays).toBeLessThan(20_000)
    expect(after.promises - before.promises).toBeLessThan(20_000)
  })

  const badly: [string, (n: number) => unknown, Partial<Stream>, string][] = [
    ['C-04 that is late', (n) => n, { timeout: 150 }, 'data'],
    [
      'C-11 that fails',
      (n) => {
        if (n === 20) throw new Error('boom')
        return n
      },
      {},
      'role="alert"',
    ],
  ]
  for (const [how, item, more, shows] of badly) {
    test(`${how} while its renders are slow ends with done, ten of ten`, async () => {
      const on = serve()
      const manager = jobs(on.hub, {
        kind: 'state',
        source: async function* () {
          for (let n = 0; ; n++) {
            yield item(n)
            await Bun.sleep(1)
          }
        },
        render: (value) => Bun.sleep(3).then(() => `${value}`),
        ...more,
      })
      const ids = Array.from({ length: 10 }, (_, i) => String(i))
      const clients = await Promise.all(
        ids.map((id) => connect(`${on.url}${manager.address([id], 's')}`)),
      )
      for (const client of clients) {
        await client.until(() => client.ended, 10_000)
        expect(names(client).at(-1)).toBe('done')
        expect(client.raw).toContain(shows)
      }
    })
  }

  test('C-11 whose failure can not be rendered gives the default and the end, and both are reported', async () => {
    const on = serve()
    jobs(
      on.hub,
      {
        source: () => {
          throw new Error('boom')
        },
      },
      {
        failed: () => {
          throw new Error('in failed()')
        },
      },
    )
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.ended)
    expect(client.events[0]?.data).toContain('role="alert"')
    expect(names(client)).toEqual(['job:1:s', 'done'])
    expect(on.errors.map(String).toSorted()).toEqual(['Error: boom', 'Error: in failed()'])
  })

  test('C-11 whose failure is said with more than an event may hold ends all the same', async () => {
    const on = serve({ limits: { event: 4_000 } })
    jobs(
      on.hub,
      {
        source: () => {
          throw new Error('boom')
        },
      },
      { failed: () => 'x'.repeat(5_000) },
    )
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.ended, 1_000)
    expect(names(client).at(-1)).toBe('done')
  })

  // `finish` stops the sources before it asks for the entity, and starts none again when that fails.
  test('C-23 goes on for its viewers when its entity can not be read in finish', async () => {
    const on = serve()
    let away = false
    const manager = jobs(
      on.hub,
      {
        source: async function* (_, { signal }) {
          for (let n = 1; !signal.aborted; n++) {
            yield n
            await Bun.sleep(5)
          }
        },
      },
      {
        getEntity: (id) => {
          if (away) throw new Error('the database is away')
          return { id }
        },
      },
    )
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.events.length > 1)
    away = true
    await expect(manager.finish('1')).rejects.toThrow('away')
    away = false
    const { length } = client.events
    await client.until(() => client.events.length > length + 5, 1_000)
  })

  test('C-23 may finish its own entity', async () => {
    const on = serve()
    let active = true
    const manager = jobs(
      on.hub,
      {
        kind: 'state',
        source: async function* (id) {
          yield 'at work'
          active = false
          await manager.finish(id)
        },
        render: (item) => `${item}`,
        final: () => 'done',
      },
      { isActive: () => active },
    )
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.ended)
    expect(names(client).at(-1)).toBe('done')
    expect(shown(client, 'job:1:s')).toBe('done')
  })

  test('C-12 runs once, also when the app has a topic of its own below the stream’s', async () => {
    const on = serve({ limits: { grace: 10 } })
    const { starts, source } = counted()
    const manager = jobs(on.hub, { source })
    const first = await connect(`${on.url}${manager.address(['1'])}`)
    await first.until(() => first.events.length === 1)
    const other = await connect(`${on.url}${on.hub.address(['job:1:s:comments'])}`)
    await live(other)
    await on.hub.publish('job:1:s:comments', 'a comment')
    await other.until(() => other.events.length === 1)
    expect(starts).toEqual(['1'])
    const { items } = await on.hub.history('job:1:s')
    expect(items.length).toBe(1)
  })

  test('C-12 is stopped where its lease was lost, and waits for it again as long as somebody looks on', async () => {
    const on = serve({ database: temporary(), limits: { lease: 600 } })
    const other = serve({ database: on.hub.db.$client.filename })
    const { starts, source } = counted()
    const signals: AbortSignal[] = []
    jobs(on.hub, {
      source: (id, context) => {
        signals.push(context.signal)
        return source(id, context)
      },
    })
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.events.length === 1)
    // As another process does that thinks this one is dead, while it is held up.
    const { $client } = on.hub.db
    $client
      .query('update hw_lease set node = ?, until = ?')
      .run(other.hub.registry.node, Date.now() + 60_000)
    await settled(() => signals[0]?.aborted)
    expect(client.ended).toBe(false)
    $client.run('delete from hw_lease')
    await settled(() => starts.length === 2, 3_000)
  })
})

function objects() {
  Bun.gc(true)
  const { objectTypeCounts } = heapStats()
  return { arrays: objectTypeCounts.Array ?? 0, promises: objectTypeCounts.Promise ?? 0 }
}

describe('the end of an entity', () => {
  const finals: [string, Stream['final']][] = [
    [
      'throws',
      () => {
        throw new Error('final broke')
      },
    ],
    ['rejects', () => Promise.reject(new Error('final broke'))],
    ['takes longer than a render may', () => new Promise(() => {})],
    ['gives more than an event may hold', () => 'x'.repeat(5_000)],
  ]
  for (const [how, final] of finals) {
    test(`C-11 C-23 comes also when its final render ${how}`, async () => {
      const on = serve({ limits: { render: 100, event: 4_000 } })
      let active = true
      const manager = jobs(
        on.hub,
        { kind: 'state', render: () => 'x', final },
        { isActive: () => active },
      )
      const client = await connect(`${on.url}/stream/job/s?id=1`)
      await live(client)
      active = false
      await manager.finish('1').catch((error) => on.errors.push(error))
      await client.until(() => client.ended, 1_000)
      expect(names(client).at(-1)).toBe('done')
      expect(shown(client, 'job:1:s')).toContain('role="alert"')
      expect(on.errors.length).toBe(1)
    })
  }

  test('C-23 shows its final content where another process finishes it while its source runs here', async () => {
    const database = temporary()
    let active = true
    const make = () => {
      const on = serve({ database })
      const manager = jobs(
        on.hub,
        {
          kind: 'state',
          source: async function* (_, { signal }) {
            for (let n = 0; !signal.aborted; n++) {
              yield n
              await Bun.sleep(3)
            }
          },
          render: (item) => `running ${item}`,
          final: () => 'FINAL',
        },
        { isActive: () => active },
      )
      return { on, manager }
    }
    const [a, b] = [make(), make()]
    for (const id of ['1', '2', '3', '4', '5']) {
      active = true
      const topic = b.manager.topic(id, 's')
      const all = await connect(`${b.on.url}/stream/job?all`)
      const one = await connect(`${b.on.url}/stream/job/s?id=${id}`)
      await one.until(() => one.events.length > 3)
      active = false
      await a.manager.finish(id)
      await one.until(() => one.ended)
      await settled(() => leases(b.on.hub)() === 0)
      await all.until(() => shown(all, topic) === 'FINAL')
      await Bun.sleep(40)
      expect([shown(one, topic), shown(all, topic)]).toEqual(['FINAL', 'FINAL'])
      all.cut()
    }
  })

  test('C-23 shows the entity’s final render, even if the last item of its source was another', async () => {
    const on = serve()
    let job: Job & { active: boolean } = { id: '1', note: 'at work', active: true }
    const seen: Job[] = [
      { id: '1', note: 'done' },
      { id: '1', note: 'almost done' },
    ]
    const manager = jobs(
      on.hub,
      {
        kind: 'state',
        source: async function* (_, { signal }) {
          yield job
          yield* seen
          await forever(signal)
        },
        render: (item) => (item as Job).note,
      },
      { getEntity: () => job, isActive: (entity) => (entity as typeof job).active },
    )
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => shown(client, 'job:1:s') === 'almost done')
    job = { id: '1', note: 'done', active: false }
    await manager.finish('1')
    await client.until(() => client.ended)
    expect(shown(client, 'job:1:s')).toBe('done')
    const late = await connect(`${on.url}/stream/job/s?id=1`)
    await late.until(() => late.ended)
    expect(shown(late, 'job:1:s')).toBe('done')
  })

  test('C-11 C-23 comes also when neither its final render nor what says so can be sent', async () => {
    const on = serve({ limits: { event: 4_000 } })
    let active = true
    const manager = jobs(
      on.hub,
      { kind: 'state', render: () => 'x', final: () => 'x'.repeat(5_000) },
      { isActive: () => active, failed: () => 'y'.repeat(5_000) },
    )
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await live(client)
    active = false
    await manager.finish('1').catch(() => {})
    await client.until(() => client.ended, 1_000)
    expect(names(client).at(-1)).toBe('done')
  })

  test('C-23 shows the entity’s final render, even if what is published meanwhile is held by its pace', async () => {
    const on = serve({ limits: { pace: 300 } })
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    let finishing = false
    const manager = jobs(
      on.hub,
      { kind: 'state', render: (item) => (item as Job).note },
      {
        getEntity: async (id) => {
          if (finishing) {
            asked.resolve()
            await answer.promise
          }
          return { id, note: 'done' }
        },
        isActive: () => !finishing,
      },
    )
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await live(client)
    await manager.publish('1', 's', { id: '1', note: 'done' })
    finishing = true
    const finished = manager.finish('1')
    await asked.promise
    const late = manager.publish('1', 's', { id: '1', note: 'almost done' })
    answer.resolve()
    await Promise.all([finished, late])
    await client.until(() => client.ended)
    expect(shown(client, 'job:1:s')).toBe('done')
  })
})

describe('a new beginning', () => {
  test('of a signal that had ended is one for who comes later too', async () => {
    const on = serve()
    on.hub.topic('sig', { kind: 'signal', guard: 'public' })
    await on.hub.publish('sig', 'a')
    await on.hub.end('sig')
    await on.hub.publish('sig', 'b')
    const client = await connect(`${on.url}/stream?topic=sig`)
    await live(client)
    await on.hub.publish('sig', 'c')
    await client.until(() => client.events.length === 1)
    expect(client.events.map(({ name, data }) => [name, data])).toEqual([['sig', 'c']])
  })

  test('C-23 of an entity without a source is the app’s word, before anything is published', async () => {
    const on = serve()
    let active = true
    const manager = jobs(on.hub, {}, { isActive: () => active })
    active = false
    await manager.finish('1')
    active = true
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await live(client)
    await manager.publish('1', 's', 'again')
    await client.until(() => client.events.length === 1)
    expect(names(client)).toEqual(['job:1:s'])
  })

  const ways: [string, (manager: ReturnType<typeof jobs>) => Promise<void>][] = [
    ['finish', (manager) => manager.finish('1')],
    ['stop', (manager) => manager.stop('1')],
  ]
  for (const kind of ['log', 'state'] as const) {
    for (const [way, over] of ways) {
      test(`C-12 after ${way}, begin starts the source of kind ${kind} for who is still there and for who comes`, async () => {
        const on = serve()
        const { starts, source } = counted()
        const manager = jobs(on.hub, { kind, source, final: () => 'final' })
        // Another entity keeps the connection open.
        const still = await connect(`${on.url}/stream/job/s?id=1&id=2`)
        await still.until(() => still.events.length === 2)
        await over(manager)
        await settled(() => leases(on.hub)() === 1)
        const ended = await connect(`${on.url}/stream/job/s?id=1`)
        await ended.until(() => ended.ended)
        await manager.begin('1')
        await settled(() => starts.length === 3)
        await still.until(() => still.raw.includes('start 3'))
        const late = await connect(`${on.url}/stream/job/s?id=1`)
        await late.until(() => late.raw.includes('start 3'))
        expect([still.ended, late.ended, starts.length]).toEqual([false, false, 3])
      })

      test(`C-12 begin straight after ${way} counts, while the old run of kind ${kind} is still stopping`, async () => {
        const on = serve()
        const { starts, source } = counted()
        const manager = jobs(on.hub, { kind, source, final: () => 'final' })
        const still = await connect(`${on.url}/stream/job/s?id=1&id=2`)
        await still.until(() => still.events.length === 2)
        await over(manager)
        await manager.begin('1')
        await settled(() => starts.length === 3, 1_000)
        await Bun.sleep(50)
        expect(await on.hub.log.ended([manager.topic('1', 's')])).toEqual([])
      })
    }
  }

  test('C-12 begin starts the source for a new viewer, when nobody was there', async () => {
    const on = serve()
    const { starts, source } = counted()
    const manager = jobs(on.hub, { source })
    await manager.stop('1')
    await manager.begin('1')
    expect(starts).toEqual([])
    const client = await connect(`${on.url}/stream/job/s?id=1`)
    await client.until(() => client.events.length === 1)
    expect(starts).toEqual(['1'])
  })

  test('C-12 begin in one process starts the source for who is still there in another', async () => {
    const database = temporary()
    const [a, b] = [serve({ database }), serve({ database })]
    const { starts, source } = counted()
    const manager = jobs(a.hub, { source })
    jobs(b.hub, { source })
    const still = await connect(`${b.url}/stream/job/s?id=1&id=2`)
    await still.until(() => still.events.length === 2)
    await manager.stop('1')
    await settled(() => leases(b.hub)() === 1)
    await manager.begin('1')
    await settled(() => starts.length === 3, 1_000)
  })

  test('C-12 begin straight after stop in one process leaves the source running in another', async () => {
    const database = temporary()
    const [a, b] = [serve({ database }), serve({ database })]
    const { source } = counted()
    const manager = jobs(a.hub, { source })
    jobs(b.hub, { source })
    const still = await connect(`${b.url}/stream/job/s?id=1&id=2`)
    await still.until(() => still.events.length === 2)
    await manager.stop('1')
    await manager.begin('1')
    await Bun.sleep(100)
    expect(await a.hub.log.ended([manager.topic('1', 's')])).toEqual([])
    await settled(() => leases(b.hub)() === 2, 1_000)
  })
})

describe('several hubs', () => {
  test('on one log: closing one leaves the other alive', async () => {
    const log = memoryLog()
    const [a, b] = [serve({ log }), serve({ log })]
    b.hub.topic('t', { guard: 'public' })
    const client = await connect(`${b.url}/stream?topic=t`)
    await live(client)
    await a.hub.publish('t', 'from the other')
    await client.until(() => client.events.length === 1)
    await a.stop()
    await b.hub.publish('t', 'after its close')
    await client.until(() => client.events.length === 2)
    expect(client.events.map(({ data }) => data)).toEqual(['from the other', 'after its close'])
  })

  test('on one Database object hear each other; closing one leaves the other alive', async () => {
    const database = new Database(temporary(), { create: true, strict: true })
    closing.push(() => database.close())
    const [a, b] = [serve({ database }), serve({ database })]
    for (const { hub } of [a, b]) hub.topic('t', { guard: 'public' })
    const [atA, atB] = [
      await connect(`${a.url}/stream?topic=t`),
      await connect(`${b.url}/stream?topic=t`),
    ]
    await Promise.all([live(atA), live(atB)])
    const ids = [await a.hub.publish('t', 'of a'), await b.hub.publish('t', 'of b')]
    for (const client of [atA, atB]) {
      await client.until(() => client.events.length === 2)
      expect(client.events.map(({ id, data }) => [id, data])).toEqual([
        [ids[0] as string, 'of a'],
        [ids[1] as string, 'of b'],
      ])
    }
    await a.stop()
    await b.hub.publish('t', 'b lives')
    await atB.until(() => atB.events.length === 3)
    const third = serve({ database })
    await third.hub.publish('t', 'of a third')
    await atB.until(() => atB.events.length === 4)
  })
})

describe('a drain', () => {
  test('H-09 comes to its end while somebody goes on publishing', async () => {
    const on = serve()
    on.hub.topic('t', { guard: 'public' })
    const client = await connect(`${on.url}/stream?topic=t`)
    await live(client)
    const publish = () =>
      on.hub.publish('t', () => Bun.sleep(30).then(() => 'x')).catch(() => undefined)
    const timer = setInterval(publish, 10)
    closing.push(() => clearInterval(timer))
    await client.until(() => client.events.length > 2)
    let drained = false
    on.hub.drain({ within: 200 }).then(() => {
      drained = true
    })
    await settled(() => drained)
    await client.until(() => client.ended)
  })
})

describe('who may follow', () => {
  /** A page’s address out of its markup. */
  const addressIn = (html: string) => /data-to="([^"]+)"/.exec(html)?.[1] ?? ''
  const viewer = (request: Request) => request.headers.get('x-user')
  const status = async (on: Site, path: string, user?: string) =>
    (await connect(`${on.url}${path}`, user ? { headers: { 'x-user': user } } : {})).status

  test('C-28 an address in what is broadcast is good for all readers, whoever’s request made it', async () => {
    const on = serve({ viewer })
    const manager = jobs(on.hub, {
      kind: 'state',
      render: () => `<a data-to="${on.hub.address(['log:1'])}">`,
    })
    const request = new Request('http://localhost/', { headers: { 'x-user': 'alice' } })
    const own = await on.hub.page(request, async () => {
      await manager.publish('1', 's', 'x')
      await Promise.all([
        manager.publish('2', 's', Bun.sleep(1)),
        manager.publish('2', 's', 'in its turn'),
      ])
      return on.hub.address(['log:1'])
    })
    for (const id of ['1', '2']) {
      const { items } = await on.hub.history(`job:${id}:s`)
      const to = addressIn(items[0]?.html ?? '')
      expect([await status(on, to, 'alice'), await status(on, to, 'bob')]).toEqual([200, 200])
    }
    expect([await status(on, own, 'alice'), await status(on, own, 'bob')]).toEqual([200, 403])
  })

  test('C-28 an address in what a source renders is good for all, whoever’s page began it', async () => {
    const on = serve({ viewer })
    const manager = jobs(on.hub, {
      kind: 'state',
      source: async function* (_, { signal }) {
        yield on.hub.address(['log:1'])
        await forever(signal)
      },
      render: (item) => `<a data-to="${item}">`,
    })
    const all = await connect(`${on.url}/stream/job?all`, { headers: { 'x-user': 'bob' } })
    await live(all)
    await on.hub.page(new Request('http://localhost/', { headers: { 'x-user': 'alice' } }), () =>
      manager.element('1', 's', { connect: false }),
    )
    await all.until(() => all.events.length === 1)
    expect(await status(on, addressIn(all.events[0]?.data ?? ''), 'bob')).toBe(200)
  })

  test('C-28 a page of an error that holds an address is private, too', async () => {
    const on = serveElysia({}, (app, hub) => {
      const html = (to: string) =>
        new Response(`<a data-to="${to}">`, { headers: { 'content-type': 'text/html' } })
      app
        .onError(({ set }) => {
          set.status = 404
          return `<a data-to="${hub.address(['room:1'])}">`
        })
        .get('/page', () => `<a data-to="${hub.address(['room:1'])}">`)
        .get('/response', () => html(hub.address(['room:1'])))
        .get('/plain', () => 'nothing live')
    })
    const paths = ['/page', '/response', '/nope', '/plain']
    const answers = await Promise.all(paths.map((path) => fetch(on.url + path)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 200])
    expect(answers.map(({ headers }) => headers.get('cache-control'))).toEqual([
      ...Array(3).fill('private, no-store'),
      null,
    ])
  })

  test('C-28 a viewer function that throws leaves pages without addresses alone, and fails those with', async () => {
    const on = serveElysia(
      {
        viewer: () => {
          throw new Error('bad cookie')
        },
      },
      (app, hub) => {
        app
          .onError(({ error }) => String(error))
          .get('/plain', () => 'nothing live')
          .get('/live', () => hub.address(['room:1']))
      },
    )
    const [plain, page] = await Promise.all([fetch(`${on.url}/plain`), fetch(`${on.url}/live`)])
    expect([plain.status, await plain.text()]).toEqual([200, 'nothing live'])
    expect(page.status).toBe(500)
    expect(await page.text()).not.toContain('sig=')
  })

  test('C-28 a wide public topic that was declared before does not open the topics of a signed manager', async () => {
    const on = serve()
    on.hub.topic('**', { kind: 'log', guard: 'public' })
    const manager = jobs(on.hub, { kind: 'state' }, { guard: 'signed' })
    await manager.publish('1', 's', 'secret')
    expect(await status(on, '/stream?topic=job:1:s')).toBe(403)
    expect(await status(on, '/stream/job?id=1')).toBe(403)
    expect(await status(on, '/stream?topic=room:1')).toBe(200)
    expect(on.hub.kindOf('job:1:s')).toBe('state')
    const client = await connect(`${on.url}${manager.address(['1'])}`)
    await live(client)
    expect(shown(client, 'job:1:s')).toBe('<li>secret</li>')
  })

  test('C-28 nor that of its patches', async () => {
    const on = serve()
    on.hub.topic('**', { kind: 'log', guard: 'public' })
    jobs(on.hub, { kind: 'state' }, { guard: 'signed' })
    expect(await status(on, '/stream?topic=job:1:patch')).toBe(403)
  })
})
