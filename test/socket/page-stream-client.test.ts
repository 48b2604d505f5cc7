/**
 * The page of the tests itself: it keeps the order rule, and its random runs notice a server that loses, doubles or
 * mixes up. The server here is a small one of its own, so that a fault is where it was put.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Server } from 'bun'
import { cutAll } from '../support/client'
import { type Follow, isNewer, Page } from '../support/page-stream'
import { run, type Stage } from '../support/page-stream-run'

setDefaultTimeout(20_000)
const servers: Server<undefined>[] = []
afterEach(async () => {
  cutAll()
  await Promise.all(servers.splice(0).map((server) => server.stop(true)))
})

function listen(fetch: (request: Request) => Response | Promise<Response>): string {
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 0, fetch })
  servers.push(server)
  return `http://127.0.0.1:${server.port}`
}

/** Streams these frames to whoever asks, and ends. */
const telling = (...frames: string[]) =>
  listen(() => new Response(frames.join(''), { headers: { 'content-type': 'text/event-stream' } }))

const hw = (name: string, data: unknown) =>
  `event: hw:${name}\ndata: ${JSON.stringify(name === 'follow' ? listed(data) : data)}\n\n`
const listed = (ids: unknown) => (ids as string[]).map((id) => [id, '^$'])
const event = (id: string, name: string, data: string) =>
  `${id && `id: ${id}\n`}event: ${name}\ndata: ${data}\n\n`
const id = (id: string) => `id: ${id}\n\n`
const opening = `retry: 1733\n:\n\n${hw('open', { connection: 'c', heartbeat: 15_000 })}`

/** A page with two sources that follow `t`, `a` from nowhere and `b` from e.3, and one that follows `u`. */
async function told(...frames: string[]) {
  const page = new Page(telling(opening, ...frames))
  const a = page.add('/stream?topic=t', ['t'], { id: 'a' })
  const b = page.add('/stream?topic=t&since=e.3', ['t'], { id: 'b' })
  const u = page.add('/stream?topic=u', ['u', 'message'], { id: 'u', cursor: 'e.1' })
  await page.open()
  await page.until(() => page.client.ended)
  return { page, a, b, u }
}

describe('the page of the tests', () => {
  test('compares ids as numbers, and takes another epoch for newer', () => {
    expect(isNewer('e.10', 'e.9')).toBe(true)
    expect(isNewer('e.9', 'e.10')).toBe(false)
    expect(isNewer('e.9', 'e.9')).toBe(false)
    expect(isNewer('f.1', 'e.9')).toBe(true)
    expect(isNewer('e.1', undefined)).toBe(true)
  })

  test('gives an event to those that are in, listen, and do not have it', async () => {
    const { page, a, b, u } = await told(
      hw('follow', ['a', 'b']),
      event('e.2', 't', '2'),
      event('e.4', 't', '4'),
      hw('follow', ['u']),
      event('', 't', 'signal'),
      event('e.5', 'u', '5'),
      'id: e.6\ndata: patch\n\n',
    )
    expect(page.faults).toEqual([])
    expect([a.datas, b.datas, u.datas]).toEqual([
      ['2', '4', 'signal'],
      ['4', 'signal'],
      ['5', 'patch'],
    ])
    expect([a.cursor, b.cursor, u.cursor, page.position]).toEqual(['e.6', 'e.6', 'e.6', 'e.6'])
    expect([a.repeats, b.repeats, page.heartbeat, page.connection]).toEqual([0, 1, 15_000, 'c'])
  })

  test('gives what comes once more to those that joined since, until they are level', async () => {
    const { page, a, b } = await told(
      hw('follow', ['a']),
      event('e.7', 't', '7'),
      hw('follow', ['b']),
      event('e.4', 't', '4'),
      event('e.7', 't', '7'),
      event('e.8', 't', '8'),
    )
    expect(page.faults).toEqual([])
    expect([a.datas, b.datas]).toEqual([
      ['7', '8'],
      ['4', '7', '8'],
    ])
  })

  test('keeps the own cursor of who is cut while it is behind', async () => {
    const { a, b } = await told(
      hw('follow', ['a']),
      event('e.7', 't', '7'),
      hw('follow', ['b']),
      event('e.4', 't', '4'),
    )
    expect([a.cursor, b.cursor]).toEqual(['e.7', 'e.4'])
  })

  test('notes an id that comes again for nobody, also after an id alone', async () => {
    const { page } = await told(
      hw('follow', ['a', 'b', 'u']),
      event('e.5', 't', '5'),
      event('e.4', 't', '4'),
    )
    expect(page.faults).toEqual(['e.4 again, at e.5'])
    const { page: other } = await told(
      hw('follow', ['a', 'u']),
      event('e.5', 't', '5'),
      hw('follow', ['b']),
      id('e.5'),
      event('e.5', 't', '5'),
    )
    expect(other.faults).toEqual(['e.5 again, at e.5'])
  })

  test('notes control frames that make no sense, and what nobody listens to', async () => {
    const { page, a, b } = await told(
      hw('follow', ['a', 'x']),
      hw('done', ['a', 'b']),
      hw('refused', [{ id: 'b', status: 403, reason: 'No.' }]),
      event('e.5', 't', '5'),
      opening,
    )
    expect(page.faults).toEqual([
      'hw:follow of x, which is undefined',
      'hw:done of b, which is asked',
      'hw:open twice',
    ])
    expect([a.state, b.state, b.refused?.status]).toEqual(['done', 'refused', 403])
    expect(page.strays.map(({ name }) => name)).toEqual(['t'])
  })
})

