/**
 * Forgetting a topic: afterwards nobody is given anything of it, and nobody who follows or returns shows it.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { Hub, swap, textStream } from 'headwater'
import { type Log, memoryLog } from 'headwater/log'
import { asTopic } from '../../src/topic'
import { type Client, connect, type Received } from '../support/client'
import { lateLog } from '../support/late-log'
import { Page } from '../support/page-stream'
import { Child, cleanUp, type Site, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(30_000)
afterEach(cleanUp)

const places = [
  ['a log in memory', () => ({ log: memoryLog() })],
  ['a log in a file', () => ({ database: temporary() })],
  ['a log that answers later', () => ({ log: lateLog(memoryLog()) })],
] as const

/** What stands in the slot of a log, of a state or of a text. */
function shown(events: readonly Pick<Received, 'name' | 'data'>[], topic: string): string {
  let slot = ''
  for (const { name, data } of events) {
    if (name !== topic) continue
    const all = /<hx-partial [^>]*hx-swap="innerHTML[^>]*>(.*)<\/hx-partial>/s.exec(
      data.replace(/<hx-partial data-op="state".*?<\/hx-partial>/gs, ''),
    )
    if (all) slot = all[1] as string
    else if (topic.startsWith('cell')) slot = data
    else slot += data.replace(/<hx-partial.*?<\/hx-partial>/gs, '')
  }
  return slot
}

function site(options: ConstructorParameters<typeof Hub>[0]): Site {
  const on = serve(options)
  on.hub
    .topic('room:*', { guard: 'public' })
    .topic('cell:*', { kind: 'state', guard: 'public' })
    .topic('flash:*', { kind: 'signal', guard: 'public' })
  return on
}

/** A reader that has everything. */
async function reader(on: Site, topics: string, cursor?: string): Promise<Client> {
  const { hub, url } = on
  const address = hub.address(topics.split(' '), { since: null })
  const client = await connect(url + address, { lastEventId: cursor })
  await client.until(() => client.lastEventId === hub.cursor())
  return client
}

const all = 'room:1 room:2 cell:1'

async function fill({ hub }: Site): Promise<void> {
  await hub.publish('room:1', '<p>secret 1</p>')
  await hub.publish('cell:1', '<b>secret 2</b>')
  await hub.publish('room:2', '<p>public</p>')
  const text = textStream(hub, 'room:3')
  text.text('secret 3')
  await text.error('secret 4')
}

async function forgetAll({ hub }: Site): Promise<void> {
  for (const topic of ['room:1', 'cell:1', 'room:3']) await hub.forget(topic)
}

