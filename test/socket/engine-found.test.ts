/**
 * What a review of the engine found, each as small as it gets.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Hub, MultiStreamManager } from 'headwater'
import { sqliteLog } from 'headwater/log'
import { asPattern, asTopic } from '../../src/topic'
import { connect } from '../support/client'
import { Child, cleanUp, declare, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(30_000)
afterEach(cleanUp)

const kept = async (hub: Hub, topic: string) =>
  (await hub.history(topic)).items.map(({ html }) => html)

/** Runs a transaction that is rolled back after these publishes. */
function undo(
  hub: Hub,
  publish: (tx: Parameters<Parameters<Hub['db']['transaction']>[0]>[0]) => unknown,
) {
  expect(() =>
    hub.db.transaction((tx) => {
      publish(tx)
      throw new Error('undone')
    }),
  ).toThrow('undone')
}

describe('found in the engine', () => {
  test('C-40 who begins to lag just before an event that leaves out another gets that event too', async () => {
    const { hub, url } = serve({ database: temporary() })
    declare(hub)
    const client = await connect(`${url}/stream?topic=room:1`)
    await client.until(() => client.lastEventId !== '')
    client.pause()
    const except = 'somebody else'
    let sent = 0
    for (; hub.stats().lagging === 0 && sent < 1_500; sent++) {
      await Promise.all([
        hub.publish('room:1', `a${sent} ${'x'.repeat(16_000)}`),
        hub.publish('room:1', `b${sent} `, { except }),
      ])
    }
    client.resume()
    await client.until(() => client.lastEventId === hub.cursor(), 20_000)
    const names = client.events.map(({ data }) => data.split(' ', 1)[0])
    expect(names).toEqual(Array.from({ length: 2 * sent }, (_, i) => `${'ab'[i % 2]}${i >> 1}`))
  })

  test('C-43 `job:**` finds the topic `job` after a restart too, and what was given up of it', async () => {
    const database = temporary()
    const first = serve({ database })
    const since = await first.hub.publish('job', 'first')
    await first.hub.publish('job', 'second')
    await first.hub.publish('job:1', 'third')
    await first.stop()
    const { hub } = serve({ database })
    await hub.publish('other', 'x')
    const after = Number(since?.split('.')[1])
    const topics = [asPattern('job:**')]
    const read = await hub.log.read({ topics, after, limit: 9 })
    expect(read.map(({ data }) => data)).toEqual(['second', 'third'])
    expect(await hub.log.count({ topics, after, limit: 9 })).toBe(2)
    expect((await hub.log.topics(asPattern('job:**'))) as string[]).toEqual(['job', 'job:1'])
    await hub.log.trim(asTopic('job'), { count: 1, age: 60_000 })
    expect((await hub.log.trimmed(topics, 0)) as string[]).toEqual(['job'])
  })

  test('H-14 what waits when a transaction is rolled back is kept, in its order, whatever the transaction held', async () => {
    const { hub } = serve({ database: temporary() })
    hub.topic('s', { kind: 'state' })
    await hub.publish('a', 'kept', { key: '1' })
    const waiting = [hub.publish('a', 'x'), hub.publish('s', 'A', { key: 'a' })]
    undo(hub, (tx) => [
      hub.publish('a', 'again', { key: '1', tx }),
      hub.publish('s', 'B1', { key: 'b', tx }),
    ])
    hub.db.transaction((tx) => void hub.publish('s', 'B2', { key: 'b', tx }))
    const after = hub.publish('a', 'y')
    await Promise.all([...waiting, after])
    expect(await kept(hub, 'a')).toEqual(['kept', 'x', 'y'])
    expect((await kept(hub, 's')).sort()).toEqual(['A', 'B2'])
  })

  test('H-14 what was committed and then superseded by another process counts as committed', async () => {
    const database = temporary()
    const { hub } = serve({ database })
    hub.topic('s', { kind: 'state' })
    const other = sqliteLog(database)
    const published = hub.db.transaction((tx) => hub.publish('s', 'mine', { tx }))
    const entry = {
      topic: asTopic('s'),
      kind: 'state',
      form: 'slot',
      key: '',
      data: 'theirs',
      at: 1,
    }
    await other.append([entry as Parameters<typeof other.append>[0][number]])
    expect(await published).toBeString()
    await other.close()
  })

  test('H-14 a hub that is closed in the turn of a transaction keeps its promise', async () => {
    const made = serve({ database: temporary() })
    const published = made.hub.db.transaction((tx) => made.hub.publish('a', 'x', { tx }))
    made.hub.close()
    expect(await published).toBeString()
  })

  test('one who follows a log and fails costs neither the others nor whoever appended', async () => {
    const log = sqliteLog(':memory:')
    const errors: unknown[] = []
    const told: string[] = []
    const busy = Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' })
    log.follow(
      () => {
        throw busy
      },
      (error) => errors.push(error),
    )
    log.follow((events) => told.push(...events.map(({ data }) => data)))
    const entry = { topic: asTopic('a'), kind: 'log', form: 'slot', key: null, data: 'x', at: 1 }
    await log.append([entry as Parameters<typeof log.append>[0][number]])
    expect([(await log.last(asTopic('a'), 9)).length, told, errors]).toEqual([1, ['x'], [busy]])
    await log.close()
  })

  test('H-09 a hub that closes while another process has the lock keeps what was published', async () => {
    const database = temporary()
    const { hub, stop } = serve({ database })
    const child = await new Child(database).ready()
    await child.tell({ publish: ['room:1', 'first'] })
    const locked = child.tell({ lock: 300 })
    await settled(() => isLocked(hub))
    const late = hub.publish('room:1', 'late')
    hub.close()
    expect(await late).toBeString()
    await locked
    await stop()
    const again = serve({ database })
    expect(await kept(again.hub, 'room:1')).toEqual(['first', 'late'])
  })

  test('C-12 a source that begins and stops while another process has the lock neither fails nor keeps its lease', async () => {
    const database = temporary()
    const { hub, url, errors } = serve({ database, limits: { grace: 1 } })
    const child = await new Child(database).ready()
    const rows = hub.db.$client.query('select name from hw_lease')
    new MultiStreamManager<{ id: string }>(hub, {
      name: 'job',
      getEntity: (id) => ({ id }),
      guard: 'public',
    }).register({
      name: 'ticks',
      kind: 'log',
      source: async function* (_, { signal }) {
        yield 1
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
      render: (n: number) => `<li>${n}</li>`,
    })
    const first = child.tell({ lock: 400 })
    await settled(() => isLocked(hub))
    const client = await connect(`${url}/stream/job/ticks?id=1`)
    await client.until(() => client.events.length > 0, 10_000)
    expect(client.events.map(({ data }) => data.includes('<li'))).toEqual([true])
    await first
    const second = child.tell({ lock: 400 })
    await settled(() => isLocked(hub))
    client.cut()
    await second
    await settled(() => rows.all().length === 0)
    expect(errors).toEqual([])
  })

  test('C-23 connections to the same topics are told their own end, by the app’s word on each', async () => {
    const { hub, url } = serve({ database: temporary() })
    const active = new Set(['1'])
    const jobs = new MultiStreamManager<{ id: string }>(hub, {
      name: 'job',
      getEntity: (id) => ({ id }),
      isActive: ({ id }) => active.has(id),
      guard: 'public',
    }).register({ name: 'state', kind: 'state', render: ({ id }) => id })
    const first = await connect(`${url}/stream/job/state?id=1`)
    await first.until(() => first.lastEventId !== '')
    active.delete('1')
    const over = await connect(`${url}/stream/job/state?id=1`)
    await over.until(() => over.ended)
    expect(over.events.at(-1)?.name).toBe('done')
    expect(first.ended).toBe(false)
    await jobs.finish('1')
    await first.until(() => first.ended)
  })
})

function isLocked(hub: Hub): boolean {
  const { $client } = hub.db
  try {
    $client.run('pragma busy_timeout = 0')
    $client.run('begin immediate')
    $client.run('rollback')
    return false
  } catch {
    return true
  } finally {
    $client.run('pragma busy_timeout = 5000')
  }
}