type Fault = 'none' | 'lose' | 'double' | 'swap' | 'lose at a change' | 'forget a snapshot'

/** A server with a log in memory that does it right, but for one fault. */
function pretend(fault: Fault): Stage {
  type Open = { subscribed: Map<string, string[]>; send: (frame: string) => void }
  const events: { topic: string; data: string }[] = []
  const connections = new Map<string, Open>()
  const topics = ['t', 'u', 'v', 'w', 'cell:x']
  const frameOf = (seq: number) => {
    const { topic, data } = events[seq - 1] as { topic: string; data: string }
    return event(`e.${seq}`, topic, data)
  }
  let held: number | undefined
  const tell = (seq: number, times = 1) => {
    for (const { subscribed, send } of connections.values()) {
      const wants = [...subscribed.values()].some((of) => of.includes(events[seq - 1]?.topic ?? ''))
      if (wants) send(frameOf(seq).repeat(times))
    }
  }
  const live = (seq: number) => {
    const isOdd = seq % 20 === 0
    if (fault === 'lose' && isOdd) return
    if (fault === 'swap' && isOdd) {
      held = seq
      return
    }
    tell(seq, fault === 'double' && isOdd ? 2 : 1)
    if (held !== undefined) tell(held)
    held = undefined
  }
  const follow = ({ subscribed, send }: Open, asked: Follow[]) => {
    let text = hw(
      'follow',
      asked.map((one) => one.id),
    )
    let from = events.length
    const wanted = new Set<string>()
    const shown = new Set<string>()
    for (const { id, address, cursor } of asked) {
      const { searchParams } = new URL(address, 'http://localhost')
      const of = searchParams.getAll('topic')
      subscribed.set(id, of)
      const since = cursor ?? searchParams.get('since')
      for (const topic of of) (since ? wanted : shown).add(topic)
      if (since) from = Math.min(from, Number(since.slice(2)))
    }
    for (const topic of shown) {
      const items = events.filter((one) => one.topic === topic).map(({ data }) => data)
      if (fault === 'forget a snapshot') continue
      text += event('', topic, `innerHTML ${items.join('')}`)
    }
    for (let seq = from + 1; seq <= events.length; seq++) {
      const { topic } = events[seq - 1] as { topic: string }
      if (!wanted.has(topic) || shown.has(topic)) continue
      if (fault !== 'lose at a change' || seq % 5 > 0) text += frameOf(seq)
    }
    send(text + id(`e.${events.length}`))
  }
  const open = (asked: Follow[]) => {
    const connection = crypto.randomUUID()
    const start = (controller: ReadableStreamDefaultController) => {
      const send = (text: string) => controller.enqueue(new TextEncoder().encode(text))
      const made: Open = { subscribed: new Map(), send }
      connections.set(connection, made)
      send(hw('open', { connection, heartbeat: 1 }))
      follow(made, asked)
    }
    const cancel = () => void connections.delete(connection)
    return new Response(new ReadableStream({ start, cancel }))
  }
  const url = listen(async (request) => {
    const { connection, follow: asked = [], drop = [] } = await request.json()
    if (connection === undefined) return open(asked)
    const known = connections.get(connection)
    if (!known) return new Response('', { status: 404 })
    for (const one of drop) known.subscribed.delete(one)
    if (asked.length > 0) follow(known, asked)
    return Response.json({ refused: [] })
  })
  return {
    url: () => url,
    topics,
    cursor: () => `e.${events.length}`,
    publish: async (topic, data) => {
      const seq = events.push({ topic, data })
      live(seq)
      return `e.${seq}`
    },
    address: (of, since) =>
      `/stream?${of.map((topic) => `topic=${topic}`).join('&')}${since ? `&since=${since}` : ''}`,
  }
}

describe('a random run', () => {
  test('finds no fault in a server that does it right', async () => {
    let total = { follows: 0, drops: 0, returns: 0 }
    for (const seed of [1, 2, 3, 4, 5]) {
      const { faults, counts } = await run(pretend('none'), { seed })
      expect([seed, faults]).toEqual([seed, []])
      expect(counts.got).toBeGreaterThan(500)
      const { follows, drops, returns } = counts
      total = {
        follows: total.follows + follows,
        drops: total.drops + drops,
        returns: total.returns + returns,
      }
    }
    expect(Math.min(total.follows, total.drops, total.returns)).toBeGreaterThan(5)
  })

  for (const fault of [
    'lose',
    'double',
    'swap',
    'lose at a change',
    'forget a snapshot',
  ] as const) {
    test(`finds a server that is made to ${fault}`, async () => {
      const ran = [6, 7, 8, 9, 10].map((seed) => run(pretend(fault), { seed }))
      expect((await Promise.all(ran)).some(({ faults }) => faults.length > 0)).toBe(true)
    })
  }
})