describe.each(places)('a topic that was forgotten, of %s', (_, options) => {
  test('is in no history, in no text that is read, and is nothing to who comes new', async () => {
    const on = site(options())
    await fill(on)
    const before = await on.hub.history('room:1')
    expect(before.items).toHaveLength(1)
    await forgetAll(on)
    for (const topic of ['room:1', 'cell:1', 'room:3']) {
      expect((await on.hub.history(topic)).items).toEqual([])
    }
    expect(await textStream(on.hub, 'room:3').read()).toMatchObject({ html: '', state: 'idle' })
    const client = await reader(on, `${all} room:3`)
    const wide = await reader(on, '**')
    for (const { raw } of [client, wide]) expect(raw).not.toContain('secret')
    expect(shown(client.events, 'room:2')).toBe('<p>public</p>')
    expect(shown(wide.events, 'room:2')).toBe('<p>public</p>')
  })

  test.each([`${all} room:3`, 'room:* cell:*'])(
    'is taken from the page of who returns with an old cursor: %s',
    async (topics) => {
      const on = site(options())
      const old = await reader(on, topics)
      await fill(on)
      await old.until(() => old.lastEventId === on.hub.cursor())
      const cursor = old.lastEventId
      old.cut()
      await forgetAll(on)
      // A cursor of another log says nothing of what a pattern has named.
      const foreign = topics.includes('*') ? [] : ['other.1']
      for (const from of [cursor, old.events[0]?.id, ...foreign]) {
        const back = await reader(on, topics, from)
        expect(back.raw).not.toContain('secret')
        for (const topic of ['room:1', 'cell:1', 'room:3']) {
          expect(shown([{ name: topic, data: 'what it showed' }, ...back.events], topic)).toBe('')
        }
        expect(shown([...old.events, ...back.events], 'room:2')).toContain('<p>public</p>')
        back.cut()
      }
      // Once is enough.
      const again = await reader(on, topics, on.hub.cursor())
      expect(again.events).toEqual([])
    },
  )

  test('is taken from the pages of all that follow it, and goes on as a new one', async () => {
    const on = site(options())
    const readers = await Promise.all(
      [`${all} room:3`, 'room:1 cell:1 room:3', '**'].map((topics) => reader(on, topics)),
    )
    const bystander = await reader(on, 'room:2')
    const page = new Page(on.url)
    const [room, cell] = ['room:1', 'cell:1'].map((topic) =>
      page.add(`/stream?topic=${topic}&since=${on.hub.cursor()}`, [topic]),
    )
    await page.open()
    await page.until(() => page.position === on.hub.cursor())
    await fill(on)
    await page.until(() => room?.got.length === 1 && cell?.got.length === 1)
    for (const one of readers) {
      await one.until(() => one.raw.includes('secret 4'))
      expect(shown(one.events, 'room:1')).toContain('secret 1')
    }
    await forgetAll(on)
    for (const one of readers) {
      await one.until(() => one.lastEventId === on.hub.cursor())
      for (const topic of ['room:1', 'cell:1', 'room:3']) expect(shown(one.events, topic)).toBe('')
      const state = one.events.findLast(({ data }) => data.includes('data-op="state"'))
      expect(state?.data).toContain('data-state="idle"')
      expect(one.events.at(-1)?.data).not.toContain('secret')
    }
    await page.until(() => page.position === on.hub.cursor())
    expect(shown(room?.got ?? [], 'room:1')).toBe('')
    expect(shown(cell?.got ?? [], 'cell:1')).toBe('')
    await on.hub.publish('room:1', '<p>new</p>')
    await on.hub.publish('cell:1', '<b>new</b>')
    const id = await on.hub.publish('room:2', '<p>last</p>')
    for (const one of readers.slice(0, 1)) {
      await one.until(() => one.lastEventId === id)
      expect(shown(one.events, 'room:1')).toBe('<p>new</p>')
      expect(shown(one.events, 'cell:1')).toBe('<b>new</b>')
    }
    await page.until(() => shown(room?.got ?? [], 'room:1') === '<p>new</p>')
    await page.until(() => shown(cell?.got ?? [], 'cell:1') === '<b>new</b>')
    await bystander.until(() => bystander.lastEventId === id)
    expect(bystander.events.map(({ data }) => data)).toEqual(['<p>public</p>', '<p>last</p>'])
    expect(page.faults).toEqual([])
    expect((await on.hub.history('room:1')).items.map(({ html }) => html)).toEqual(['<p>new</p>'])
  })

  test('takes what was published before with it: slow renders, states that wait for their pace', async () => {
    const on = site(options())
    const client = await reader(on, 'room:1 cell:1')
    const slow = on.hub.publish(
      'room:1',
      Bun.sleep(50).then(() => '<p>secret</p>'),
    )
    const states = [1, 2, 3].map((n) => on.hub.publish('cell:1', `<b>secret ${n}</b>`))
    await Promise.all([on.hub.forget('room:1'), on.hub.forget('cell:1')])
    await Promise.all([slow, ...states])
    expect((await on.hub.history('room:1')).items).toEqual([])
    expect((await on.hub.history('cell:1')).items).toEqual([])
    await client.until(() => client.lastEventId === on.hub.cursor())
    expect(shown(client.events, 'room:1')).toBe('')
    expect(shown(client.events, 'cell:1')).toBe('')
  })

  test('has not ended any more, and its keys are free', async () => {
    const on = site(options())
    await on.hub.publish('room:1', '<p>secret</p>', { key: 'k' })
    await on.hub.end('room:1')
    await on.hub.forget('room:1')
    const client = await reader(on, 'room:1')
    const id = await on.hub.publish('room:1', '<p>new</p>', { key: 'k' })
    await client.until(() => client.lastEventId === id)
    expect(client.events.map(({ data }) => data)).toEqual(['<p>new</p>'])
  })

  test('a snapshot that the app makes takes its place, and nothing of it leaves an empty slot', async () => {
    const on = site(options())
    const stands: Record<string, string | null> = { 'own:1': '<i>as it stands</i>', 'own:2': null }
    on.hub.topic('own:*', {
      kind: 'state',
      guard: 'public',
      snapshot: async (topic) => stands[topic] ?? null,
    })
    const client = await reader(on, 'own:1 own:2')
    for (const topic of ['own:1', 'own:2']) await on.hub.publish(topic, '<i>secret</i>')
    await client.until(() => client.lastEventId === on.hub.cursor())
    for (const topic of ['own:1', 'own:2']) await on.hub.forget(topic)
    await client.until(() => client.lastEventId === on.hub.cursor())
    const events = client.events.map(({ name, data }) => ({
      name: name.replace('own', 'cell'),
      data,
    }))
    expect([shown(events, 'cell:1'), shown(events, 'cell:2')]).toEqual(['<i>as it stands</i>', ''])
  })

  test('leaves every reader with what was published since, whenever it came, went and returned', async () => {
    const on = site(options())
    let [n, isOver] = [0, false]
    const writing = (async () => {
      for (let turn = 0; turn < 60; turn++) {
        const some = Array.from({ length: 1 + Math.floor(Math.random() * 30) }, () => ++n)
        await Promise.all(some.map((one) => on.hub.publish('room:1', `${one},`)))
        await on.hub.publish('cell:1', `${n}`)
        if (Math.random() < 0.4) await on.hub.forget('room:1')
        if (Math.random() < 0.4) await on.hub.forget('cell:1')
        await Bun.sleep(Math.random() * 4)
      }
      await on.hub.forget('room:1')
      await on.hub.forget('cell:1')
      await on.hub.publish('room:2', 'end')
      isOver = true
    })()
    const readers = Array.from({ length: 6 }, async (_, i) => {
      const topics = i % 2 ? all : 'room:* cell:*'
      const events: Received[] = []
      let cursor: string | undefined
      for (;;) {
        const isLast = isOver
        const address = on.hub.address(topics.split(' '), { since: null })
        const client = await connect(on.url + address, { lastEventId: cursor })
        if (isLast) await client.until(() => client.lastEventId === on.hub.cursor())
        else await Bun.sleep(Math.random() * 40)
        events.push(...client.events)
        cursor = client.lastEventId || cursor
        client.cut()
        if (isLast) return events
        if (Math.random() < 0.5) await Bun.sleep(Math.random() * 30)
      }
    })
    const pages = Array.from({ length: 4 }, async () => {
      const page = new Page(on.url)
      const sources = ['room:1', 'cell:1'].map((topic) =>
        page.add(`/stream?topic=${topic}&since=${on.hub.cursor()}`, [topic]),
      )
      for (;;) {
        const isLast = isOver
        await page.open()
        if (isLast) await page.until(() => page.position === on.hub.cursor())
        else await Bun.sleep(Math.random() * 40)
        page.cut()
        if (!isLast) continue
        expect(page.faults).toEqual([])
        return sources.flatMap(({ got }) => got)
      }
    })
    await writing
    for (const events of await Promise.all([...readers, ...pages])) {
      expect(shown(events, 'room:1')).toBe('')
      expect(shown(events, 'cell:1')).toBe('')
    }
    expect(on.errors).toEqual([])
  })
})

