import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, test } from 'bun:test'
import { drizzle } from 'drizzle-orm/bun-sqlite'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { Hub, swap } from 'headwater'
import { memoryLog } from 'headwater/log'
import { connect } from '../support/client'
import { Child, cleanUp, serve, settled, temporary } from '../support/serve'

afterEach(cleanUp)

const note = sqliteTable('note', { id: integer().primaryKey(), body: text().notNull() })

/** A hub on a file, with the app's own table in it. */
function site(database: string | Database = temporary()) {
  const made = serve({ database })
  made.hub.db.$client.run('create table note (id integer primary key, body text not null)')
  made.hub.topic('room:*', { guard: 'public' })
  made.hub.topic('cell:*', { kind: 'state', guard: 'public' })
  made.hub.topic('flash:*', { kind: 'signal', guard: 'public' })
  return made
}

const datas = (client: { events: { data: string }[] }) => client.events.map(({ data }) => data)

class Undone extends Error {}

describe('H-14 publish in a transaction', () => {
  for (const [name, database] of [
    ['a file', () => temporary()],
    ['a Database that the app has opened', () => new Database(temporary(), { strict: true })],
    ['a database in memory', () => ':memory:'],
  ] as const) {
    test(`H-14 on ${name}: delivered after commit, and the promise is kept with its event id`, async () => {
      const { hub, url } = site(database())
      const client = await connect(`${url}/stream?topic=room:1`)
      let published: Promise<string | undefined> | undefined
      hub.db.transaction((tx) => {
        tx.insert(note).values({ id: 1, body: 'one' }).run()
        published = hub.publish('room:1', '<p>one</p>', { tx })
        expect(hub.cursor()).not.toContain('.1')
      })
      const id = await published
      await client.until(() => client.events.length === 1)
      expect(client.events[0]).toMatchObject({ name: 'room:1', data: '<p>one</p>', id })
      expect((await hub.history('room:1')).items.map(({ html }) => html)).toEqual(['<p>one</p>'])
    })

    test(`H-14 on ${name}: never after rollback, and the promise says so`, async () => {
      const { hub, url } = site(database())
      const client = await connect(`${url}/stream?topic=room:1`)
      const published: Promise<unknown>[] = []
      const undo = () =>
        hub.db.transaction((tx) => {
          tx.insert(note).values({ id: 1, body: 'one' }).run()
          published.push(hub.publish('room:1', '<p>undone</p>', { tx }))
          throw new Undone()
        })
      expect(undo).toThrow(Undone)
      await expect(published[0]).rejects.toThrow('rolled back')
      await hub.publish('room:1', '<p>after</p>')
      await client.until(() => client.events.length === 1)
      expect(datas(client)).toEqual(['<p>after</p>'])
      expect(hub.db.select().from(note).all()).toEqual([])
    })
  }

  test('H-14 a rollback that nobody awaits ends nothing', async () => {
    const { hub, errors } = site()
    const rejections: unknown[] = []
    const listen = (reason: unknown) => rejections.push(reason)
    process.on('unhandledRejection', listen)
    try {
      hub.db.transaction((tx) => {
        void hub.publish('room:1', '<p>undone</p>', { tx })
        tx.rollback()
      })
    } catch {}
    await Bun.sleep(20)
    process.off('unhandledRejection', listen)
    expect([rejections, errors]).toEqual([[], []])
  })

  test('H-14 of a nested transaction that is rolled back nothing is sent, of the outer one all', async () => {
    const { hub, url } = site()
    const client = await connect(`${url}/stream?topic=room:1`)
    hub.db.transaction((tx) => {
      void hub.publish('room:1', 'a', { tx })
      try {
        tx.transaction((inner) => {
          void hub.publish('room:1', 'undone', { tx: inner })
          throw new Undone()
        })
      } catch {}
      void hub.publish('room:1', 'b', { tx })
    })
    await hub.publish('room:1', 'c')
    await client.until(() => client.events.length === 3)
    expect(datas(client)).toEqual(['a', 'b', 'c'])
  })

  test('H-14 what was published before and after it in the same turn keeps its order', async () => {
    const { hub, url } = site()
    const room = await connect(`${url}/stream?topic=room:1`)
    const cell = await connect(`${url}/stream?topic=cell:1`)
    const all = [
      hub.publish('room:1', 'a'),
      hub.publish('cell:1', '1'),
      hub.publish('cell:1', '2'),
      hub.db.transaction((tx) => hub.publish('room:1', 'b', { tx })),
      hub.db.transaction((tx) => hub.publish('cell:1', '3', { tx })),
      hub.publish('room:1', 'c'),
      hub.publish('cell:1', '4'),
    ]
    const ids = await Promise.all(all)
    await room.until(() => room.events.length === 3)
    expect(datas(room)).toEqual(['a', 'b', 'c'])
    await cell.until(() => datas(cell).at(-1) === '4')
    expect(datas(cell)).toEqual([...datas(cell)].sort())
    expect(ids.every((id) => typeof id === 'string')).toBe(true)
  })

  test('H-14 what waited when a transaction was rolled back is published all the same', async () => {
    const { hub, url } = site()
    const client = await connect(`${url}/stream?topic=cell:1&topic=room:1`)
    await hub.publish('cell:1', 'shown')
    const waiting = [hub.publish('cell:1', 'held'), hub.publish('room:1', 'batched')]
    const roll = () =>
      hub.db.transaction((tx) => {
        void hub.publish('cell:1', 'undone', { tx })
        void hub.publish('room:1', 'undone', { tx })
        throw new Undone()
      })
    expect(roll).toThrow(Undone)
    await Promise.all(waiting)
    await client.until(() => client.events.length === 3)
    expect(datas(client).sort()).toEqual(['batched', 'held', 'shown'])
  })

  test('H-14 kinds state and signal too, and a patch', async () => {
    const { hub, url } = site()
    const client = await connect(`${url}/stream?topic=cell:1&topic=flash:1`)
    const ids = hub.db.transaction((tx) => [
      hub.publish('cell:1', 'old', { tx }),
      hub.publish('cell:1', 'new', { tx }),
      hub.publish('flash:1', 'now', { tx }),
    ])
    expect(await Promise.all(ids)).toEqual([
      expect.any(String),
      expect.any(String),
      undefined,
    ] as never)
    await client.until(() => datas(client).includes('now'))
    expect(datas(client).filter((data) => data !== 'old')).toEqual(['new', 'now'])
  })

  test('H-14 a state that is the newest event of all gets a new number each time, and viewers each value', async () => {
    const { hub, url } = site()
    const client = await connect(`${url}/stream?topic=cell:1`)
    const ids: unknown[] = []
    for (let n = 1; n <= 4; n++) {
      const publish = (tx: never) =>
        hub.publish('cell:1', `<b>${n}</b>`, { tx, except: n === 1 ? 'x' : undefined })
      ids.push(await hub.db.transaction((tx) => publish(tx as never)))
      await client.until(() => client.events.at(-1)?.data === `<b>${n}</b>`)
    }
    expect(new Set(ids).size).toBe(4)
    expect(client.events.map(({ id }) => id)).toEqual(ids as string[])
    expect((await hub.log.last('cell:1' as never, 9))[0]?.audience ?? null).toBeNull()
  })

  test('H-14 a transaction that is held open over an await keeps nobody else from publishing for good', async () => {
    const { hub, url } = site()
    const client = await connect(`${url}/stream?topic=room:1`)
    const { $client } = hub.db
    $client.run('begin immediate')
    $client.run("insert into note values (1, 'one')")
    const inside = hub.publish('room:1', 'inside', { tx: hub.db })
    const outside = hub.publish('room:2', 'outside')
    await Bun.sleep(100)
    expect(client.events).toEqual([])
    $client.run('rollback')
    await expect(inside).rejects.toThrow('rolled back')
    expect(await outside).toBeString()
    $client.run('begin immediate')
    const kept = hub.publish('room:1', 'kept', { tx: hub.db })
    await Bun.sleep(50)
    $client.run('commit')
    await kept
    await client.until(() => client.events.length === 1)
    expect(datas(client)).toEqual(['kept'])
  })

  test('H-14 on a connection that is shared in memory: what is published beside it does not go with a rollback', async () => {
    const { hub, url } = site(':memory:')
    const client = await connect(`${url}/stream?topic=room:1`)
    hub.db.$client.run('begin')
    const outside = hub.publish('room:1', 'outside')
    await Bun.sleep(50)
    expect(client.events).toEqual([])
    hub.db.$client.run('rollback')
    await outside
    await client.until(() => client.events.length === 1)
    expect((await hub.history('room:1')).items).toHaveLength(1)
  })

  test('H-14 from a second process, and from a second connection of this one', async () => {
    const database = temporary()
    const { hub, url } = site(database)
    const client = await connect(`${url}/stream?topic=room:1`)
    const other = new Hub({ database, secret: 'of the tests' })
    try {
      other.db.transaction((tx) => void other.publish('room:1', 'second connection', { tx }))
      await client.until(() => client.events.length === 1)
    } finally {
      other.close()
    }
    const app = drizzle(new Database(database, { strict: true }))
    app.transaction((tx) => void hub.publish('room:1', 'the app’s own', { tx }))
    await client.until(() => client.events.length === 2)
    app.$client.close()
    const child = await new Child(database).ready()
    await child.tell({ transact: ['room:1', 'kept', 'undone'] })
    await client.until(() => client.events.length === 3)
    await hub.publish('room:1', 'last')
    await client.until(() => client.events.length === 4)
    expect(datas(client)).toEqual(['second connection', 'the app’s own', 'kept', 'last'])
  })

  test('H-14 misuse throws at once, so that the transaction is rolled back with it', async () => {
    const { hub } = site()
    const other = serve({ log: memoryLog() }).hub
    const within = (act: (tx: never) => unknown, of = hub) =>
      of.db.transaction((tx) => {
        if (of === hub) tx.insert(note).values({ id: 1, body: 'one' }).run()
        act(tx as never)
      })
    expect(() => within((tx) => hub.publish('room:1', Promise.resolve('x'), { tx }))).toThrow(
      'Expected content for "room:1" that is rendered, got a promise',
    )
    expect(() => within((tx) => hub.publish('room:*', 'x', { tx }))).toThrow('got the pattern')
    expect(() => within((tx) => hub.publish('room:1', 'x'.repeat(2e6), { tx }))).toThrow(RangeError)
    expect(() => within((tx) => other.publish('a', 'x', { tx }), other)).toThrow(
      'Expected no transaction',
    )
    expect(hub.db.select().from(note).all()).toEqual([])
    const foreign = drizzle(new Database(':memory:'))
    expect(() => foreign.transaction((tx) => hub.publish('room:1', 'x', { tx }))).toThrow()
    await settled(() => hub.stats().active === 0)
  })
})

test('H-14 a broadcast is part of the transaction too, to all and to some, and misuse throws at once', async () => {
  const { hub, url } = site()
  const client = await connect(`${url}/stream?topic=room:1&topic=room:2`)
  const notice = (text: string) => swap.innerHTML('#notice', text)
  expect(() =>
    hub.db.transaction((tx) => {
      void hub.broadcast('**', notice('undone'), { tx })
      void hub.broadcast(['room:1', 'room:2'], 'undone', { tx })
      throw new Undone()
    }),
  ).toThrow(Undone)
  expect(() => hub.db.transaction((tx) => hub.broadcast('**', '<p>x</p>', { tx }))).toThrow(
    'Expected a patch',
  )
  expect(() => hub.db.transaction((tx) => hub.broadcast(['room:*'], 'x', { tx }))).toThrow(
    'got the pattern',
  )
  const kept = hub.db.transaction((tx) => [
    hub.broadcast('**', notice('kept'), { tx }),
    hub.broadcast(['room:1', 'room:2'], 'kept', { tx }),
  ])
  expect((await Promise.all(kept)).map(({ delivered }) => delivered)).toEqual([1, 1])
  await client.until(() => client.events.length === 3)
  expect(client.raw).not.toContain('undone')
})
