/**
 * C-27, the registry: read from the database file by a second connection, as an operator would.
 */
import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { MultiStreamManager } from 'headwater'
import { connect } from '../support/client'
import { Child, cleanUp, declare, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(30_000)
afterEach(async () => {
  for (const database of opened.splice(0)) database.close()
  await cleanUp()
})

interface Row {
  id: string
  node: string
  kind: string
  topics: string
  entity: string | null
  viewer: string | null
  address: string | null
  agent: string | null
  opened_at: number
  seen_at: number
  events: number
  bytes: number
  state: string
  reason: string | null
}

const opened: Database[] = []

/** All rows, oldest first, by a connection of its own. */
function rows(file: string): () => Row[] {
  const database = new Database(file, { readonly: true })
  opened.push(database)
  const query = database.query<Row, []>('select * from hw_connection order by opened_at, rowid')
  return () => query.all()
}

const nodes = (file: string) => {
  const database = new Database(file, { readonly: true })
  opened.push(database)
  return () => database.query<{ pid: number; id: string }, []>('select pid, id from hw_node').all()
}

describe('the registry', () => {
  test('C-27 has a row for each connection: who, what, when, how much, and why it closed', async () => {
    const database = temporary()
    const read = rows(serveFile(database))
    const on = serve({ database, viewer: (request) => request.headers.get('x-user') })
    declare(on.hub)
    new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'job',
      getEntity: (id) => ({ id }),
      guard: 'public',
    }).register({ name: 'lines', kind: 'log', render: (line: string) => `<li>${line}</li>` })
    const before = Date.now()
    const headers = { 'x-user': 'ann', 'user-agent': 'tests/1 "<>' }
    const topics = await connect(`${on.url}/stream?topic=room:1&topic=cell:1`, { headers })
    const job = await connect(`${on.url}/stream/job/lines?id=a%20b`)
    await settled(() => read().length === 2)
    const [first, second] = read()
    expect(first).toMatchObject({
      kind: 'topics',
      topics: '["room:1","cell:1"]',
      entity: null,
      viewer: 'ann',
      address: '127.0.0.1',
      agent: headers['user-agent'],
      state: 'open',
      reason: null,
    })
    expect(second).toMatchObject({
      kind: 'job/lines',
      topics: '["job:a%20b:lines"]',
      entity: 'a b',
      viewer: null,
      state: 'open',
    })
    expect(first?.opened_at).toBeGreaterThanOrEqual(before)
    expect(first?.node).toBe(on.hub.registry.node)
    expect(on.hub.stats()).toEqual({
      active: 2,
      total: 2,
      byKind: { topics: 1, 'job/lines': 1 },
      topics: 3,
      lagging: 0,
      events: 0,
      dropped: 0,
    })
    for (const text of ['a', 'b', 'c']) await on.hub.publish('room:1', text)
    await topics.until(() => topics.events.length === 3)
    const body = Buffer.byteLength(topics.raw)
    topics.cut()
    await settled(() => read()[0]?.state === 'closed')
    expect(read()[0]).toMatchObject({ events: 3, bytes: body, reason: 'left' })
    expect(on.hub.stats()).toMatchObject({ active: 1, total: 2, events: 3 })
    await on.hub.end('job:a%20b:lines')
    await job.until(() => job.ended)
    await settled(() => read()[1]?.state === 'closed')
    expect(read()[1]).toMatchObject({ reason: 'done' })
  })

  test('C-27 keeps last seen, events and bytes up to date while a connection is open', async () => {
    const database = temporary()
    const read = rows(serveFile(database))
    const on = serve({ database, limits: { heartbeat: 50 } })
    declare(on.hub)
    const client = await connect(`${on.url}/stream?topic=room:1`)
    await on.hub.publish('room:1', 'x')
    await client.until(() => client.events.length === 1)
    await settled(() => read()[0]?.events === 1)
    const { seen_at: seen = 0, opened_at: at = 0 } = read()[0] ?? {}
    expect(seen).toBeGreaterThanOrEqual(at)
    await settled(() => (read()[0]?.seen_at ?? 0) > seen)
    expect(read()[0]).toMatchObject({ state: 'open', bytes: expect.any(Number) })
  })

  test('C-27 says drained and closed when the server ends them, and keeps its rows over a restart', async () => {
    const database = temporary()
    const read = rows(serveFile(database))
    const first = serve({ database })
    declare(first.hub)
    const drained = await connect(`${first.url}/stream?topic=room:1`)
    await drained.until(() => drained.lastEventId !== '')
    await first.hub.drain({ within: 50 })
    await drained.until(() => drained.ended)
    expect((await connect(`${first.url}/stream?topic=room:1`)).status).toBe(503)
    await first.stop()
    const second = serve({ database })
    declare(second.hub)
    const closed = await connect(`${second.url}/stream?topic=room:1`)
    await closed.until(() => closed.lastEventId !== '')
    await second.stop()
    await closed.until(() => closed.ended)
    const third = serve({ database })
    expect(third.hub.stats()).toMatchObject({ active: 0, total: 0 })
    expect(read().map(({ state, reason }) => [state, reason])).toEqual([
      ['closed', 'drained'],
      ['closed', 'closed'],
    ])
  })

  test('C-27 marks the rows of a killed process lost at the next start, those of a living one never', async () => {
    const database = temporary()
    const living = serve({ database })
    declare(living.hub)
    const read = rows(database)
    const alive = nodes(database)
    const [doomed, other] = [await new Child(database).ready(), await new Child(database).ready()]
    const clients = await Promise.all(
      [doomed.url, other.url, living.url].map((url) => connect(`${url}/stream?topic=room:1`)),
    )
    await settled(() => read().filter(({ state }) => state === 'open').length === 3)
    const lost = read().find(
      ({ node }) => node === alive().find(({ pid }) => pid === doomed.pid)?.id,
    )
    await doomed.kill()
    await clients[0]?.until(() => clients[0]?.ended === true)
    expect(read().map(({ state }) => state)).toEqual(['open', 'open', 'open'])
    const next = serve({ database })
    const states = () => read().map(({ id, state }) => [id === lost?.id, state])
    expect(states().toSorted()).toEqual([
      [false, 'open'],
      [false, 'open'],
      [true, 'lost'],
    ])
    expect(read().find(({ state }) => state === 'lost')?.reason).toBeTruthy()
    expect(alive().map(({ pid }) => pid)).not.toContain(doomed.pid)
    declare(next.hub)
    for (const client of clients.slice(1)) {
      await next.hub.publish('room:1', 'still here')
      await client.until(() => client.events.length > 0)
    }
  })

  test('C-27 a process that was held for longer than its lease is a node again when it goes on', async () => {
    const database = temporary()
    const limits = { lease: 300 }
    const on = serve({ database, limits })
    const child = await new Child(database, limits).ready()
    const alive = nodes(database)
    const pids = () => alive().map(({ pid }) => pid)
    expect(pids()).toContain(child.pid)
    process.kill(child.pid, 'SIGSTOP')
    try {
      await settled(() => !pids().includes(child.pid))
    } finally {
      process.kill(child.pid, 'SIGCONT')
    }
    await settled(() => pids().includes(child.pid))
    expect(pids()).toContain(process.pid)
    expect(on.errors).toEqual([])
  })

  test('a lease is held by one node, also against a hub of the same process, and freed by a kill', async () => {
    const database = temporary()
    const [one, two] = [serve({ database }), serve({ database })]
    expect(one.hub.registry.take('x')).toBe(true)
    expect(two.hub.registry.take('x')).toBe(false)
    expect(one.hub.registry.take('x')).toBe(true)
    two.hub.registry.release('x')
    expect(two.hub.registry.take('x')).toBe(false)
    one.hub.registry.release('x')
    expect(two.hub.registry.take('x')).toBe(true)
    await two.stop()
    expect(one.hub.registry.take('x')).toBe(true)
  })

  test('a database of the app is used and left open', async () => {
    const file = temporary()
    const database = new Database(file)
    opened.push(database)
    database.run('create table mine (x)')
    const on = serve({ database })
    declare(on.hub)
    const client = await connect(`${on.url}/stream?topic=room:1`)
    await on.hub.publish('room:1', 'x')
    await client.until(() => client.raw.includes('data: x'))
    await on.stop()
    expect(database.query('select count(*) as n from hw_connection').get()).toEqual({ n: 1 })
  })

  test('a database that can not be opened is an error that names it', () => {
    expect(() => serve({ database: '/nowhere/at/all.db' })).toThrow('/nowhere/at/all.db')
  })
})

/** Makes the file and its tables, so that it can be read before a hub is there. */
function serveFile(database: string): string {
  void serve({ database }).stop()
  return database
}
