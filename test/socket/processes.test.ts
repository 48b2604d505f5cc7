/**
 * Several processes on one file: what one publishes reaches the viewers of the others, in order.
 */
import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Client, connect, type Received } from '../support/client'
import { startNode } from '../support/node'
import { endPrograms } from '../support/program'
import { cleanUp, declare, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(60_000)
const opened: Database[] = []
afterEach(async () => {
  for (const database of opened.splice(0)) database.close()
  await endPrograms()
  await cleanUp()
})

const live = (client: Client) => client.until(() => client.lastEventId !== '')
const seqOf = (id: string) => Number(id.slice(id.lastIndexOf('.') + 1))
const each = 2_000

/** What one writer published of a kind, as numbers in the order of their arrival. */
function numbersOf(events: readonly Received[], writer: string, ...topics: string[]): number[] {
  return events
    .filter(({ name, data }) => topics.includes(name) && data.startsWith(`${writer} `))
    .map(({ data }) => Number(data.split(' ')[1]))
}

/** The numbers that {@link startNode}'s `mix` gives to a kind. */
const numbers = (fits: (n: number) => boolean) =>
  Array.from({ length: each }, (_, i) => i + 1).filter(fits)
const ofLogs = numbers((n) => n % 4 > 0 && n % 5 > 0)
const ofSignals = numbers((n) => n % 4 > 0 && n % 5 === 0)

describe('a worker process without a server', () => {
  test(`D-24 publishes ${each} events of every kind to the viewers of another, in order, between that one’s own ${each}`, async () => {
    const database = temporary()
    const [viewed, worker] = await Promise.all([
      startNode({ database }),
      startNode({ database, serve: false }),
    ])
    const topics = ['room:1', 'flash:1', 'cell:own', 'cell:worker']
    const url = `${viewed.url}/stream?${topics.map((topic) => `topic=${topic}`).join('&')}`
    const [one, two] = await Promise.all([connect(url), connect(url)])
    await Promise.all([live(one), live(two)])
    viewed.node.tell({ mix: { writer: 'own', count: each } })
    worker.node.tell({ mix: { writer: 'worker', count: each } })
    const mixed = ({ said }: typeof worker.node) => said.some((it) => 'mixed' in it)
    await Promise.all([viewed.node.until(mixed, 30_000), worker.node.until(mixed, 30_000)])
    const whole = (client: Client, writer: string) =>
      numbersOf(client.events, writer, 'room:1').length === ofLogs.length &&
      numbersOf(client.events, writer, 'flash:1').length === ofSignals.length &&
      numbersOf(client.events, writer, `cell:${writer}`).at(-1) === each
    for (const client of [one, two]) {
      await client.until(() => whole(client, 'own') && whole(client, 'worker'), 30_000)
      for (const writer of ['own', 'worker']) {
        expect(numbersOf(client.events, writer, 'room:1')).toEqual(ofLogs)
        expect(numbersOf(client.events, writer, 'flash:1')).toEqual(ofSignals)
        // One order over the kinds that are appended as they are published …
        const both = numbersOf(client.events, writer, 'room:1', 'flash:1')
        expect(both).toEqual(both.toSorted((a, b) => a - b))
        // … and a state may come later, but never before what was published before it.
        const states = client.events.filter(({ name }) => name === `cell:${writer}`)
        expect(states.length).toBeGreaterThan(5)
        for (const state of states) {
          const earlier = numbersOf(
            client.events.slice(0, client.events.indexOf(state)),
            writer,
            'room:1',
          )
          const before = ofLogs.filter((n) => n < Number(state.data.split(' ')[1]))
          expect(earlier.slice(0, before.length)).toEqual(before)
        }
      }
      const ids = client.events.filter(({ name }) => name !== 'flash:1').map(({ id }) => seqOf(id))
      expect(ids.findIndex((seq, i) => i > 0 && seq <= (ids[i - 1] as number))).toBe(-1)
    }
    // All viewers see the one order, signals too.
    expect(two.events.map(({ data }) => data)).toEqual(one.events.map(({ data }) => data))
    // And it was a meeting of two, not one after the other.
    const turns = one.events.filter(
      ({ data }, i) => i > 0 && data.split(' ')[0] !== one.events[i - 1]?.data.split(' ')[0],
    )
    expect(turns.length).toBeGreaterThan(20)
  })

  test('C-09 ends a stream: the viewers of the other are told done, who comes later too', async () => {
    const database = temporary()
    const [viewed, worker] = await Promise.all([
      startNode({ database }),
      startNode({ database, serve: false }),
    ])
    const [room, both] = await Promise.all(
      ['topic=room:1', 'topic=room:1&topic=room:2'].map((query) =>
        connect(`${viewed.url}/stream?${query}`),
      ),
    )
    if (!room || !both) throw new Error('Expected two')
    await Promise.all([live(room), live(both)])
    worker.node.tell({ publish: ['room:1', 'last words'] })
    worker.node.tell({ end: 'room:1' })
    await room.until(() => room.ended)
    expect(room.events.map(({ name, data }) => [name, data])).toEqual([
      ['room:1', 'last words'],
      ['done', ''],
    ])
    await both.until(() => both.events.length === 1)
    const later = await connect(`${viewed.url}/stream?topic=room:1`)
    await later.until(() => later.ended)
    expect(later.events.at(-1)?.name).toBe('done')
    worker.node.tell({ publish: ['room:2', 'goes on'] })
    await both.until(() => both.events.at(-1)?.data === 'goes on')
    expect(both.ended).toBe(false)
    worker.node.tell({ end: 'room:2' })
    await both.until(() => both.ended)
    expect(both.events.at(-1)?.name).toBe('done')
  })

  test('H-08 that is killed in mid-commit leaves what it had confirmed, and the others go on', async () => {
    const database = temporary()
    const on = serve({ database, limits: { replay: 100_000 } })
    on.hub.topic('room:*', { guard: 'public', keep: { count: 100_000, age: 86_400_000 } })
    const client = await connect(`${on.url}/stream?topic=room:0&topic=room:1`)
    await live(client)
    const row = new Database(database, { readonly: true })
    opened.push(row)
    const count = row.query<{ n: number }, []>(
      "select count(*) as n from hw_event where topic in ('room:0', 'room:1')",
    )
    for (let round = 1; round <= 3; round++) {
      const { node } = await startNode({ database, serve: false })
      const callers = { count: 20, confirmed: `${database}.confirmed`, from: 1, pause: 2 }
      node.tell({ callers: { ...callers, from: round * 10_000 } })
      const before = client.events.length
      await client.until(() => client.events.length > before + 100)
      await node.kill()
      await on.hub.publish('room:1', `after ${round}`)
      await client.until(() => client.events.at(-1)?.data === `after ${round}`)
    }
    expect(client.events.length).toBe(count.get()?.n as number)
    const ids = client.events.map(({ id }) => seqOf(id))
    expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b))
    expect(on.errors).toEqual([])
  })
})

