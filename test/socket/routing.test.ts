/**
 * Routing over a real socket: patterns, priorities, middleware, hooks, actions and the history of a topic.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { action, type ConnectionDetails, MultiStreamManager, swap, text } from 'headwater'
import { type Log, memoryLog } from 'headwater/log'
import { meta } from '../../src/db/schema'
import { type Client, connect } from '../support/client'
import { cleanUp, declare, type Site, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(30_000)
afterEach(cleanUp)

type Options = NonNullable<Parameters<typeof serve>[0]>

const live = (client: Client) => client.until(() => client.lastEventId !== '')
const datas = (client: Client) => client.events.map(({ data }) => data)
const named = (client: Client) => client.events.map(({ name, data }) => [name, data])

/** A site that also says to which topics its errors belong. */
function serveReporting(options: Options = {}) {
  const reported: [string, string | undefined][] = []
  const onError = (error: unknown, topic?: string) => {
    reported.push([(error as Error).message, topic])
  }
  return { reported, ...serve({ onError, ...options }) }
}

async function follow(on: Pick<Site, 'hub' | 'url'>, ...topics: string[]): Promise<Client> {
  const client = await connect(on.url + on.hub.address(topics))
  await live(client)
  return client
}

describe('C-43 patterns', () => {
  test('`*` is one segment, `**` any number, dots are themselves', async () => {
    const on = serve()
    const patterns = ['job:*', 'job:**', '**:done.x', 'a.b', 'a.*', '*:*:b']
    const clients = await Promise.all(patterns.map((pattern) => follow(on, pattern).catch(String)))
    const topics = ['job', 'job:a', 'job:a:b', 'x:y:done.x', 'x:donexx', 'done.x', 'a.b', 'axb']
    for (const topic of [...topics, 'end:a']) await on.hub.publish(topic, topic)
    expect(clients[4]).toContain('TypeError')
    const got = async (at: number, count: number) => {
      const client = clients[at] as Client
      await client.until(() => client.events.length >= count)
      return datas(client)
    }
    expect(await got(0, 1)).toEqual(['job:a'])
    expect(await got(1, 3)).toEqual(['job', 'job:a', 'job:a:b'])
    expect(await got(2, 2)).toEqual(['x:y:done.x', 'done.x'])
    expect(await got(3, 1)).toEqual(['a.b'])
    expect(await got(5, 1)).toEqual(['job:a:b'])
  })

  test('of several declarations the highest priority holds, then the first, a manager’s own always', async () => {
    const on = serve()
    on.hub.topic('**', { kind: 'signal' })
    on.hub.topic('room:*', { kind: 'state' })
    on.hub.topic('room:1', { kind: 'log', priority: 2 })
    on.hub.topic('cell:*', { kind: 'state', priority: 1 })
    on.hub.topic('job:**', { kind: 'signal', guard: 'public', priority: 1e9 })
    new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'job',
      getEntity: (id) => ({ id }),
    }).register({ name: 'lines', kind: 'log', render: (line: string) => line })
    const kinds = ['room:2', 'room:1', 'cell:1', 'job:1:lines', 'job:1:more']
    expect(kinds.map((topic) => on.hub.kindOf(topic))).toEqual([
      'signal',
      'log',
      'state',
      'log',
      'signal',
    ])
    expect((await connect(`${on.url}/stream?topic=job:1:lines`)).status).toBe(403)
    await on.hub.publish('cell:1', 'old')
    await on.hub.publish('cell:1', 'new')
    await settled(async () => (await on.hub.history('cell:1')).items[0]?.html === 'new')
    expect((await on.hub.history('cell:1')).items).toHaveLength(1)
  })
})

