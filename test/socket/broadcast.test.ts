import { afterEach, describe, expect, test } from 'bun:test'
import { swap } from 'headwater'
import { type Client, connect } from '../support/client'
import { Child, cleanUp, declare, serve, settled, temporary } from '../support/serve'

afterEach(cleanUp)

/** Four viewers, told apart by their agent. */
async function site() {
  const ids = new Map<string, string>()
  const made = serve({
    database: temporary(),
    onConnect: ({ agent, id }) => ids.set(agent ?? '', id),
  })
  declare(made.hub)
  const open = async (agent: string, ...topics: string[]) => {
    const query = topics.map((topic) => `topic=${topic}`).join('&')
    const client = await connect(`${made.url}/stream?${query}`, {
      headers: { 'user-agent': agent },
    })
    await client.until(() => client.lastEventId !== '')
    return client
  }
  return { ...made, ids, open, idOf: (agent: string) => ids.get(agent) as string }
}

const datas = (client: Client) => client.events.map(({ data }) => data)

describe('C-40 broadcast', () => {
  test('C-40 to a topic and to many: each gets it once, and the count says how many connections', async () => {
    const { hub, open } = await site()
    const [one, both, other] = await Promise.all([
      open('one', 'room:1'),
      open('both', 'room:1', 'room:2'),
      open('other', 'room:3'),
    ])
    expect((await hub.broadcast('room:1', 'a')).delivered).toBe(2)
    const many = await hub.broadcast(['room:1', 'room:2', 'room:1'], 'b')
    expect(many).toEqual({ ids: [expect.any(String), expect.any(String)] as never, delivered: 2 })
    expect(await hub.broadcast('room:9', 'nobody')).toMatchObject({ delivered: 0 })
    expect((await hub.broadcast(['room:1', 'room:3'], 'last')).delivered).toBe(3)
    for (const client of [one, both, other])
      await client.until(() => datas(client).includes('last'))
    expect(datas(one)).toEqual(['a', 'b', 'last'])
    expect(datas(both)).toEqual(['a', 'b', 'b', 'last'])
    expect(datas(other)).toEqual(['last'])
  })

  test('C-40 to all: a patch reaches whoever is connected, here and at another process; HTML has no slot', async () => {
    const { hub, open } = await site()
    const clients = await Promise.all([open('one', 'room:1'), open('two', 'cell:2')])
    const child = await new Child(hub.db.$client.filename).ready()
    const there = await connect(`${child.url}/stream?topic=room:7`)
    await there.until(() => there.lastEventId !== '')
    const notice = swap.innerHTML('#notice', 'soon')
    expect(await hub.broadcast('**', notice)).toEqual({ ids: [], delivered: 2 })
    for (const client of [...clients, there]) {
      await client.until(() => client.events.length === 1)
      expect(client.events[0]?.name).toBe('message')
      expect(datas(client)[0]).toContain('#notice')
    }
    await expect(hub.broadcast('**', '<p>x</p>')).rejects.toThrow('Expected a patch')
    await expect(hub.broadcast(['room:*'], 'x')).rejects.toThrow('got the pattern')
  })

  test('C-40 one connection is left out, live and in catching up, and gets what comes next', async () => {
    const { hub, open, idOf } = await site()
    const [self, other] = await Promise.all([open('self', 'room:1'), open('other', 'room:1')])
    const except = idOf('self')
    await hub.publish('room:1', 'before')
    expect((await hub.broadcast('room:1', 'not to self', { except })).delivered).toBe(1)
    void hub.publish('room:1', 'again not', { except })
    await hub.publish('room:1', 'after')
    await self.until(() => datas(self).includes('after'))
    await other.until(() => datas(other).includes('after'))
    expect(datas(self)).toEqual(['before', 'after'])
    expect(datas(other)).toEqual(['before', 'not to self', 'again not', 'after'])
    self.pause()
    for (let n = 0; hub.stats().lagging === 0 && n < 400; n++) {
      await hub.publish('room:1', `${n} ${'x'.repeat(60_000)}`)
      await Bun.sleep(1)
    }
    expect(hub.stats().lagging).toBe(1)
    await hub.publish('room:1', 'not to the lagging', { except })
    await hub.publish('room:1', 'end')
    self.resume()
    await self.until(() => datas(self).includes('end'), 20_000)
    expect(datas(self)).not.toContain('not to the lagging')
    await other.until(() => datas(other).includes('end'), 20_000)
    expect(datas(other)).toContain('not to the lagging')
  }, 60_000)

  test('C-40 to one connection alone, at this process or another, and nobody else hears of it', async () => {
    const { hub, open, idOf } = await site()
    const [self, other] = await Promise.all([open('self', 'room:1'), open('other', 'room:1')])
    const child = await new Child(hub.db.$client.filename).ready()
    const there = await connect(`${child.url}/stream?topic=room:1`, {
      headers: { 'user-agent': 'there' },
    })
    await there.until(() => there.lastEventId !== '')
    const row = hub.db.$client.query<{ id: string }, []>(
      "select id from hw_connection where agent = 'there'",
    )
    await settled(() => row.get() !== null)
    expect(await hub.send(idOf('self'), 'room:1', 'for you')).toBe(true)
    expect(await hub.send(row.get()?.id as string, 'room:1', 'for there')).toBe(true)
    expect(await hub.send(idOf('self'), 'room:2', 'not followed')).toBe(false)
    expect(await hub.send('nobody', 'room:1', 'x')).toBe(false)
    await hub.publish('room:1', 'all')
    for (const client of [self, other, there])
      await client.until(() => datas(client).includes('all'))
    expect(datas(self)).toEqual(['for you', 'all'])
    expect(datas(other)).toEqual(['all'])
    expect(datas(there)).toEqual(['for there', 'all'])
    expect((await hub.history('room:1')).items.map(({ html }) => html)).toEqual(['all'])
    other.cut()
    await settled(() => hub.stats().active === 1)
    expect(await hub.send(idOf('other'), 'room:1', 'gone')).toBe(false)
  })

  test('H-07 signals that a connection could not take are counted', async () => {
    const { hub, open } = await site()
    const slow = await open('slow', 'room:1', 'flash:1')
    const fast = await open('fast', 'flash:1')
    slow.pause()
    for (let n = 0; hub.stats().lagging === 0 && n < 400; n++) {
      await hub.publish('room:1', `${n} ${'x'.repeat(60_000)}`)
      await Bun.sleep(1)
    }
    for (let n = 0; n < 5; n++) await hub.publish('flash:1', `${n}`)
    await fast.until(() => fast.events.length === 5)
    expect(hub.stats().dropped).toBe(5)
    slow.resume()
    await settled(() => hub.stats().lagging === 0, 20_000)
    expect(slow.events.some(({ name }) => name === 'flash:1')).toBe(false)
  }, 60_000)
})

test('C-40 a greeting from onConnect reaches also who has much to catch up with', async () => {
  const made = serve({
    database: temporary(),
    onConnect: ({ id }) => made.hub.send(id, 'room:1', 'welcome'),
  })
  declare(made.hub)
  const since = made.hub.cursor()
  const data = 'x'.repeat(2_000)
  await Promise.all(Array.from({ length: 900 }, () => made.hub.publish('room:1', data)))
  const client = await connect(`${made.url}/stream?topic=room:1`, { lastEventId: since })
  await client.until(() => client.events.length === 901)
  expect(client.events.filter((event) => event.data === 'welcome')).toHaveLength(1)
})
