/**
 * The physical stream against a real server that answers as it is told.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Server } from 'bun'
import type { Change, Follow, Message, Over, Retry } from '../../src/client/messages'
import { stream } from '../../src/client/stream'
import { until } from '../support/browser'

setDefaultTimeout(20_000)

interface Asked {
  connection?: string
  follow: Follow[]
  drop: string[]
  headers: Headers
  at: number
}

type Answer = (asked: Asked) => Response | Promise<Response>

/** An event stream that the test writes to. */
interface Opened {
  send(text: string): void
  end(): void
}

const servers: Server<undefined>[] = []
afterEach(() => Promise.all(servers.splice(0).map((server) => server.stop(true))))

/** A page on a stream: it says again what it follows when it hears of a loss, as pages do. */
function start(answer: Answer) {
  const asked: Asked[] = []
  const said: Message[] = []
  const silences: number[] = []
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const one = { ...(await request.json()), headers: request.headers, at: performance.now() }
      asked.push(one)
      return answer(one)
    },
  })
  servers.push(server)
  let follows: Follow[] = []
  let life = 0
  const send = stream(`http://127.0.0.1:${server.port}/stream`, (batch, silence) => {
    said.push(...batch)
    silences.push(silence)
    if (!batch.some(([name]) => name === 'hw:retry')) return
    life++
    change({ follow: follows.map((one) => ({ ...one, id: `${one.id.split('~')[0]}~${life}` })) })
  })
  function change(given: Omit<Change, 'page'>): void {
    if (given.follow) follows = given.follow
    send({ page: '', ...given })
  }
  const frames = <Detail>(name: string) =>
    said.filter((one) => one[0] === name).map((one) => one[1] as Detail)
  return {
    asked,
    said,
    silences,
    change,
    frames,
    opens: () => asked.filter(({ connection }) => !connection),
    retries: () => frames<Retry>('hw:retry'),
    over: () => frames<Over[]>('hw:over').flat(),
    /** Waits for so many requests. */
    requests: (count: number) =>
      until(() => asked.length >= count, { timeout: 10_000, what: `${count} requests` }),
  }
}

const follow = (...ids: string[]): Follow[] =>
  ids.map((id) => ({ id, address: `/stream?topic=${id}`, cursor: 'E.1' }))

const idsOf = ({ follow }: Asked) => follow.map(({ id }) => id)