describe('C-43 middleware', () => {
  test('runs by priority and then in the order of declaration, across patterns', async () => {
    const on = serve()
    const mark = (name: string) => (event: { content: unknown }) => `${event.content}${name}`
    on.hub
      .use('room:*', mark('a'))
      .use('**', mark('b'), { priority: 5 })
      .use('room:1', mark('c'))
      .use('room:1', mark('d'), { priority: -1 })
      .use('**:1', mark('e'), { priority: 5 })
      .use('other', mark('x'), { priority: 9 })
    const client = await follow(on, 'room:1', 'room:2', 'lobby')
    await on.hub.publish('room:1', '')
    await on.hub.publish('room:2', '')
    await on.hub.publish('lobby', '')
    await client.until(() => client.events.length === 3)
    expect(datas(client)).toEqual(['beacd', 'ba', 'b'])
  })

  test('is given what is about to be published, frozen, and rewrites, drops or leaves it', async () => {
    const { reported, ...on } = serveReporting()
    declare(on.hub)
    const seen: unknown[] = []
    on.hub.use('*:1', (event) => {
      seen.push({ ...event })
      if (`${event.content}`.includes('drop')) return null
      if (event.content === 'swap') return swap.innerHTML('#x', 'swapped')
      if (event.content === 'mutate') (event as { content: string }).content = 'changed'
      return event.content === 'rewrite' ? '<b>rewritten</b>' : undefined
    })
    const client = await follow(on, 'room:1', 'cell:1', 'flash:1')
    expect(await on.hub.publish('room:1', 'leave', { key: 7 })).toBe(on.hub.cursor())
    const before = on.hub.cursor()
    expect(await on.hub.publish('room:1', () => 'drop')).toBeUndefined()
    expect(await on.hub.publish('room:1', Promise.resolve(null))).toBeUndefined()
    expect(on.hub.cursor()).toBe(before)
    await on.hub.publish('cell:1', async () => 'rewrite')
    await on.hub.publish('flash:1', Promise.resolve('leave'))
    await on.hub.publish('room:1', 'swap')
    await on.hub.publish('room:1', 'mutate')
    await client.until(() => client.events.length === 5)
    expect(named(client)).toEqual([
      ['room:1', 'leave'],
      ['cell:1', '<b>rewritten</b>'],
      ['flash:1', 'leave'],
      ['message', swap.innerHTML('#x', 'swapped').html],
      ['room:1', 'mutate'],
    ])
    expect(seen.slice(0, 4)).toEqual([
      { topic: 'room:1', kind: 'log', key: '7', content: 'leave' },
      { topic: 'room:1', kind: 'log', key: undefined, content: 'drop' },
      { topic: 'cell:1', kind: 'state', key: '', content: 'rewrite' },
      { topic: 'flash:1', kind: 'signal', key: undefined, content: 'leave' },
    ])
    expect(reported.map(([, topic]) => topic)).toEqual(['room:1'])
    const { items } = await on.hub.history('room:1')
    expect(items.map(({ html }) => html)).not.toContain('drop')
  })

  test('sees what managers publish, patches too, and no end', async () => {
    const on = serve()
    const ticks = declare(on.hub)
    const seen: unknown[] = []
    on.hub.use('**', ({ topic, key, content }) => {
      seen.push([topic, key, `${content}`])
      return null
    })
    // What was dropped is given to nobody else.
    on.hub.use('**', ({ content }) => {
      seen.push(content)
    })
    const client = await connect(`${on.url}/stream?topic=room:1`)
    await live(client)
    await ticks.publish('1', 'lines', 5)
    const patch = swap.delete('#row')
    await ticks.patch('1', patch, { key: 'gone' })
    await on.hub.end('room:1')
    await client.until(() => client.ended)
    expect(named(client)).toEqual([['done', '']])
    expect(seen).toEqual([
      ['tick:1:lines', '5', '<li>5</li>'],
      ['tick:1:patch', 'gone', patch.html],
    ])
  })

  test('that is slow keeps the order of its topic, and others do not wait', async () => {
    const on = serve()
    declare(on.hub)
    const waits: Record<string, number> = { 1: 40, 2: 10, 3: 0 }
    on.hub.use('room:1', ({ content }) => Bun.sleep(waits[`${content}`] ?? 0))
    const client = await follow(on, 'room:*')
    const all = ['1', '2', '3', '4'].map((n) => on.hub.publish('room:1', n))
    await on.hub.publish('room:2', 'other')
    await Promise.all(all)
    await client.until(() => client.events.length === 5)
    expect(datas(client)).toEqual(['other', '1', '2', '3', '4'])
  })

  test('counts toward the time of a render, and what comes after is published', async () => {
    const on = serve({ limits: { render: 60 } })
    declare(on.hub)
    on.hub.use('room:1', ({ content }) => Bun.sleep({ slow: 45, slower: 90 }[`${content}`] ?? 0))
    const slow = on.hub.publish('room:1', () => Bun.sleep(45).then(() => 'slow'))
    const slower = on.hub.publish('room:1', 'slower')
    const next = on.hub.publish('room:1', 'next')
    slower.catch(() => {})
    await expect(slow).rejects.toThrow(/took longer than 60 ms/)
    await expect(slower).rejects.toThrow(/took longer than 60 ms/)
    expect(await next).toBe(on.hub.cursor())
    expect((await on.hub.history('room:1')).items.map(({ html }) => html)).toEqual(['next'])
  })

  test('that answers at once leaves the publishes of a turn one transaction, as none does', async () => {
    const inner = memoryLog()
    const batches: number[] = []
    const append: Log['append'] = (entries) => {
      batches.push(entries.length)
      return inner.append(entries)
    }
    const log = new Proxy(inner, {
      get: (_, name) => {
        const value = name === 'append' ? append : Reflect.get(inner, name)
        return typeof value === 'function' ? value.bind(inner) : value
      },
    })
    const on = serve({ log })
    const publishAll = (topic: string) =>
      Promise.all(Array.from({ length: 50 }, (_, n) => on.hub.publish(topic, () => `${n}`)))
    await publishAll('plain')
    on.hub.use('rooms', ({ content }) => `<p>${content}</p>`)
    await publishAll('rooms')
    await publishAll('plain')
    expect(batches).toEqual([50, 50, 50])
  })

  test('that publishes to its own topic is told so, instead of waiting for itself', async () => {
    const { reported, ...on } = serveReporting()
    declare(on.hub)
    on.hub.use('**', async ({ topic }) => {
      await on.hub.publish(topic === 'room:1' ? 'room:2' : topic, 'more')
    })
    const client = await follow(on, 'room:*')
    await on.hub.publish('room:1', 'one')
    await client.until(() => client.events.length === 2)
    expect(named(client)).toEqual([
      ['room:2', 'more'],
      ['room:1', 'one'],
    ])
    expect(reported).toEqual([[expect.stringContaining('it would wait for itself'), 'room:2']])
  })
})