describe('forgetting', () => {
  test('a reader that took no more is shown nothing of it in the end', async () => {
    const on = site({ database: temporary() })
    const slow = await reader(on, 'room:1')
    slow.pause()
    const body = 'x'.repeat(32 * 1024)
    for (let n = 1; on.hub.stats().lagging === 0 && n < 3_000; n++) {
      await on.hub.publish('room:1', `<p>${n}${body}</p>`)
      await Bun.sleep(0)
    }
    expect(on.hub.stats().lagging).toBe(1)
    await on.hub.publish('room:1', '<p>never sent</p>')
    await on.hub.forget('room:1')
    const id = await on.hub.publish('room:1', '<p>new</p>')
    slow.resume()
    await slow.until(() => slow.lastEventId === id, 15_000)
    expect(slow.raw).not.toContain('never sent')
    expect(shown(slow.events, 'room:1')).toBe('<p>new</p>')
  })

  test('gives nothing of it to a reader on its way, though another one has been given the same before', async () => {
    const kept = memoryLog()
    const topic = asTopic('room:1')
    const data = `<p>secret ${'x'.repeat(200)}</p>`
    const item = { topic, kind: 'log', form: 'slot', key: null, data, at: Date.now() } as const
    kept.append(Array.from({ length: 6_000 }, () => item))
    let questions = 0
    const log: Log = {
      ...lateLog(kept),
      // The second is what was given up while the first of it was read. There is too much to be taken over into the ring.
      trimmed: async (topics, after) => {
        const found = await kept.trimmed(topics, after)
        if (--questions === 0) await kept.forget(topic)
        return found
      },
    }
    const on = site({ log, limits: { replay: 10_000 } })
    const start = `${log.epoch}.0`
    const first = await reader(on, 'room:1', start)
    expect(first.events).toHaveLength(6_000)
    questions = 2
    const second = await reader(on, 'room:1', start)
    expect(questions).toBeLessThan(1)
    expect(second.raw).not.toContain('secret')
    expect(second.events).toHaveLength(1)
  })

  test('is taken away again from who was about to be shown it', async () => {
    const kept = memoryLog()
    let isDue = true
    const log: Log = {
      ...lateLog(kept),
      last: async (topic, count) => {
        const found = await kept.last(topic, count)
        if (found.length > 0 && isDue) await kept.forget(topic)
        isDue = false
        return found
      },
    }
    const on = site({ log })
    await on.hub.publish('room:1', '<p>secret</p>')
    const client = await reader(on, 'room:1')
    expect(shown(client.events.slice(0, 1), 'room:1')).toBe('<p>secret</p>')
    expect(shown(client.events, 'room:1')).toBe('')
  })

  test('holds at every process: who follows there, comes there, and returns there', async () => {
    const database = temporary()
    const on = site({ database })
    const child = await new Child(database).ready()
    const there = (topics: string, lastEventId?: string) =>
      connect(`${child.url}/stream?topic=${topics}`, { lastEventId })
    const live = await there('room:1&topic=cell:1')
    await live.until(() => live.lastEventId !== '')
    await child.tell({ publish: ['room:1', '<p>secret 1</p>'] })
    await on.hub.publish('room:1', '<p>secret 2</p>')
    await on.hub.publish('cell:1', '<b>secret 3</b>')
    await live.until(() => live.raw.includes('secret 3'))
    const cursor = live.events[0]?.id
    // The child keeps its snapshot for a moment.
    const fresh = await there('room:1&topic=cell:1')
    await fresh.until(() => fresh.raw.includes('secret 3'))
    fresh.cut()
    await on.hub.forget('room:1')
    await on.hub.forget('cell:1')
    const at = on.hub.cursor()
    for (const from of [undefined, cursor]) {
      const client = await there('room:1&topic=cell:1', from)
      await client.until(() => client.lastEventId === at)
      expect(client.raw).not.toContain('secret')
      const events = ['room:1', 'cell:1'].map((name) => ({ name, data: 'what it showed' }))
      if (!from) continue
      expect(shown([...events, ...client.events], 'room:1')).toBe('')
      expect(shown([...events, ...client.events], 'cell:1')).toBe('')
    }
    await live.until(() => live.lastEventId === at)
    expect([shown(live.events, 'room:1'), shown(live.events, 'cell:1')]).toEqual(['', ''])
    const id = await child.tell({ publish: ['room:1', '<p>new</p>'] })
    await live.until(() => live.lastEventId === id)
    expect(shown(live.events, 'room:1')).toBe('<p>new</p>')
  })

  /** Those of the words that can be read in the database file, or beside it. */
  function readable(file: string, words: readonly string[]): string[] {
    const files = [file, `${file}-wal`].filter(existsSync)
    const bytes = files.map((name) => readFileSync(name, 'latin1')).join()
    return words.filter((word) => bytes.includes(word))
  }

  const some = () => Array.from({ length: 100 }, (_, n) => `word${n}of${crypto.randomUUID()}`)
  const padding = 'lorem ipsum '.repeat(9)

  test('leaves no word in the file once that is closed', async () => {
    const database = temporary()
    const on = site({ database })
    const words = some()
    for (const [n, word] of words.entries()) {
      await on.hub.publish('room:1', `<p>${word}${padding.repeat(n % 50)}</p>`)
      await on.hub.publish('room:2', `<p>public${padding}</p>`)
    }
    expect(readable(database, words)).toEqual(words)
    await on.hub.forget('room:1')
    await on.stop()
    expect(readable(database, words)).toEqual([])
  })

  test('leaves no word in the tables, of none of the kinds, nor in the file after a vacuum', async () => {
    const database = temporary()
    const on = site({ database })
    const words = some()
    const text = textStream(on.hub, 'room:3')
    for (const [n, word] of words.entries()) {
      await on.hub.publish('room:1', `<p>${word}${padding}</p>`)
      await on.hub.publish('cell:1', `<p>${word}${padding.repeat(n % 50)}</p>`)
      text.text(word + padding)
      await text.done()
    }
    const follower = await reader(on, 'flash:1')
    await on.hub.publish('flash:1', words.join(' '))
    await follower.until(() => follower.events.length === 1)
    // Its pieces were replaced by one.
    await settled(async () => (await on.hub.log.last(asTopic('room:3'), 999)).length === 1)
    for (const topic of ['room:1', 'cell:1', 'room:3', 'flash:1']) await on.hub.forget(topic)
    const { $client } = on.hub.db
    const tables = $client
      .query<{ name: string }, []>("select name from sqlite_master where type = 'table'")
      .all()
    const rows = tables.flatMap(({ name }) => $client.query(`select * from ${name}`).values())
    expect(words.filter((word) => JSON.stringify(rows).includes(word))).toEqual([])
    expect(readable(database, words)).toEqual(words)
    $client.run('vacuum')
    await on.stop()
    expect(readable(database, words)).toEqual([])
  })

  test('does not take from other processes the word that what runs is to stop', async () => {
    const database = temporary()
    const [here, there] = [site({ database }), site({ database })]
    const answer = textStream(there.hub, 'room:1')
    const piped = answer.pipe(async function* (signal: AbortSignal) {
      while (!signal.aborted) {
        yield 'more '
        await Bun.sleep(5)
      }
    })
    await settled(async () => (await here.hub.history('room:1')).items.length > 3)
    await here.hub.stop('room:1')
    await here.hub.forget('room:1')
    expect((await piped).outcome).toBe('stopped')
  })

  test('a patch that was put elsewhere stays there, and a signal is none of its concern', async () => {
    const on = site({})
    const client = await reader(on, 'flash:1')
    await on.hub.publish('flash:1', swap.innerHTML('#notice', 'words'))
    await on.hub.forget('flash:1')
    await client.until(() => client.lastEventId === on.hub.cursor())
    await on.hub.publish('flash:1', 'on')
    await client.until(() => client.events.at(-1)?.data === 'on')
    expect(client.events).toHaveLength(2)
  })

  test('is refused for a pattern and what is no topic, and by a hub that is closed', async () => {
    const hub = new Hub()
    const refused = (topic: string) =>
      hub.forget(topic).then(
        () => 'taken',
        (error) => `${error.name}: ${error.message}`,
      )
    expect(await refused('room:*')).toBe('TypeError: Expected a topic, got the pattern "room:*"')
    expect(await refused('')).toStartWith('TypeError: Expected')
    hub.close()
    expect(await refused('room:1')).toBe('Error: The hub is closed')
  })

  test('what is kept of it outlives no restart: its old cursors stay no good', async () => {
    const database = temporary()
    const before = site({ database })
    const old = await reader(before, 'room:1 cell:1')
    await fill(before)
    await old.until(() => old.events.length === 2)
    await forgetAll(before)
    await before.stop()
    const on = site({ database })
    const back = await reader(on, 'room:1 cell:1', old.lastEventId)
    expect(back.raw).not.toContain('secret')
    for (const topic of ['room:1', 'cell:1']) {
      expect(shown([{ name: topic, data: 'what it showed' }, ...back.events], topic)).toBe('')
    }
  })
})
