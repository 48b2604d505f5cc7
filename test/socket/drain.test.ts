/**
 * H-09, the orderly end: of a real process on SIGTERM, and of a hub by its own word. `DRAIN_CLIENTS=5000` has the
 * first test run with so many clients; each needs a file handle here and one there.
 */
import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, connect } from '../support/client'
import { startNode } from '../support/node'
import { endPrograms, Program } from '../support/program'
import { cleanUp, declare, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(120_000)
afterEach(async () => {
  await endPrograms()
  await cleanUp()
})

const many = Number(process.env.DRAIN_CLIENTS ?? 1_000)
const seqOf = (id: string) => Number(id.slice(id.lastIndexOf('.') + 1))
const live = (client: Client) => client.until(() => client.lastEventId !== '', 30_000)

/** The largest part of the times that falls into one slice of so many milliseconds. */
function crowd(times: number[], slice: number): number {
  const counts = new Map<number, number>()
  for (const time of times) {
    const at = Math.floor(time / slice)
    counts.set(at, (counts.get(at) ?? 0) + 1)
  }
  return Math.max(...counts.values()) / times.length
}

/** Opens so many, some at a time, as the queue of the listening socket is short. */
async function crowdOf(url: string, count: number): Promise<Client[]> {
  const clients: Client[] = []
  while (clients.length < count) {
    const some = Math.min(100, count - clients.length)
    clients.push(...(await Promise.all(Array.from({ length: some }, () => connect(url)))))
  }
  await Promise.all(clients.map(live))
  return clients
}

describe('SIGTERM', () => {
  test(`H-09 ends ${many} clients in slices and exits in time with 0; they lose nothing at the next process, which goes on publishing`, async () => {
    const database = temporary()
    const within = many > 1_000 ? 5_000 : 2_000
    const limits = { perAddress: 20_000, retry: [200, 1_200] as const, replay: 100_000 }
    const [old, next] = await Promise.all([
      startNode({ database, limits, within }),
      startNode({ database, limits }),
    ])
    const clients = await crowdOf(`${old.url}/stream?topic=room:0&topic=room:1`, many)
    const callers = { count: 2, from: 1, pause: 80 }
    old.node.tell({ callers: { ...callers, confirmed: `${database}.old` } })
    // The same callers, so other numbers.
    next.node.tell({ callers: { ...callers, confirmed: `${database}.next`, from: 100_001 } })
    await Promise.all(clients.map((client) => client.until(() => client.events.length > 3, 30_000)))

    const ends: number[] = []
    const returns: number[] = []
    const returned = clients.map(async (client) => {
      await client.until(() => client.ended, within + 10_000)
      const at = performance.now()
      const retry = client.retry as number
      ends.push(at)
      returns.push(at + retry)
      // As a browser does it.
      await Bun.sleep(retry)
      const url = `${next.url}/stream?topic=room:0&topic=room:1`
      const again = await connect(url, { lastEventId: client.lastEventId })
      return { again, before: client.events }
    })
    const began = performance.now()
    old.node.signal('SIGTERM')
    const code = await old.node.end(within + 10_000)
    const took = performance.now() - began
    const all = await Promise.all(returned)
    expect(code).toBe(0)
    expect(took).toBeLessThan(within + 2_000)
    expect(old.node.said.findLast((said) => 'drained' in said)).toBeDefined()

    // They end and come back spread over the time, not at once.
    expect(ends).toHaveLength(many)
    expect(Math.max(...ends) - Math.min(...ends)).toBeGreaterThan(within * 0.6)
    expect(crowd(ends, 100)).toBeLessThan(0.2)
    expect(crowd(returns, 100)).toBeLessThan(0.2)
    expect(new Set(clients.map(({ retry }) => retry)).size).toBeGreaterThan(Math.min(300, many / 3))

    await Bun.sleep(300)
    next.node.tell({ publish: ['room:0', 'last'] })
    await Promise.all(
      all.map(({ again }) =>
        again.until(() => again.events.some(({ data }) => data === 'last'), 60_000),
      ),
    )
    const reader = new Database(database, { readonly: true })
    const kept = reader
      .query<{ seq: number; data: string }, []>(
        "select seq, data from hw_event where topic in ('room:0', 'room:1') and kind = 'log' order by seq",
      )
      .all()
    reader.close()
    const until = kept.findIndex(({ data }) => data === 'last') + 1
    const inOrder = kept.slice(0, until).map(({ data }) => data)
    const faults = all.filter(({ again, before }) => {
      const got = [...before, ...again.events].map(({ data }) => data)
      // From its first event on exactly what is kept: nothing is lost, doubled or out of order.
      const from = inOrder.indexOf(got[0] as string)
      const upTo = got.indexOf('last') + 1
      return from < 0 || !Bun.deepEquals(got.slice(0, upTo), inOrder.slice(from))
    })
    expect(faults.length).toBe(0)
    // And what the process that went had confirmed is part of it, up to its very end.
    const ids = new Set(kept.map(({ seq }) => seq))
    const confirmed = readFileSync(`${database}.old`, 'utf8').trim().split('\n')
    const lost = confirmed.filter((line) => {
      const [, , topic, id = ''] = line.split(' ')
      return topic?.startsWith('room:') && !ids.has(seqOf(id))
    })
    expect(lost).toEqual([])
  })

  test('H-09 keeps and sends what is being published, a slow render and a held state too', async () => {
    const database = temporary()
    const { node, url } = await startNode({ database, within: 1_500 })
    const client = await connect(`${url}/stream?topic=room:1&topic=cell:1`)
    await live(client)
    node.tell({ slow: ['room:1', 'slow', 400] })
    node.tell({ publish: ['cell:1', 'first'] })
    node.tell({ publish: ['cell:1', 'held'] })
    await client.until(() => client.events.some(({ data }) => data === 'first'))
    node.signal('SIGTERM')
    await client.until(() => client.ended)
    expect(client.events.map(({ data }) => data)).toContain('slow')
    expect(client.events.map(({ data }) => data)).toContain('held')
    expect(await node.end()).toBe(0)
    const { url: next } = await startNode({ database })
    const later = await connect(`${next}/stream?topic=room:1&topic=cell:1`)
    await later.until(() => later.raw.includes('slow') && later.raw.includes('held'))
  })

  test('H-09 refuses who comes meanwhile with 503 and a jittered Retry-After', async () => {
    const { node, url } = await startNode({ database: temporary(), within: 1_500 })
    const clients = await crowdOf(`${url}/stream?topic=room:1`, 20)
    node.signal('SIGTERM')
    await clients[0]?.until(() => clients.some(({ ended }) => ended))
    const late = await Promise.all(
      Array.from({ length: 20 }, () => connect(`${url}/stream?topic=room:1`)),
    )
    expect(new Set(late.map(({ status }) => status))).toEqual(new Set([503]))
    const after = late.map(({ headers }) => Number(headers['retry-after']))
    expect(after.every((seconds) => Number.isInteger(seconds) && seconds >= 1)).toBe(true)
    expect(new Set(after).size).toBeGreaterThan(1)
    expect(await node.end()).toBe(0)
  })

  test('H-09 is not held up by a client that does not read', async () => {
    const { node, url } = await startNode({ database: temporary(), within: 500 })
    const stuck = await connect(`${url}/stream?topic=room:1`)
    const healthy = await connect(`${url}/stream?topic=room:2`)
    await Promise.all([live(stuck), live(healthy)])
    stuck.pause()
    // More than the kernel takes of one connection.
    const big = 'x'.repeat(200_000)
    for (let n = 0; n < 60; n++) node.tell({ publish: ['room:1', big] })
    await node.until(({ said }) => said.filter((one) => 'done' in one).length === 60)
    const began = performance.now()
    node.signal('SIGTERM')
    await healthy.until(() => healthy.ended)
    expect(await node.end()).toBe(0)
    expect(performance.now() - began).toBeLessThan(2_500)
  })
})

describe('hub.drain', () => {
  test('H-09 is over at once when nobody is connected', async () => {
    const { hub } = serve()
    const began = performance.now()
    await hub.drain()
    expect(performance.now() - began).toBeLessThan(100)
    await hub.drain()
    hub.close()
    await hub.drain()
  })

  test('H-09 called again is the same drain', async () => {
    const on = serve({ limits: { perAddress: 1_000 } })
    declare(on.hub)
    const clients = await crowdOf(`${on.url}/stream?topic=room:1`, 40)
    const ends: number[] = []
    for (const client of clients) {
      void client.until(() => client.ended).then(() => ends.push(performance.now()))
    }
    const began = performance.now()
    await Promise.all([on.hub.drain({ within: 600 }), on.hub.drain({ within: 0 }), on.hub.drain()])
    expect(performance.now() - began).toBeGreaterThan(400)
    await settled(() => ends.length === 40)
    expect(crowd(ends, 100)).toBeLessThan(0.4)
    expect(on.hub.stats().active).toBe(0)
  })

  test('H-09 ends who lags too, whose row says drained, and waits for nobody', async () => {
    const on = serve({ database: temporary() })
    declare(on.hub)
    const [slow, gone] = await Promise.all(
      [1, 2].map(() => connect(`${on.url}/stream?topic=room:1`)),
    )
    if (!slow || !gone) throw new Error('Expected two')
    await Promise.all([live(slow), live(gone)])
    slow.pause()
    gone.pause()
    for (let n = 1; on.hub.stats().lagging < 2 && n < 3_000; n++) {
      await on.hub.publish('room:1', 'x'.repeat(20_000))
      await Bun.sleep(0)
    }
    const began = performance.now()
    await on.hub.drain({ within: 300 })
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(on.hub.stats()).toMatchObject({ active: 0, lagging: 0, topics: 0 })
    const rows = on.hub.db.$client.query('select state, reason from hw_connection').all()
    expect(rows).toEqual([
      { state: 'closed', reason: 'drained' },
      { state: 'closed', reason: 'drained' },
    ])
    // What was written before it is still there to be read, and then the end.
    slow.resume()
    await slow.until(() => slow.ended)
  })

  test('H-09 waits for a render no longer than half of its time', async () => {
    const on = serve()
    declare(on.hub)
    const client = await connect(`${on.url}/stream?topic=room:1`)
    await live(client)
    const never = on.hub.publish('room:1', new Promise<string>(() => {}))
    never.catch(() => {})
    const began = performance.now()
    await on.hub.drain({ within: 400 })
    expect(performance.now() - began).toBeLessThan(800)
    await client.until(() => client.ended)
  })

  test('H-09 in the middle of which the hub is closed comes to its end', async () => {
    const on = serve({ limits: { perAddress: 1_000 } })
    declare(on.hub)
    const clients = await crowdOf(`${on.url}/stream?topic=room:1`, 20)
    const drained = on.hub.drain({ within: 2_000 })
    await clients[0]?.until(() => clients.some(({ ended }) => ended))
    on.hub.close()
    await drained
    await Promise.all(clients.map((client) => client.until(() => client.ended)))
  })

  test('H-09 of no time ends all at once; less than none is refused', async () => {
    const on = serve()
    declare(on.hub)
    const client = await connect(`${on.url}/stream?topic=room:1`)
    await live(client)
    expect(on.hub.drain({ within: -1 })).rejects.toThrow(
      new TypeError('Expected milliseconds from 0 on, got -1'),
    )
    expect(on.hub.drain({ within: Number.NaN })).rejects.toThrow(TypeError)
    await on.hub.drain({ within: 0 })
    await client.until(() => client.ended)
  })
})

describe('the program of the README', () => {
  test('H-09 ends in order on SIGTERM, and its next start loses and doubles no tick', async () => {
    const database = temporary()
    const file = join(import.meta.dir, '../../examples/hello/main.tsx')
    const start = async () => {
      const program = new Program(file, {}, { told: false, env: { DATABASE: database, PORT: '0' } })
      await program.until(({ words }) => words.includes('http://'))
      const port = program.words.match(/localhost:(\d+)/)?.[1]
      return { program, url: `http://127.0.0.1:${port}` }
    }
    const ticks = (client: Client) =>
      client.events
        .filter(({ name }) => name === 'clock:hall:ticks')
        .flatMap(({ data }) => [...data.matchAll(/>Tick (\d+)</g)].map(([, n]) => Number(n)))
    const first = await start()
    const page = await (await fetch(first.url)).text()
    const path = page.match(/sse-connect="(\/stream\/clock\/ticks[^"]*)"/)?.[1] as string
    const address = path.replaceAll('&amp;', '&')
    const client = await connect(first.url + address)
    await client.until(() => ticks(client).length >= 1)
    const began = performance.now()
    first.program.signal('SIGTERM')
    await client.until(() => client.ended)
    expect(await first.program.end()).toBe(0)
    expect(performance.now() - began).toBeLessThan(2_500)
    const second = await start()
    const again = await connect(second.url + address, { lastEventId: client.lastEventId })
    await again.until(() => ticks(again).length >= 2)
    const all = [...ticks(client), ...ticks(again)]
    expect(all).toEqual(all.map((_, i) => i + 1))
  })
})