describe('C-44 hooks', () => {
  test('a middleware that throws, rejects or gives nonsense is reported, and changes nothing', async () => {
    const { reported, ...on } = serveReporting()
    declare(on.hub)
    on.hub
      .use('room:*', ({ content }) => `<i>${content}</i>`)
      .use('room:1', () => {
        throw new Error('thrown')
      })
      .use('room:2', async () => {
        throw new Error('rejected')
      })
      .use('room:3', (() => 42) as never)
      .use('room:*', ({ content }) => `${content}!`)
    const client = await follow(on, 'room:*')
    const ids = []
    for (const n of [1, 2, 3, 4]) ids.push(await on.hub.publish(`room:${n}`, `${n}`))
    await client.until(() => client.events.length === 4)
    expect(client.events.map(({ id, data }) => [id, data])).toEqual(
      ids.map((id, i) => [id as string, `<i>${i + 1}</i>!`]),
    )
    expect(reported).toEqual([
      ['thrown', 'room:1'],
      ['rejected', 'room:2'],
      [expect.stringMatching(/Expected HTML, a patch, null or nothing.*got number/), 'room:3'],
    ])
  })

  test('each connection is told of once when it opens and once when it ends, with the reason', async () => {
    const told: [string, string, string?][] = []
    const on = serve({
      limits: { heartbeat: 400 },
      onConnect: ({ id }) => told.push(['+', id]),
      onDisconnect: ({ id }, reason) => told.push(['-', id, reason]),
    })
    declare(on.hub)
    on.hub.topic('bad', {
      guard: 'public',
      kind: 'state',
      snapshot: () => {
        throw new Error('no snapshot')
      },
    })
    const follow = (topic: string) => connect(`${on.url}/stream?topic=${topic}`)
    const ends = () => told.filter(([sign]) => sign === '-')
    const reasons = () => ends().map(([, , reason]) => reason)
    const after = (count: number) => settled(() => ends().length === count, 20_000)

    const left = await follow('room:left')
    await live(left)
    left.cut()
    await after(1)
    await follow('bad')
    await after(2)
    const done = await follow('room:done')
    await live(done)
    await on.hub.end('room:done')
    await after(3)
    // Ended before it is opened: it opens and ends in one turn.
    await follow('room:done')
    await after(4)
    const stuck = await follow('room:stuck')
    await live(stuck)
    stuck.pause()
    const body = 'x'.repeat(100_000)
    for (let n = 0; on.hub.stats().lagging === 0 && n < 300; n++) {
      await on.hub.publish('room:stuck', body)
      await Bun.sleep(0)
    }
    await after(5)
    const drained = await Promise.all([1, 2, 3].map(() => follow('room:1')))
    await Promise.all(drained.map(live))
    await on.hub.drain({ within: 0 })
    await after(8)
    expect(reasons()).toEqual([
      'left',
      'failed',
      'done',
      'done',
      'stalled',
      'drained',
      'drained',
      'drained',
    ])
    const opened = told.filter(([sign]) => sign === '+').map(([, id]) => id)
    expect(new Set(opened).size).toBe(8)
    expect(
      ends()
        .map(([, id]) => id)
        .sort(),
    ).toEqual([...opened].sort())
    for (const id of opened) {
      expect(told.filter(([, of]) => of === id).map(([sign]) => sign)).toEqual(['+', '-'])
    }
  })

  test('those of a hub that closes are told of, refused requests are not', async () => {
    const told: string[] = []
    const on = serve({
      onConnect: ({ topics }) => told.push(`+${topics}`),
      onDisconnect: ({ topics }, reason) => told.push(`-${topics} ${reason}`),
    })
    declare(on.hub)
    const client = await connect(`${on.url}/stream?topic=room:1`)
    await live(client)
    expect((await connect(`${on.url}/stream?topic=secret`)).status).toBe(403)
    await on.stop()
    expect(told).toEqual(['+room:1', '-room:1 closed'])
  })

  test('they are given the registry’s record, which they can not change', async () => {
    const told: ConnectionDetails[] = []
    const on = serve({
      viewer: (request) => request.headers.get('x-user'),
      onConnect: (connection) => told.push(connection),
      onDisconnect: (connection) => told.push(connection),
    })
    declare(on.hub)
    const client = await connect(`${on.url}/stream/tick/lines?id=1`, {
      headers: { 'x-user': 'ann', 'user-agent': 'tests' },
    })
    await client.until(() => client.events.length > 3)
    client.cut()
    await settled(() => told.length === 2)
    const [opened, ended] = told as [ConnectionDetails, ConnectionDetails]
    expect(opened).toMatchObject({
      kind: 'tick/lines',
      topics: ['tick:1:lines'],
      entity: '1',
      viewer: 'ann',
      agent: 'tests',
      state: 'open',
      reason: null,
      events: 0,
    })
    expect(opened.address).toContain('127.0.0.1')
    expect(ended).toMatchObject({ id: opened.id, state: 'closed', reason: 'left', viewer: 'ann' })
    expect(ended.events).toBeGreaterThan(3)
    expect(ended.bytes).toBeGreaterThan(ended.events)
    expect(Object.isFrozen(opened) && Object.isFrozen(opened.topics)).toBe(true)
    on.hub.registry.flush()
    const row = on.hub.db.$client.query('select viewer, events from hw_connection where id = ?')
    expect(row.get(opened.id)).toEqual({ viewer: 'ann', events: ended.events })
  })

  test('one that throws or rejects is reported, and the connections open, work and close all the same', async () => {
    const on = serve({
      onConnect: ({ topics: [topic] }) => {
        if (topic === 'room:1') throw new Error('at connect')
        return Promise.reject(new Error('at connect, later'))
      },
      onDisconnect: async () => {
        throw new Error('at disconnect')
      },
    })
    declare(on.hub)
    const clients = await Promise.all(
      ['room:1', 'room:2'].map((topic) => connect(`${on.url}/stream?topic=${topic}`)),
    )
    await Promise.all(clients.map(live))
    for (const n of [1, 2]) await on.hub.publish(`room:${n}`, `${n}`)
    for (const client of clients) await client.until(() => client.events.length === 1)
    clients[0]?.cut()
    await settled(() => on.hub.stats().active === 1)
    await on.hub.publish('room:2', 'more')
    await clients[1]?.until(() => clients[1]?.events.length === 2)
    clients[1]?.cut()
    await settled(() => on.errors.length === 4)
    expect(on.errors.map((error) => (error as Error).message).sort()).toEqual([
      'at connect',
      'at connect, later',
      'at disconnect',
      'at disconnect',
    ])
  })

  test('one may give a query that begins only when it is waited for', async () => {
    const on = serve({
      onConnect: ({ id }) => on.hub.db.insert(meta).values({ name: 'came', value: id }),
    })
    declare(on.hub)
    const come = () => connect(`${on.url}/stream?topic=room:1`)
    await live(await come())
    const row = on.hub.db.$client.query("select value from hw_meta where name = 'came'")
    await settled(() => row.get() !== null)
    // The name is taken, so the second fails, and that is reported.
    await live(await come())
    await settled(() => on.errors.length === 1)
    expect(on.hub.stats().active).toBe(2)
  })

  test('one may publish: who comes is shown to the others', async () => {
    const on = serve({
      onConnect: ({ agent }) => on.hub.publish('room:1', `+${agent}`),
      onDisconnect: ({ agent }) => on.hub.publish('room:1', `-${agent}`),
    })
    declare(on.hub)
    const come = async (agent: string) => {
      const client = await connect(`${on.url}/stream?topic=room:1`, {
        headers: { 'user-agent': agent },
        lastEventId: on.hub.cursor(),
      })
      await live(client)
      return client
    }
    const ann = await come('ann')
    const bob = await come('bob')
    await ann.until(() => ann.events.length === 2)
    bob.cut()
    await ann.until(() => ann.events.length === 3)
    expect(datas(ann)).toEqual(['+ann', '+bob', '-bob'])
  })
})

