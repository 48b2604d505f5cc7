/**
 * What the chaos test found, each as small as it gets.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Hub, MultiStreamManager } from 'headwater'
import { type Client, connect, EventStream } from '../support/client'
import { Child, cleanUp, declare, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(30_000)
afterEach(cleanUp)

type Named = Parameters<Hub['log']['trim']>[0]
const topic = 'short' as Named
const keep = { count: 20, age: 86_400_000 }
const live = (client: Client) => client.until(() => client.lastEventId !== '')
const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)
const item = (n: number, padding = 0) => `<li id="n${n}">${'x'.repeat(padding)}</li>`

/** The items on a page that was sent these events. */
function shown(events: { name: string; data: string }[]): number[] {
  let items = new Set<number>()
  for (const { name, data } of events) {
    if (name !== topic) continue
    if (data.includes('hx-swap="innerHTML')) items = new Set()
    for (const [, n] of data.matchAll(/<li id="n(\d+)">/g)) items.add(Number(n))
  }
  return [...items]
}

describe('found by chaos', () => {
  test('H-03 a cut between the replay of one topic and the snapshot of another loses neither', async () => {
    const on = serve({ database: temporary() })
    on.hub.topic(topic, { guard: 'public', keep })
    on.hub.topic('room', { guard: 'public' })
    const cursor = on.hub.cursor()
    for (const n of numbers(1, 60)) await on.hub.publish(topic, item(n))
    await settled(async () => (await on.hub.log.last(topic, 100)).length < 60)
    for (const n of numbers(1, 10)) await on.hub.publish('room', String(n))
    const url = `${on.url}/stream?topic=room&topic=${topic}`
    const first = await connect(url, { lastEventId: cursor })
    await first.until(() => first.lastEventId === on.hub.cursor())
    // Cut just before the snapshot, in which the page has what came by then.
    const snapshot = first.raw.indexOf(`event: ${topic}`)
    expect(snapshot).toBeGreaterThan(0)
    const page = new EventStream()
    page.push(new TextEncoder().encode(first.raw.slice(0, snapshot)))
    const again = await connect(url, { lastEventId: page.lastEventId || cursor })
    await live(again)
    await again.until(() => again.lastEventId === on.hub.cursor())
    expect(shown([...page.events, ...again.events]).slice(-20)).toEqual(numbers(41, 60))
  })

  test('H-03 events that are given up while a reader catches up leave no silent hole', async () => {
    const on = serve({ database: temporary() })
    on.hub.topic(topic, { guard: 'public', keep })
    const cursor = on.hub.cursor()
    const last = 400
    const all = numbers(1, last).map((n) => on.hub.publish(topic, item(n, 64 * 1024)))
    await Promise.all(all)
    // Nothing is given up so far, so it is replayed, as much as the kernel takes of it.
    const slow = await connect(`${on.url}/stream?topic=${topic}`, { lastEventId: cursor })
    slow.pause()
    await settled(async () => (await on.hub.log.last(topic, last)).length === keep.count)
    slow.resume()
    await slow.until(() => slow.lastEventId === on.hub.cursor(), 15_000)
    const items = shown(slow.events)
    expect(items).toEqual(numbers(items[0] as number, last))
  })

  test('H-03 events that are given up before another process looks leave no silent hole there', async () => {
    const database = temporary()
    const [near, far] = [serve({ database }), serve({ database })]
    for (const { hub } of [near, far]) hub.topic(topic, { guard: 'public', keep })
    const client = await connect(`${far.url}/stream?topic=${topic}`)
    await live(client)
    await Promise.all(numbers(1, 60).map((n) => near.hub.publish(topic, item(n))))
    // As it happens when the other process is held up for a fifth of a second.
    await near.hub.log.trim(topic, keep)
    await near.hub.publish(topic, item(61))
    await client.until(() => shown(client.events).includes(61))
    const items = shown(client.events)
    // All of them, or a snapshot and what came after it.
    const reset = client.events.some(({ data }) => data.includes('hx-swap="innerHTML'))
    expect(items).toEqual(numbers(reset ? (items[0] as number) : 1, 61))
  })

  test('C-27 connections of a node that was taken for dead, lived on, and died, are marked lost', async () => {
    const database = temporary()
    const child = await new Child(database, { heartbeat: 100 }).ready()
    const client = await connect(`${child.url}/stream?topic=room:1`)
    await live(client)
    const on = serve({ database })
    declare(on.hub)
    const rows = on.hub.db.$client.query<{ state: string }, []>('select state from hw_connection')
    const state = () => rows.get()?.state
    await settled(() => state() === 'open')
    // As a process looks whose clock is behind that of the others.
    on.hub.db.$client.run('update hw_node set lease_until = 0 where pid = ?', [child.pid])
    const second = serve({ database })
    // Its next heartbeat says that it is open, which it is; its node comes back a third of a lease later.
    await settled(() => state() === 'open')
    await child.kill()
    await second.stop()
    serve({ database })
    await settled(() => state() === 'lost', 3_000)
  })
})

test('H-02 an item that another process has just appended, and the page shows, replaces itself', async () => {
  const database = temporary()
  const [near, far] = [serve({ database }), serve({ database })]
  const managers = [near, far].map(({ hub }) =>
    new MultiStreamManager<{ id: string }>(hub, {
      name: 'job',
      getEntity: (id) => ({ id }),
      guard: 'public',
    }).register({ name: 'lines', kind: 'log', render: (n: number) => `<li>${n}</li>` }),
  )
  for (let n = 0; n < 20; n++) {
    const since = near.hub.cursor()
    // The page is read now, with this item on it, and opens its stream at the other process at once.
    await managers[0]?.publish('1', 'lines', n)
    const client = await connect(`${far.url}/stream/job/lines?id=1&since=${since}`)
    await client.until(() => client.events.length > 0)
    expect(client.events[0]?.data).toContain('hx-swap="delete"')
    client.cut()
  }
})