/** Opens streams with a short way back; changes are granted. */
function opening(heartbeat = 15_000) {
  const opened: Opened[] = []
  const answer: Answer = (asked) => {
    if (asked.connection) return Response.json({ refused: [] })
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        const encode = (text: string) => controller.enqueue(new TextEncoder().encode(text))
        encode(
          `retry: 20\n:\n\nevent: hw:open\ndata: ${JSON.stringify({ connection: `c${opened.length}`, heartbeat })}\n\n`,
        )
        const list = idsOf(asked).map((id) => [id, '^$'])
        encode(`event: hw:follow\ndata: ${JSON.stringify(list)}\n\n`)
        opened.push({ send: encode, end: () => controller.close() })
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
  return { opened, answer }
}

describe('the stream', () => {
  test('is opened for all at once, and hands on what comes in its order', async () => {
    const { opened, answer } = opening()
    const page = start(answer)
    page.change({ follow: follow('a', 'b'), headers: { 'x-csrf': '7' } })
    await until(() => page.frames('hw:follow').length === 1)
    opened[0]?.send(
      'event: a\ndata: snapshot\n\nid: E.2\nevent: b\ndata: 1\n\nid: E.3\ndata: patch\n\nid: E.4\n\n',
    )
    await until(() => page.said.length >= 6)
    expect(page.asked).toHaveLength(1)
    expect(page.asked[0]).toMatchObject({ follow: follow('a', 'b'), drop: [] })
    expect(page.asked[0]?.headers.get('x-csrf')).toBe('7')
    expect(page.asked[0]?.headers.get('content-type')).toBe('application/json')
    const [, joined, ...events] = page.said
    const both: [string, string][] = [
      ['a', '^$'],
      ['b', '^$'],
    ]
    expect(joined).toEqual(['hw:follow', both, { connection: 'c0', attempt: 0 }])
    expect(events).toEqual([
      ['a', 'snapshot', undefined],
      ['b', '1', 'E.2'],
      ['message', 'patch', 'E.3'],
      ['message', undefined, 'E.4'],
    ])
    expect(page.silences.at(-1)).toBe(45_000)
  })

  test('is changed one request at a time, with what has come together meanwhile', async () => {
    const { answer } = opening()
    const gate = Promise.withResolvers<void>()
    const page = start(async (asked) => {
      if (asked.connection && page.asked.length === 2) await gate.promise
      return answer(asked)
    })
    page.change({ follow: follow('a') })
    await until(() => page.frames('hw:follow').length === 1)
    page.change({ follow: follow('b') })
    await page.requests(2)
    page.change({ follow: follow('c', 'd') })
    page.change({ drop: ['a', 'd'] })
    gate.resolve()
    await page.requests(3)
    const [, first, second] = page.asked
    expect(first).toMatchObject({ connection: 'c0', follow: follow('b'), drop: [] })
    expect(second).toMatchObject({ connection: 'c0', follow: follow('c') })
    expect(second?.drop.toSorted()).toEqual(['a', 'd'])
  })

  test('asks for no more than 1,000 addresses at once', async () => {
    const { answer } = opening()
    const page = start(answer)
    page.change({ follow: follow(...Array.from({ length: 4_500 }, (_, n) => `n${n}`)) })
    await page.requests(5)
    expect(page.asked.map(({ follow }) => follow.length)).toEqual([1_000, 1_000, 1_000, 1_000, 500])
    expect(new Set(page.asked.flatMap(idsOf)).size).toBe(4_500)
  })

  test('comes back after 500s, with more and more time, and each time with what the pages say then', async () => {
    const { answer } = opening()
    const page = start((asked) =>
      page.asked.length < 3 ? new Response('<h1>no</h1>', { status: 500 }) : answer(asked),
    )
    page.change({ follow: follow('a') })
    await until(() => page.frames('hw:follow').length === 1, { timeout: 10_000 })
    expect(page.asked.map(idsOf)).toEqual([['a'], ['a~1'], ['a~2']])
    const retries = page.retries()
    expect(retries.map(({ attempt, status }) => [attempt, status])).toEqual([
      [1, 500],
      [2, 500],
    ])
    for (const [i, { delay }] of retries.entries()) {
      const waited = (page.asked[i + 1] as Asked).at - (page.asked[i] as Asked).at
      expect(delay).toBeGreaterThanOrEqual(500)
      expect(delay).toBeLessThanOrEqual(1_000 * 2 ** i)
      expect(waited).toBeGreaterThanOrEqual(delay - 5)
    }
    expect(JSON.stringify(page.said)).not.toContain('<h1>')
    expect(page.said.find(([name]) => name === 'hw:follow')?.[2]).toEqual({
      connection: 'c0',
      attempt: 2,
    })
  })

  test('tries at once when it is woken, but not before a Retry-After is over', async () => {
    const page = start(() => {
      const headers = page.asked.length === 2 ? { 'retry-after': '1' } : undefined
      return new Response('', { status: 503, ...(headers && { headers }) })
    })
    page.change({ follow: follow('a') })
    await until(() => page.retries().length === 1)
    page.change({ wake: true })
    await until(() => page.retries().length === 2)
    const [first, second] = page.asked as [Asked, Asked]
    expect(second.at - first.at).toBeLessThan(400)
    page.change({ wake: true })
    await page.requests(3)
    expect((page.asked[2] as Asked).at - second.at).toBeGreaterThanOrEqual(995)
    expect(page.retries()[1]?.delay).toBeGreaterThanOrEqual(1_500)
  })

  test('waits an hour at the most, whatever a Retry-After says, and asks no sooner for one that is none', async () => {
    for (const [after, least] of [
      ['99999999999', 3_600_000],
      ['1e308', 3_600_000],
      ['Wed, 21 Oct 2099 07:28:00 GMT', 0],
    ] as const) {
      const page = start(() => new Response('', { status: 503, headers: { 'retry-after': after } }))
      page.change({ follow: follow('a') })
      await until(() => page.retries().length === 1)
      await Bun.sleep(20)
      expect(page.retries()[0]?.delay).toBeWithin(least, least + 1_001)
      expect(page.asked).toHaveLength(1)
      page.change({ bye: true })
    }
  })

  test('notices a stall after 2.5 heartbeats, and not while comments come', async () => {
    const { opened, answer } = opening(100)
    const page = start(answer)
    page.change({ follow: follow('a') })
    await until(() => opened.length === 1)
    for (let i = 0; i < 6; i++) {
      await Bun.sleep(60)
      opened[0]?.send(':\n\n')
    }
    expect(page.retries()).toEqual([])
    const since = performance.now()
    await until(() => opened.length === 2)
    expect(performance.now() - since).toBeGreaterThanOrEqual(245)
    expect(page.retries()).toMatchObject([{ attempt: 1, silence: 250 }])
  })

  test('comes back when the server ends it or is gone', async () => {
    const { opened, answer } = opening()
    const page = start(answer)
    page.change({ follow: follow('a') })
    await until(() => opened.length === 1)
    opened[0]?.end()
    await until(() => opened.length === 2)
    expect(page.retries()).toMatchObject([{ attempt: 1 }])
    expect(page.retries()[0]?.status).toBeUndefined()
    expect(page.retries()[0]?.silence).toBeUndefined()
  })

  test.each([204, 401, 403, 410])('takes a whole answer of %d for final', async (status) => {
    const page = start(() => new Response(status === 204 ? null : 'no', { status }))
    page.change({ follow: follow('a', 'b') })
    await until(() => page.over().length === 2)
    expect(page.over()).toEqual([
      { id: 'a', status },
      { id: 'b', status },
    ])
    page.change({ wake: true })
    await Bun.sleep(50)
    expect(page.asked).toHaveLength(1)
    expect(page.retries()).toEqual([])
    // What comes later may try.
    page.change({ follow: follow('c') })
    await page.requests(2)
    expect(idsOf(page.asked[1] as Asked)).toEqual(['c'])
  })

  test('opens anew when a change is answered with 404', async () => {
    const { opened, answer } = opening()
    const page = start((asked) =>
      asked.connection === 'c0'
        ? new Response('no such connection', { status: 404 })
        : answer(asked),
    )
    page.change({ follow: follow('a') })
    await until(() => page.frames('hw:follow').length === 1)
    page.change({ follow: follow('a', 'b') })
    await until(() => opened.length === 2)
    expect(idsOf(page.opens()[1] as Asked)).toEqual(['a~1', 'b~1'])
  })

  test('tells of who is refused for good, asks again for who is refused for now, and keeps the others', async () => {
    const { opened, answer } = opening()
    const page = start((asked) =>
      asked.connection ? Response.json({ refused: [] }) : answer({ ...asked, follow: follow('a') }),
    )
    page.change({ follow: follow('a', 'b', 'c') })
    await until(() => opened.length === 1)
    const refused = [
      { id: 'b', status: 403, reason: 'Not yours.' },
      { id: 'c', status: 503, reason: 'Later.' },
    ]
    opened[0]?.send(`event: hw:refused\ndata: ${JSON.stringify(refused)}\n\n`)
    await page.requests(2)
    expect(page.over()).toEqual([refused[0] as Over])
    expect(page.asked[1]).toMatchObject({ connection: 'c0', follow: follow('c'), drop: [] })
    expect(page.retries()).toEqual([])
  })

  test('tells of who is done, and does not name it to the server again', async () => {
    const { opened, answer } = opening()
    const page = start(answer)
    page.change({ follow: follow('a', 'b') })
    await until(() => opened.length === 1)
    opened[0]?.send('event: hw:done\ndata: ["a"]\n\n')
    await until(() => page.over().length === 1)
    expect(page.over()).toEqual([{ id: 'a' }])
    page.change({ follow: follow('c'), drop: ['a'] })
    await page.requests(2)
    expect(page.asked[1]).toMatchObject({ follow: follow('c'), drop: [] })
  })

  test('is closed when nothing is followed any more, and opened again', async () => {
    const { opened, answer } = opening()
    const page = start(answer)
    page.change({ follow: follow('a') })
    await until(() => page.frames('hw:follow').length === 1)
    page.change({ drop: ['a'] })
    await Bun.sleep(30)
    expect(page.retries()).toEqual([])
    page.change({ follow: follow('b') })
    await until(() => opened.length === 2)
    expect(page.asked.map(({ connection }) => connection)).toEqual([undefined, undefined])
    page.change({ bye: true })
    await Bun.sleep(30)
    expect(page.retries()).toEqual([])
    expect(page.asked).toHaveLength(2)
  })
})