describe('C-45 an action', () => {
  const phases = {
    started: ({ args: [name] }: { args: readonly [string] }) => `<i>starting ${text(name)}</i>`,
    done: (result: number) => `<b>${result}</b>`,
    failed: (error: unknown) => `<b role="alert">${text((error as Error).message)}</b>`,
  }
  const handlers: [string, (name: string) => number | Promise<number>][] = [
    ['at once', (name) => lengthOf(name)],
    ['later', (name) => Bun.sleep(5).then(() => lengthOf(name))],
  ]
  function lengthOf(name: string): number {
    if (name.startsWith('bad')) throw new Error(name)
    return name.length
  }

  for (const [when, handler] of handlers) {
    test(`that is over ${when} publishes its start, its result and its error around the handler`, async () => {
      const on = serve()
      declare(on.hub)
      const act = action(on.hub, (name) => `room:${name.length}`, handler, phases)
      const client = await follow(on, 'room:*')
      expect(await act('four')).toBe(4)
      expect((await on.hub.history('room:4')).items).toHaveLength(2)
      const failed = await act('bad <x>').catch((error) => error)
      expect(failed).toEqual(new Error('bad <x>'))
      // Kept before the caller got the error.
      const { items } = await on.hub.history('room:7')
      expect(items.at(-1)?.html).toBe('<b role="alert">bad &lt;x&gt;</b>')
      await client.until(() => client.events.length === 4)
      expect(named(client)).toEqual([
        ['room:4', '<i>starting four</i>'],
        ['room:4', '<b>4</b>'],
        ['room:7', '<i>starting bad &lt;x&gt;</i>'],
        ['room:7', '<b role="alert">bad &lt;x&gt;</b>'],
      ])
    })
  }

  test('shows its start before the handler is over', async () => {
    const on = serve()
    declare(on.hub)
    const gate = Promise.withResolvers<number>()
    const act = action(on.hub, 'room:1', () => gate.promise, {
      started: () => 'started',
      done: (n) => `done ${n}`,
    })
    const client = await follow(on, 'room:1')
    const called = act()
    await client.until(() => client.events.length === 1)
    gate.resolve(3)
    expect(await called).toBe(3)
    await client.until(() => client.events.length === 2)
    expect(datas(client)).toEqual(['started', 'done 3'])
  })

  test('publishes nothing for phases that are not given, or give nothing', async () => {
    const on = serve()
    declare(on.hub)
    const before = on.hub.cursor()
    expect(await action(on.hub, 'room:1', () => 1)()).toBe(1)
    const failing = action(on.hub, 'room:1', () => Promise.reject(new Error('own')), {
      started: () => null,
      done: () => 'never',
    })
    await expect(failing()).rejects.toThrow('own')
    expect(on.hub.cursor()).toBe(before)
  })

  test('whose phases fail is reported, and gives the handler’s result or error', async () => {
    const { reported, ...on } = serveReporting()
    declare(on.hub)
    const fail = (what: string) => () => {
      throw new Error(what)
    }
    const failing = {
      started: async () => fail('started')(),
      done: fail('done'),
      failed: () => ({}) as never,
    }
    expect(await action(on.hub, 'room:1', () => 'result', failing)()).toBe('result')
    const thrown = new Error('own')
    const act = action(on.hub, 'room:1', () => Promise.reject(thrown), failing)
    expect(await act().catch((error) => error)).toBe(thrown)
    expect(reported).toEqual([
      ['started', 'room:1'],
      ['done', 'room:1'],
      ['started', 'room:1'],
      [expect.stringContaining('Expected HTML for "room:1"'), 'room:1'],
    ])
  })

  test('keeps concurrent calls apart by an id', async () => {
    const on = serve()
    declare(on.hub)
    const act = action(on.hub, 'room:1', (n: number) => Bun.sleep(20 - n * 4).then(() => n * n), {
      started: ({ id, args: [n] }) => `<p id="${id}">${n} …</p>`,
      done: (result, { id, args: [n] }) => swap.outerHTML(`#${id}`, `<p>${n} is ${result}</p>`),
    })
    const client = await follow(on, 'room:1')
    expect(await Promise.all([1, 2, 3, 4].map((n) => act(n)))).toEqual([1, 4, 9, 16])
    await client.until(() => client.events.length === 8)
    const ids = datas(client)
      .slice(0, 4)
      .map((data) => /id="(call-[\w-]+)"/.exec(data)?.[1] as string)
    expect(new Set(ids).size).toBe(4)
    for (const [i, id] of ids.entries()) {
      const own = datas(client).filter((data) => data.includes(id))
      expect(own[0]).toBe(`<p id="${id}">${i + 1} …</p>`)
      expect(own.slice(1)).toEqual([expect.stringContaining(`${i + 1} is ${(i + 1) ** 2}`)])
    }
  })

  test('publishes to the streams of a manager as the manager does', async () => {
    const on = serve()
    const jobs = new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'job',
      getEntity: (id) => ({ id }),
      guard: 'public',
    })
      .register({ name: 'state', kind: 'state', render: () => 'by the manager' })
      .register({ name: 'lines', kind: 'log', render: (line: string) => `<li>${line}</li>` })
    const since = on.hub.cursor()
    await jobs.publish('1', 'state', { id: '1' })
    const say = { started: () => '<li>started</li>', done: () => '<li>done</li>' }
    await action(on.hub, jobs.topic('1', 'state'), () => {}, say)()
    await action(
      on.hub,
      (id: string) => jobs.topic(id, 'lines'),
      () => {},
      say,
    )('1')
    // One value of the state, whoever published it.
    const states = await on.hub.history('job:1:state')
    expect(states.items.map(({ html }) => html)).toEqual(['<li>done</li>'])
    const client = await connect(`${on.url}/stream/job/lines?id=1&since=${since}`)
    await client.until(() => client.events.length === 2)
    // Items have ids, so that a replay replaces instead of doubling.
    for (const data of datas(client)) expect(data).toMatch(/delete.*<li id="job-1-lines-\d+">/s)
  })

  test('to a topic that is none is refused before the handler is called', async () => {
    const on = serve()
    let called = 0
    const handler = () => called++
    expect(() => action(on.hub, 'room:*', handler)).toThrow(TypeError)
    const act = action(on.hub, (topic: string) => topic, handler)
    await expect(act('a b')).rejects.toBeInstanceOf(TypeError)
    expect(called).toBe(0)
  })
})