/** What the source of `declare` yields. */
const allLines = Array.from({ length: 300 }, (_, i) => i + 1)

/** Of its lines the numbers, also of those that came in the snapshot to begin with. */
function linesOf({ events }: Client): number[] {
  const lines = events.filter(({ name }) => name === 'tick:1:lines')
  return lines.flatMap(({ data }) => [...data.matchAll(/>(\d+)</g)].map(([, n]) => Number(n)))
}

describe('a source over three processes', () => {
  test('C-12 runs once, and moves when the process that runs it is killed, and once more', async () => {
    const database = temporary()
    const limits = { lease: 3_000 }
    const nodes = await Promise.all([1, 2, 3].map(() => startNode({ database, limits })))
    const clients = await Promise.all(nodes.map(({ url }) => connect(`${url}/stream/tick?id=1`)))
    const starts = () =>
      nodes.map(({ node }) => node.said.filter((said) => 'started' in said).length)
    const total = () => starts().reduce((sum, n) => sum + n, 0)
    await Promise.all(clients.map((client) => client.until(() => linesOf(client).length > 20)))
    expect(total()).toBe(1)
    const alive = [0, 1, 2]
    for (let kills = 1; kills <= 2; kills++) {
      const holder = alive.find((i) => (starts()[i] ?? 0) > 0) as number
      alive.splice(alive.indexOf(holder), 1)
      await nodes[holder]?.node.kill()
      await settled(() => total() === kills + 1, 10_000)
      for (const i of alive) {
        const client = clients[i] as Client
        const before = linesOf(client).length
        await client.until(() => linesOf(client).length > before + 10)
      }
      expect(alive.filter((i) => (starts()[i] ?? 0) > 0)).toHaveLength(1)
    }
    const [last] = alive.map((i) => clients[i] as Client)
    await last?.until(() => last.ended, 20_000)
    // The end of the source is the end of the stream, and every line came once.
    expect(linesOf(last as Client)).toEqual(allLines)
    expect(last?.events.at(-1)?.name).toBe('done')
    expect(total()).toBe(3)
  })

  test('C-12 goes on in the others when the process that runs it is drained', async () => {
    const database = temporary()
    const [first, second] = [
      await startNode({ database, within: 200 }),
      await startNode({ database }),
    ]
    const one = await connect(`${first.url}/stream/tick?id=1`)
    await one.until(() => one.events.length > 5)
    const two = await connect(`${second.url}/stream/tick?id=1`)
    await two.until(() => two.events.length > 5)
    expect(second.node.said.filter((said) => 'started' in said)).toHaveLength(0)
    first.node.signal('SIGTERM')
    expect(await first.node.end()).toBe(0)
    await two.until(() => two.ended, 20_000)
    expect(linesOf(two)).toEqual(allLines)
    expect(second.node.said.filter((said) => 'started' in said)).toHaveLength(1)
  })
})

describe('two hubs of one process on one file', () => {
  test('reach the viewers of each other by pattern, too', async () => {
    const database = temporary()
    const [here, there] = [serve({ database }), serve({ database })]
    for (const { hub } of [here, there]) declare(hub)
    const path = here.hub.address(['room:*'])
    const client = await connect(`${here.url}${path}`)
    await live(client)
    await there.hub.publish('room:new', 'x')
    await client.until(() => client.events.length === 1)
    expect(client.events[0]).toMatchObject({ name: 'room:new', data: 'x' })
  })
})
