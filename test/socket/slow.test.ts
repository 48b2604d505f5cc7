/**
 * A client that does not read: it costs the others nothing, the process little, and loses nothing itself.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Client, connect } from '../support/client'
import { cleanUp, declare, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(60_000)
afterEach(cleanUp)

const live = (client: Client) => client.until(() => client.lastEventId !== '')
const body = 'x'.repeat(20_000)
const numberOf = ({ data }: { data: string }) => Number.parseInt(data, 10)
const last = 1_000
const sequence = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('a client that stops reading', () => {
  test('C-41 H-07 delays nobody, costs bounded memory, and gets everything once it reads on', async () => {
    const on = serve({ database: temporary(), limits: { replay: 5_000 } })
    declare(on.hub)
    on.hub.topic('long', { guard: 'public', keep: { count: 5_000 } })
    const url = `${on.url}/stream?topic=long&topic=cell:1`
    const [slow, stuck, quick] = await Promise.all([connect(url), connect(url), connect(url)])
    await Promise.all([slow, stuck, quick].map(live))
    slow.pause()
    stuck.pause()
    Bun.gc(true)
    const before = process.memoryUsage().rss
    const delays: number[] = []
    // Five times what the kernel takes of one connection.
    for (let n = 1; n <= last; n++) {
      const at = performance.now()
      on.hub.publish('cell:1', `${n} state`)
      await on.hub.publish('long', n + body)
      if (n % 20 > 0) continue
      const has = ({ data }: { data: string }) => data.startsWith(`${n}x`)
      await quick.until(() => quick.events.slice(-25).some(has))
      delays.push(performance.now() - at)
    }
    await settled(() => on.hub.stats().lagging === 2)
    expect(quick.events.filter(({ name }) => name === 'long').map(numberOf)).toEqual(
      sequence(1, last),
    )
    expect(delays.toSorted((a, b) => a - b).at(-1)).toBeLessThan(500)
    expect(slow.events.length).toBeLessThan(500)
    // This process also holds what the quick client has read, 20 MB in two forms, and the pages of SQLite.
    Bun.gc(true)
    expect(process.memoryUsage().rss - before).toBeLessThan(300_000_000)
    slow.resume()
    await slow.until(() => slow.events.filter(({ name }) => name === 'long').length >= last, 20_000)
    expect(slow.events.filter(({ name }) => name === 'long').map(numberOf)).toEqual(
      sequence(1, last),
    )
    await slow.until(() => slow.events.some(({ data }) => data === `${last} state`))
    const states = slow.events.filter(({ name }) => name === 'cell:1').map(numberOf)
    expect(states).toEqual(states.toSorted((a, b) => a - b))
    expect(states.at(-1)).toBe(last)
    expect(new Set(states).size).toBe(states.length)
    await on.hub.publish('long', 'end')
    await Promise.all(
      [slow, quick].map((client) => client.until(() => client.events.at(-1)?.data === 'end')),
    )
    expect(on.hub.stats().lagging).toBe(1)
  })

  test('H-03 gets the snapshot when what it missed was given up meanwhile', async () => {
    const on = serve()
    on.hub.topic('short', { guard: 'public', keep: { count: 50 } })
    const slow = await connect(`${on.url}/stream?topic=short`)
    await live(slow)
    slow.pause()
    for (let n = 1; on.hub.stats().lagging === 0 && n < 3_000; n++) {
      await on.hub.publish('short', n + body)
      await Bun.sleep(0)
    }
    for (let n = 1; n <= 120; n++) await on.hub.publish('short', `<p>after ${n}</p>`)
    // Until the newest of what it can not have read is given up.
    const topic = 'short' as Parameters<typeof on.hub.log.last>[0]
    await settled(async () =>
      (await on.hub.log.last(topic, 1_000)).at(0)?.data.startsWith('<p>after'),
    )
    slow.resume()
    await slow.until(() => slow.lastEventId === on.hub.cursor(), 15_000)
    const repair = slow.events.findIndex(({ data }) => data.includes('innerHTML'))
    expect(repair).toBeGreaterThan(0)
    expect(slow.events[repair]?.data).toContain('after 120')
    expect(slow.events.slice(0, repair).map(numberOf)).toEqual(sequence(1, repair))
  })

  test('that never reads again is ended as stalled, and its row says so', async () => {
    const on = serve({ database: temporary(), limits: { heartbeat: 400 } })
    declare(on.hub)
    const stuck = await connect(`${on.url}/stream?topic=room:1`)
    const healthy = await connect(`${on.url}/stream?topic=room:2`)
    await Promise.all([live(stuck), live(healthy)])
    stuck.pause()
    for (let n = 1; on.hub.stats().lagging === 0 && n < 3_000; n++) {
      await on.hub.publish('room:1', n + body)
      await Bun.sleep(0)
    }
    expect(on.hub.stats().lagging).toBe(1)
    const beats = healthy.comments.length
    const row = on.hub.db.$client.query<{ state: string; reason: string | null }, []>(
      `select state, reason from hw_connection where topics = '["room:1"]'`,
    )
    await settled(() => row.get()?.state === 'lagging', 2_000)
    await settled(() => on.hub.stats().active < 2, 40_000)
    expect(on.hub.stats()).toMatchObject({ active: 1, lagging: 0 })
    await settled(() => row.get()?.state === 'closed')
    expect(row.get()).toEqual({ state: 'closed', reason: 'stalled' })
    await healthy.until(() => healthy.comments.length > beats)
    expect(healthy.ended).toBe(false)
  })

  test('that leaves while it lags leaves nothing behind', async () => {
    const on = serve()
    declare(on.hub)
    const slow = await connect(`${on.url}/stream?topic=room:1`)
    await live(slow)
    slow.pause()
    for (let n = 1; on.hub.stats().lagging === 0 && n < 3_000; n++) {
      await on.hub.publish('room:1', n + body)
      await Bun.sleep(0)
    }
    slow.cut()
    await settled(() => on.hub.stats().active === 0)
    expect(on.hub.stats()).toMatchObject({ active: 0, lagging: 0, topics: 0 })
  })

  test('is told done when its topic ended while it lagged', async () => {
    const on = serve()
    declare(on.hub)
    const slow = await connect(`${on.url}/stream?topic=room:1`)
    await live(slow)
    slow.pause()
    let count = 0
    while (on.hub.stats().lagging === 0 && count < 900) {
      await on.hub.publish('room:1', ++count + body)
      await Bun.sleep(0)
    }
    await on.hub.end('room:1')
    slow.resume()
    await slow.until(() => slow.ended, 15_000)
    expect(slow.events.at(-1)?.name).toBe('done')
    expect(slow.events.slice(0, -1).map(numberOf)).toEqual(sequence(1, count))
  })
})