for (const [what, options] of [
  ['SQLite', () => ({ database: temporary() })],
  ['memory', () => ({ log: memoryLog() })],
] as [string, () => Options][]) {
  describe(`C-46 history, with ${what}`, () => {
    const hour = 3_600_000
    /** Events of `room:1` at these times, among others. */
    function append(
      on: Site,
      times: readonly number[],
      key: (n: number) => string | null = () => null,
    ) {
      for (const [i, at] of times.entries()) {
        const entry = { kind: 'log', form: 'slot', data: `${i + 1}`, at } as const
        void on.hub.log.append([
          { ...entry, topic: 'room:2' as never, key: null },
          { ...entry, topic: 'room:1' as never, key: key(i + 1) },
        ])
      }
    }
    const htmls = (items: { html: string }[]) => items.map(({ html }) => html)
    const numbers = (from: number, to: number) =>
      Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => `${from + i}`)
    /** What a page that follows from there is sent. */
    async function after(on: Site, cursor: string, topic = 'room:1') {
      const client = await connect(on.url + on.hub.address([topic], { since: cursor }))
      await client.until(() => client.lastEventId === on.hub.cursor())
      client.cut()
      return datas(client)
    }

    test('is the newest n, or all, oldest first, within the declared count', async () => {
      const on = serve(options())
      on.hub.topic('room:*', { keep: { count: 12 } })
      append(
        on,
        numbers(1, 15).map(() => Date.now()),
      )
      expect(htmls((await on.hub.history('room:1', { last: 3 })).items)).toEqual(numbers(13, 15))
      for (const wanted of [{}, { last: 99 }, { since: 0 }, { until: Date.now() + hour }]) {
        expect(htmls((await on.hub.history('room:1', wanted)).items)).toEqual(numbers(4, 15))
      }
      const { items, cursor } = await on.hub.history('room:1')
      expect(cursor).toBe(items.at(-1)?.id as never)
      expect(items[0]?.at).toBeInstanceOf(Date)
    })

    test('leaves out what is older than the declared age', async () => {
      const on = serve(options())
      on.hub.topic('room:*', { keep: { age: hour } })
      const now = Date.now()
      append(on, [now - 3 * hour, now - 2 * hour, now - hour / 2, now])
      for (const wanted of [{}, { since: 0 }, { last: 4 }, { until: now }]) {
        const { items, cursor } = await on.hub.history('room:1', wanted)
        expect(htmls(items)).toEqual(['3', '4'])
        expect(await after(on, cursor)).toEqual([])
      }
      const none = await on.hub.history('room:1', { until: now - hour })
      expect(none.items).toEqual([])
      expect(await after(on, none.cursor)).toEqual(['3', '4'])
    })

    test('is a window of time, both ends included, as Date or milliseconds, with or without last', async () => {
      const on = serve(options())
      const start = Date.now() - 10_000
      append(
        on,
        numbers(0, 9).map((n) => start + Number(n) * 1_000),
      )
      const at = (n: number) => start + (n - 1) * 1_000
      const windows: [Parameters<typeof on.hub.history>[1], string[]][] = [
        [{ since: at(4) }, numbers(4, 10)],
        [{ since: new Date(at(4)) }, numbers(4, 10)],
        [{ since: at(4) + 1 }, numbers(5, 10)],
        [{ until: at(4) }, numbers(1, 4)],
        [{ until: new Date(at(4) - 1) }, numbers(1, 3)],
        [{ since: at(3), until: at(6) }, numbers(3, 6)],
        [{ since: at(3), until: at(6), last: 2 }, numbers(5, 6)],
        [{ until: at(8), last: 3 }, numbers(6, 8)],
        [{ since: at(3), last: 2 }, numbers(9, 10)],
        [{ since: at(4) + 1, until: at(5) - 1 }, []],
        [{ until: at(1) - 1 }, []],
        [{ since: at(11) }, []],
      ]
      for (const [wanted, shown] of windows) {
        const { items, cursor } = await on.hub.history('room:1', wanted)
        expect(htmls(items)).toEqual(shown)
        // What follows is all that is later than the window, and nothing of it.
        const until = wanted?.until === undefined ? Number.POSITIVE_INFINITY : Number(wanted.until)
        const later = numbers(1, 10).filter((n) => at(Number(n)) > until)
        expect(await after(on, cursor)).toEqual(later)
      }
    })

    test('misses and doubles nothing where a clock was set back or ahead', async () => {
      const on = serve(options())
      const start = Date.now() - 60_000
      const seconds = [0, 1, 30, 2, 3, 1, 4, 40, 5]
      append(
        on,
        seconds.map((n) => start + n * 1_000),
      )
      for (let until = start - 500; until < start + 45_000; until += 500) {
        const { items, cursor } = await on.hub.history('room:1', { until })
        const named = seconds.findLastIndex((n) => start + n * 1_000 <= until) + 1
        expect(htmls(items)).toEqual(numbers(1, named))
        expect(await after(on, cursor)).toEqual(numbers(named + 1, 9))
      }
    })

    test('of a state is the newest of each key, and what was superseded after the window follows', async () => {
      const on = serve(options())
      on.hub.topic('cell:1', { kind: 'state' })
      const start = Date.now() - 10_000
      const say = (n: number, key: string) =>
        on.hub.log.append([
          {
            topic: 'cell:1' as never,
            kind: 'state',
            form: 'slot',
            key,
            data: `${key}${n}`,
            at: start + n,
          },
        ])
      for (const [n, key] of [...'abcab'].entries()) say(n, key)
      expect(htmls((await on.hub.history('cell:1')).items)).toEqual(['c2', 'a3', 'b4'])
      const { items, cursor } = await on.hub.history('cell:1', { until: start + 2 })
      expect(htmls(items)).toEqual(['c2'])
      expect(await after(on, cursor, 'cell:1')).toEqual(['a3', 'b4'])
      const none = await on.hub.history('cell:1', { until: start + 1 })
      expect([none.items, await after(on, none.cursor, 'cell:1')]).toEqual([[], ['c2', 'a3', 'b4']])
      for (let n = 0; n < 1_200; n++) say(n, `k${n}`)
      expect((await on.hub.history('cell:1')).items).toHaveLength(1_203)
    })

    test('goes with the stream while publishing goes on: nothing is missed, nothing comes twice', async () => {
      const on = serve(options())
      let said = 0
      const say = async () => {
        while (said < 300) {
          void on.hub.publish('room:1', `${++said}`)
          if (said % 3 === 0) await Bun.sleep(1)
        }
      }
      const saying = say()
      const pages: { shown: string[]; client: Client }[] = []
      while (said < 300) {
        const until = Date.now() - (pages.length % 3) * 20
        const { items, cursor } = await on.hub.history('room:1', pages.length % 2 ? { until } : {})
        const client = await connect(on.url + on.hub.address(['room:1'], { since: cursor }))
        pages.push({ shown: htmls(items), client })
      }
      await saying
      expect(pages.length).toBeGreaterThan(5)
      for (const { shown, client } of pages) {
        await client.until(() => shown.length + client.events.length >= 300)
        expect([...shown, ...datas(client)]).toEqual(numbers(1, 300))
      }
    })

    test('of a topic with nothing, or of kind signal, is empty, with the head', async () => {
      const on = serve(options())
      declare(on.hub)
      await on.hub.publish('flash:1', 'gone')
      await on.hub.publish('room:2', 'other')
      for (const topic of ['flash:1', 'room:1', 'never:said']) {
        for (const wanted of [{}, { until: 5 }, { since: 5, last: 1 }]) {
          const { items, cursor } = await on.hub.history(topic, wanted)
          expect([items, cursor]).toEqual([[], on.hub.cursor()])
        }
      }
    })

    test('refuses what makes no sense', async () => {
      const on = serve(options())
      const bad = [
        { last: 0 },
        { last: -1 },
        { last: 1.5 },
        { last: Number.NaN },
        { last: '3' },
        { last: null },
        { since: Number.NaN },
        { since: 'yesterday' },
        { since: on.hub.cursor() },
        { since: new Date('never') },
        { until: Number.POSITIVE_INFINITY },
        { until: null },
        { since: 2, until: 1 },
      ]
      for (const wanted of bad) {
        const asked = on.hub.history('room:1', wanted as never)
        expect(await asked.catch((error) => error)).toBeInstanceOf(TypeError)
      }
      for (const topic of ['room:*', '', 'a b', undefined]) {
        const asked = on.hub.history(topic as string)
        expect(await asked.catch((error) => error)).toBeInstanceOf(TypeError)
      }
    })
  })
}
