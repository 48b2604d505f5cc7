/**
 * Streamed text over real sockets: what is piped to a topic, and what its readers get of it, whenever they come.
 */
import { afterEach, describe, expect, setDefaultTimeout, spyOn, test } from 'bun:test'
import { Hub, MultiStreamManager, swap, type TextStream, textStream } from 'headwater'
import { memoryLog } from 'headwater/log'
import { markdown, renderMarkdown } from 'headwater/markdown'
import { root } from '../../scripts/setup'
import { shown as shownOf, unescapeText, wholeOf } from '../../src/text-wire'
import { type Client, connect, EventStream } from '../support/client'
import { lateLog } from '../support/late-log'
import { cleanUp, type Site, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(30_000)
afterEach(cleanUp)

const topic = 'chat:1:answer'

/** What a page shows of the events of a text: each piece applied as stock htmx would, for plain text. */
class Shown {
  text = ''
  state = 'idle'
  error: string | undefined
  /** What was applied, in order. */
  log: string[] = []

  take(data: string): void {
    if (!data.startsWith('<hx-partial')) {
      this.text += unescapeText(data)
      this.log.push('text')
      return
    }
    for (const [, head = '', content = ''] of data.matchAll(
      /<hx-partial ([^>]*)>(.*?)<\/hx-partial>/gs,
    )) {
      const of = (name: string) => head.match(new RegExp(`${name}="([^"]*)"`))?.[1] ?? ''
      const op = of('data-op')
      this.log.push(op === 'state' ? of('data-state') : op)
      if (op === 'state') {
        this.state = of('data-state')
        this.error = unescapeText(content.match(/role="alert">(.*?)<\/p>/s)?.[1] ?? '') || undefined
        continue
      }
      const way = of('hx-swap').split(' ')[0]
      const plain = unescapeText(content)
      if (way === 'innerHTML') this.text = plain
      else if (way === 'beforeend') this.text += plain
      else if (way === 'afterbegin') this.text = plain + this.text
      else throw new Error(`unexpected ${way}`)
    }
  }
}

/** A reader of one topic, that shows what it is sent. */
async function reader(on: Site, options: { lastEventId?: string; since?: string | null } = {}) {
  const address = on.hub.address([topic], { since: options.since ?? null })
  const client = await connect(on.url + address, { lastEventId: options.lastEventId })
  await client.until(() => client.lastEventId !== '')
  return client
}

function shown(client: Pick<EventStream, 'events'>): Shown {
  const found = new Shown()
  for (const { name, data } of client.events) if (name === topic) found.take(data)
  return found
}

/** Waits until a reader shows a state, then until it shows nothing new of it. */
async function stands(client: Client, state: string): Promise<Shown> {
  await client.until(() => shown(client).state === state)
  return shown(client)
}

/** Tokens of every awkward kind, the same for the same seed. */
function tokens(count: number, seed = 1): string[] {
  const kinds = [
    'word',
    ' ',
    '\n',
    '\r\n',
    '<b>&amp;</b>',
    'ä',
    '漢字',
    '😀',
    '\t',
    'data: x\n\n',
    '"',
    "'",
    '\\',
    ' ',
  ]
  let state = seed
  const next = () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff
    return state / 0x7fffffff
  }
  return Array.from({ length: count }, (_, n) =>
    next() < 0.5 ? `${n} ` : (kinds[Math.floor(next() * kinds.length)] as string),
  )
}

async function* slowly(items: readonly string[], pause = 0): AsyncGenerator<string> {
  for (const item of items) {
    if (pause > 0) await Bun.sleep(pause)
    yield item
  }
}

const texts = (on: Site, options = {}): TextStream => textStream(on.hub, topic, options)

describe('live', () => {
  test.each([0, 1])('D-01 tokens %d ms apart arrive as their concatenation', async (pause) => {
    const on = serve()
    const client = await reader(on)
    const all = tokens(500)
    const { text, outcome } = await texts(on).pipe(slowly(all, pause))
    expect({ text, outcome }).toEqual({ text: all.join(''), outcome: 'done' })
    const page = await stands(client, 'done')
    expect(page.text).toBe(all.join(''))
    // Joined: far fewer events than tokens.
    expect(page.log.length).toBeLessThan(all.length)
  })

  test('D-01 a character that is cut in two, NUL, CR and lone halves arrive as what they can be', async () => {
    const on = serve()
    const client = await reader(on)
    const text = texts(on)
    for (const part of ['a\ud83d', '\ude00b', '\r', '\n', 'c\0d', '\udc00', 'e\ud800'])
      text.text(part)
    await text.done()
    const page = await stands(client, 'done')
    expect(page.text).toBe('a😀b\r\nc\ufffdd\ufffde\ufffd')
    expect((await text.read()).html).toBe('a😀b&#13;\nc\ufffdd\ufffde\ufffd')
  })

  test('D-02 start, all text and done come in this order, and text after done begins it again', async () => {
    const on = serve()
    const client = await reader(on)
    const text = texts(on)
    text.start()
    for (const token of ['a', 'b', 'c']) text.text(token)
    await text.done()
    expect((await stands(client, 'done')).log).toEqual(['active', 'text', 'done'])
    expect(await text.read()).toMatchObject({ html: 'abc', state: 'done', status: '' })
    text.text('d')
    await client.until(() => shown(client).text === 'abcd')
    expect(shown(client).state).toBe('active')
    await text.done()
  })

  test('D-03 an insert between two texts keeps its place, and so does what is deleted', async () => {
    const on = serve()
    const client = await reader(on)
    const text = texts(on)
    text.text('a')
    text.insert('<b class="x">1</b>')
    text.text('b')
    text.insert('<i>0</i>', { at: 'prepend' })
    await text.done()
    await stands(client, 'done')
    expect(shown(client).log).toEqual(['active', 'text', 'insert', 'text', 'insert', 'done'])
    expect((await text.read()).html).toBe('<i>0</i>a<b class="x">1</b>b')
    await text.delete('b.x, i')
    expect((await text.read()).html).toBe('ab')
  })

  test('D-04 the mode is the operation’s, else the stream’s, else append', async () => {
    const on = serve()
    const client = await reader(on)
    const text = textStream(on.hub, topic, { mode: 'replace' })
    text.text('Loading')
    text.text('Loaded')
    text.text('!', { mode: 'append' })
    text.text('> ', { mode: 'prepend' })
    await text.done()
    expect((await stands(client, 'done')).text).toBe('> Loaded!')
    expect((await text.read()).html).toBe('&gt; Loaded!')
    text.text('again')
    await text.done()
    expect((await text.read()).html).toBe('again')
    // More than one event may be, and each in its place.
    const long = Array.from({ length: 40_000 }, (_, n) => `${n} `).join('')
    text.text(long, { mode: 'prepend' })
    await text.done()
    expect((await text.read()).html).toBe(`${long}again`)
    text.text(long)
    await text.done()
    expect((await text.read()).html).toBe(long)
    expect(() => text.use('append')).toThrow('Expected mode replace')
    expect(() => textStream(on.hub, topic, { mode: 'append' })).toThrow(TypeError)
    expect(textStream(on.hub, topic)).toBe(text)
  })

  test('D-05 an error keeps what was there, and is cleared by what begins again', async () => {
    const on = serve()
    const client = await reader(on)
    const text = texts(on)
    const ways: (() => unknown)[] = [
      () => text.start(),
      () => text.text('+'),
      () => text.replace('new'),
    ]
    for (const again of ways) {
      text.text('kept')
      await text.error(new Error('the <model> is "gone"'))
      const page = await stands(client, 'failed')
      expect(page.text).toEndWith('kept')
      expect(page.error).toBe('the <model> is "gone"')
      expect(await text.read()).toMatchObject({ state: 'failed', error: 'the <model> is "gone"' })
      await again()
      await client.until(() => shown(client).state !== 'failed')
      expect(shown(client).error).toBeUndefined()
    }
    await text.done()
    expect((await text.read()).html).not.toContain('gone')
  })

  test('D-05 a source that fails is an outcome, with what was received', async () => {
    const on = serve()
    async function* source() {
      yield 'so far'
      throw new Error('cut')
    }
    const piped = await textStream(on.hub, topic, { describe: () => 'Try again' }).pipe(source())
    expect(piped).toMatchObject({ text: 'so far', outcome: 'failed', error: new Error('cut') })
    expect(await texts(on).read()).toMatchObject({
      html: 'so far',
      state: 'failed',
      error: 'Try again',
    })
    expect(on.errors).toEqual([])
  })

  test('D-08 a busy stream does not hold up another one', async () => {
    const on = serve()
    const other = textStream(on.hub, 'chat:2:answer')
    const client = await connect(on.url + on.hub.address(['chat:2:answer'], { since: null }))
    await client.until(() => client.lastEventId !== '')
    const stop = new AbortController()
    async function* busy() {
      for (;;) {
        yield 'x'
        await Bun.sleep(0)
      }
    }
    const piped = texts(on).pipe(busy(), { signal: stop.signal })
    const ages: number[] = []
    for (let n = 0; n < 20; n++) {
      await Bun.sleep(25)
      const from = performance.now()
      const before = client.events.length
      other.text(`${n}`)
      await client.until(() => client.events.length > before)
      ages.push(performance.now() - from)
    }
    stop.abort()
    expect(await piped).toMatchObject({ outcome: 'stopped' })
    // A window of its own would be 16 ms of waiting; the first after a pause goes at once.
    expect(ages.sort((a, b) => a - b)[10]).toBeLessThan(16)
  })

  test.each(['handle', 'POST', 'signal', 'form'])(
    'D-10 stopping by %s aborts the source within 50 ms',
    async (way) => {
      const on = serve()
      const client = await reader(on)
      const abort = new AbortController()
      let abortedAt = 0
      let isOver = false
      async function* source(signal: AbortSignal) {
        signal.addEventListener('abort', () => {
          abortedAt = performance.now()
        })
        try {
          for (let n = 0; ; n++) {
            yield `${n} `
            await Bun.sleep(5)
          }
        } finally {
          isOver = true
        }
      }
      const text = texts(on)
      const piped = text.pipe(source, { signal: abort.signal })
      await client.until(() => shown(client).text.length > 10)
      const url = on.url + text.stopAddress()
      const from = performance.now()
      if (way === 'handle') text.stop()
      else if (way === 'signal') abort.abort()
      else {
        const headers: Record<string, string> =
          way === 'POST'
            ? { 'hx-request': 'true' }
            : { referer: `${on.url}//evil.example/page?x=1` }
        const response = await fetch(url, { method: 'POST', headers, redirect: 'manual' })
        expect(response.status).toBe(way === 'POST' ? 204 : 303)
        expect(response.headers.get('location')).toBe(
          way === 'POST' ? null : '/evil.example/page?x=1',
        )
      }
      const { text: all, outcome } = await piped
      expect(outcome).toBe('stopped')
      expect(abortedAt - from).toBeWithin(0, 50)
      await settled(() => isOver)
      expect((await stands(client, 'stopped')).text).toBe(all)
    },
  )

  test('D-10 a source that waits for ever is stopped too, and one that has ended is not', async () => {
    const on = serve()
    const text = texts(on)
    async function* source() {
      yield 'a'
      await new Promise(() => {})
    }
    const piped = text.pipe(source())
    await settled(async () => (await text.read()).html === 'a')
    await text.stop()
    expect((await piped).outcome).toBe('stopped')
    await text.pipe(['b'])
    await text.stop()
    expect(await text.read()).toMatchObject({ html: 'ab', state: 'done' })
  })

  test('D-10 who may not stop it is refused', async () => {
    const on = serve()
    const text = texts(on)
    const good = on.url + text.stopAddress()
    const post = async (url: string, headers = {}) =>
      (await fetch(url, { method: 'POST', headers })).status
    expect(await post(good.replace('answer', 'other'))).toBe(403)
    expect(await post(`${on.url}/stream/-/stop?topic=${topic}`)).toBe(403)
    expect(await post(`${on.url}/stream/-/stop`)).toBe(400)
    expect(await post(good, { 'sec-fetch-site': 'cross-site' })).toBe(403)
    // An address to follow is none to stop with.
    const follow = new URL(on.url + on.hub.address([topic]))
    expect(await post(`${on.url}/stream/-/stop${follow.search}`)).toBe(403)
    const got = await fetch(good)
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST'])
    expect(await post(good, { 'hx-request': 'true' })).toBe(204)
  })
})

describe('a source', () => {
  test('that is piped while another one is takes its place, and the other is stopped', async () => {
    const on = serve()
    const text = texts(on)
    const words = async function* (word: string) {
      for (let n = 0; n < 20; n++) {
        yield `${word}${n} `
        await Bun.sleep(2)
      }
    }
    const first = text.pipe(words('u'))
    await settled(async () => (await text.read()).html.includes('u2'))
    const second = text.pipe(words('v'), { replace: true })
    expect((await first).outcome).toBe('stopped')
    const { text: all, outcome } = await second
    expect(outcome).toBe('done')
    expect(await text.read()).toMatchObject({ html: all, state: 'done' })
    expect(all).toStartWith('v0 ')
  })

  test('of a text is that text; what is no source, or gives no text, has failed, and says what was expected', async () => {
    const on = serve()
    const text = texts(on)
    await text.pipe('all at once')
    expect(await text.read()).toMatchObject({ html: 'all at once', state: 'done' })
    for (const source of [null, 7, {}, [{ text: 'a' }]]) {
      const { outcome, error } = await text.pipe(source as never)
      expect(outcome).toBe('failed')
      expect(String(error)).toMatch(/^TypeError: Expected (an iteration|a source) of texts/)
    }
    expect(await text.read()).toMatchObject({ html: 'all at once', state: 'failed' })
  })

  test('D-05 that fails tells its viewers that it did, the hub what, and the caller', async () => {
    const on = serve()
    const client = await reader(on)
    const fault = new Error('key sk-123 was refused')
    async function* source() {
      yield 'kept'
      throw fault
    }
    expect(await texts(on).pipe(source())).toEqual({
      text: 'kept',
      outcome: 'failed',
      error: fault,
    })
    expect(await stands(client, 'failed')).toMatchObject({ text: 'kept', error: 'It broke off.' })
    expect(client.raw).not.toContain('sk-123')
    expect(on.errors).toEqual([fault])
  })
})

describe('whoever comes later', () => {
  test('D-13 who comes in the middle gets the text so far as one event, and goes on at the same character', async () => {
    const on = serve()
    const first = await reader(on)
    const all = tokens(400, 7)
    const piped = texts(on).pipe(slowly(all, 1))
    await first.until(() => shown(first).text.length > 300)
    const { html, cursor } = await texts(on).read()
    const [later, returning, exact] = await Promise.all([
      reader(on),
      reader(on, { lastEventId: first.events[3]?.id ?? '' }),
      reader(on, { since: cursor }),
    ])
    await piped
    for (const client of [first, later, returning]) {
      expect((await stands(client, 'done')).text).toBe(all.join(''))
    }
    expect(shown(later).log.slice(0, 2)).toEqual(['active', 'whole'])
    expect(shown(returning).log).toContain('whole')
    // Whoever has a page that was made of it gets what came after, or all of it again.
    await stands(exact, 'done')
    const end = shown(exact)
    expect(end.log.includes('whole') ? end.text : unescapeText(html) + end.text).toBe(all.join(''))
    const after = await reader(on)
    expect((await stands(after, 'done')).text).toBe(all.join(''))
    expect(after.events.filter(({ name }) => name === topic)).toHaveLength(1)
  })

  test('D-13 a reader that has exactly what is there is sent nothing again', async () => {
    const on = serve()
    const text = texts(on)
    await text.pipe(['a', 'b'])
    const { cursor } = await text.read()
    const client = await reader(on, { since: cursor })
    text.text('c')
    await text.done()
    await stands(client, 'done')
    expect(shown(client).log).toEqual(['active', 'text', 'done'])
    expect(shown(client).text).toBe('c')
  })

  test.each(['sqlite', 'memory'])(
    'D-13 in the log of %s a text of 20,000 pieces becomes few',
    async (log) => {
      const on = serve(log === 'memory' ? { log: memoryLog() } : { database: temporary() })
      const text = textStream(on.hub, topic, { window: 0 })
      const all = Array.from({ length: 20_000 }, (_, n) => `${n} `)
      text.start()
      for (const [n, token] of all.entries()) {
        text.text(token)
        text.flush()
        if (n % 100 === 0) await Bun.sleep(0)
      }
      await text.done()
      await settled(async () => (await on.hub.log.last(text.topic, 100_000)).length === 1)
      expect((await text.read()).html).toBe(all.join(''))
    },
  )

  test('D-13 a text survives the process, and a block that was left open stays before what comes after', async () => {
    const database = temporary()
    const format = () => ({
      push: (text: string) => ({ closed: '', open: `<p class="hw-grows">${text}</p>` }),
      end: () => '<p>closed</p>',
    })
    const before = new Hub({ database, secret: 'x' })
    const text = textStream(before, topic, { format })
    text.text('open')
    text.flush()
    await settled(async () => (await text.read()).html.includes('open'))
    before.close()
    const after = serve({ database, secret: 'x' })
    const again = textStream(after.hub, topic, { format })
    const left = '<div class="hw-open" data-open="-"><p class="hw-grows">open</p></div>'
    const html = async () => (await again.read()).html.replace(/data-open="\w+"/, 'data-open="-"')
    expect(await html()).toBe(left)
    await again.error('The server was restarted')
    expect(await again.read()).toMatchObject({ state: 'failed', error: 'The server was restarted' })
    again.text('more')
    await again.done()
    expect(await html()).toBe(`${left}<p>closed</p>`)
  })

  test('D-13 readers at another process of the same file have it too, and stop it', async () => {
    const database = temporary()
    const [here, there] = [serve({ database }), serve({ database })]
    const client = await reader(there)
    const all = tokens(300, 3)
    const piped = texts(here).pipe(slowly(all, 2))
    await client.until(() => shown(client).text.length > 100)
    const late = await reader(there)
    await textStream(there.hub, topic).stop()
    const { text, outcome } = await piped
    expect(outcome).toBe('stopped')
    expect((await stands(client, 'stopped')).text).toBe(text)
    expect((await stands(late, 'stopped')).text).toBe(text)
  })

  test('D-09 cut at random bytes 200 times, the text is the source, byte for byte', async () => {
    const on = serve({ limits: { retry: 1 } })
    const all = tokens(4_000, 11)
    const whole = all.join('')
    const piped = texts(on).pipe(slowly(all, 1))
    const page = new Shown()
    let cursor: string | undefined
    let cuts = 0
    let seed = 5
    while (cuts < 200) {
      const address = on.hub.address([topic], { since: null })
      const client = await connect(on.url + address, { lastEventId: cursor })
      // The next cut is somewhere in the next bytes: within a piece, a snapshot, or an id.
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
      const bytes = 60 + (seed % 3_000)
      const received = new EventStream()
      const full = () => Buffer.byteLength(client.raw) >= bytes
      await client
        .until(() => full() || client.ended || page.state === 'done', 1_000)
        .catch(() => {})
      client.cut()
      received.push(Buffer.from(client.raw).subarray(0, bytes))
      for (const { name, data } of received.events) if (name === topic) page.take(data)
      cursor = received.lastEventId || cursor
      expect(whole.startsWith(page.text)).toBe(true)
      cuts++
    }
    await piped
    const last = await reader(on, cursor === undefined ? {} : { lastEventId: cursor })
    const isOver = () => {
      const end = new Shown()
      Object.assign(end, { text: page.text, state: page.state })
      for (const { name, data } of last.events) if (name === topic) end.take(data)
      return end.state === 'done' && end.text === whole
    }
    await last.until(isOver)
    expect(cuts).toBe(200)
  })

  test('D-11 the work for a text grows as the text does', async () => {
    const on = serve({ database: temporary() })
    const cost = async (count: number, name: string) => {
      const text = textStream(on.hub, name, { window: 0 })
      text.start()
      const from = process.cpuUsage()
      for (let n = 0; n < count; n++) {
        text.text('token ')
        text.flush()
        if (n % 50 === 49) await Bun.sleep(0)
      }
      await text.done()
      const { user, system } = process.cpuUsage(from)
      return user + system
    }
    await cost(2_000, 'warm:0')
    const middle = async (count: number) => {
      const costs: number[] = []
      for (let n = 0; n < 3; n++) costs.push(await cost(count, `t:${count}:${n}`))
      return costs.sort((a, b) => a - b)[1] as number
    }
    const [once, fourfold] = [await middle(5_000), await middle(20_000)]
    // Quadratic work would be sixteen times as much.
    expect(fourfold / once).toBeLessThan(8)
  })

  test('the end closes those who follow nothing else, and who comes later gets all of it and the end', async () => {
    const on = serve()
    const client = await reader(on)
    const text = texts(on)
    text.text('all')
    await text.end()
    await client.until(() => client.ended)
    expect(shown(client)).toMatchObject({ text: 'all', state: 'done' })
    const later = await connect(on.url + on.hub.address([topic], { since: null }))
    await later.until(() => later.ended)
    expect(shown(later)).toMatchObject({ text: 'all', state: 'done' })
    expect(later.events.at(-1)?.name).toBe('done')
  })
})

describe('what goes wrong', () => {
  test('a patch or HTML that was published to its topic hides nothing of it', async () => {
    const on = serve()
    const text = textStream(on.hub, topic, { window: 0 })
    for (let n = 0; n < 300; n++) {
      text.text(`${n} `)
      text.flush()
    }
    await on.hub.publish(topic, swap.innerHTML('#total', '7'))
    const client = await reader(on)
    await client.until(() => shown(client).text !== '')
    expect(shown(client).text).toStartWith('0 1 2 ')
    expect(client.events.map(({ name }) => name)).toEqual([topic, 'message'])
    await text.done()
  })

  test('what is refused costs nothing of what was taken', async () => {
    const on = serve({ limits: { event: 20_000 } })
    const client = await reader(on)
    const text = texts(on)
    text.text('kept ')
    expect(() => text.text('x'.repeat(20_001), { mode: 'replace' })).toThrow(RangeError)
    expect(() => text.replace(5 as unknown as string)).toThrow(TypeError)
    await expect(text.replace('x'.repeat(20_001))).rejects.toThrow(RangeError)
    text.text('too')
    await text.done().catch(() => {})
    expect((await stands(client, 'done')).text).toBe('kept too')
    await expect(text.insert('x'.repeat(20_001))).rejects.toThrow(RangeError)
    expect((await text.read()).html).toBe('kept too')
    // It is the text that counts, not what was written of it.
    for (let n = 0; n < 10; n++) {
      text.text('y'.repeat(15_000), { mode: 'replace' })
      await text.done()
    }
    expect((await text.read()).html).toHaveLength(15_000)
    for (let n = 0; n < 200; n++) {
      text.text('z')
      await text.done()
    }
    expect((await text.read()).html).toHaveLength(15_200)
  })

  test('a promise that nobody waits for, on a hub that is closed, ends no process', async () => {
    const on = serve()
    const text = texts(on)
    const rejected: unknown[] = []
    const hear = (error: unknown) => rejected.push(error)
    process.on('unhandledRejection', hear)
    on.hub.close()
    text.insert('a')
    text.replace('a')
    text.delete('a')
    text.start()
    text.text('a')
    text.done()
    text.error('a')
    text.stop()
    text.end()
    await Bun.sleep(50)
    process.off('unhandledRejection', hear)
    expect(rejected).toEqual([])
  })

  test('a format that fails is reported, and other texts go on', async () => {
    const on = serve()
    const fails = textStream(on.hub, 'a:1', {
      format: () => {
        throw new Error('no format')
      },
    })
    const good = textStream(on.hub, topic)
    const client = await reader(on)
    fails.text('x')
    good.text('1')
    await client.until(() => shown(client).text === '1')
    good.text('2')
    await client.until(() => shown(client).text === '12')
    await expect(fails.done()).rejects.toThrow('no format')
    expect(on.errors).toEqual([new Error('no format')])
    await good.done()
    const ends = textStream(on.hub, 'c:1', {
      format: () => ({
        push: (text) => ({ closed: '', open: text }),
        end: () => {
          throw new Error('no end')
        },
      }),
    })
    ends.text('x')
    await expect(ends.done()).rejects.toThrow('no end')
    expect((await ends.read()).state).toBe('done')
  })

  test('a hub that closes keeps all that was added, and what is piped is stopped', async () => {
    const database = temporary()
    const before = new Hub({ database, secret: 'x' })
    const [piped, waits] = [textStream(before, topic), textStream(before, 'b:1')]
    let given = ''
    async function* source() {
      for (let n = 0; ; n++) {
        given += `${n} `
        yield `${n} `
        await Bun.sleep(1)
      }
    }
    const outcome = piped.pipe(source())
    await settled(async () => (await piped.read()).html.length > 50)
    waits.text('first')
    waits.flush()
    waits.text(' and more')
    before.close()
    const { text } = await outcome
    const after = serve({ database, secret: 'x' })
    expect(await textStream(after.hub, topic).read()).toMatchObject({
      html: text,
      state: 'stopped',
    })
    expect(given).toStartWith(text)
    expect((await textStream(after.hub, 'b:1').read()).html).toBe('first and more')
  })

  test('a handle that nobody holds is kept while it is active, with its format', async () => {
    const on = serve()
    let made = 0
    const format = () => {
      made++
      let all = ''
      return {
        push(more: string) {
          all += more
          return { closed: '', open: all }
        },
        end: () => `<p>${all}</p>`,
      }
    }
    for (const token of ['a', 'b', 'c', 'd']) {
      textStream(on.hub, topic, { format }).text(token)
      await Bun.sleep(20)
      Bun.gc(true)
      await Bun.sleep(5)
    }
    await textStream(on.hub, topic, { format }).done()
    expect((await texts(on).read()).html).toBe('<p>abcd</p>')
    expect(made).toBe(1)
  })

  test('a handle of another process takes back an error, and ends what is active', async () => {
    const database = temporary()
    const [here, there] = [serve({ database }), serve({ database })]
    await texts(here).error('no')
    await textStream(there.hub, topic).replace('new')
    expect(await texts(here).read()).toMatchObject({ html: 'new', state: 'idle', error: undefined })
    const other = textStream(here.hub, 'b:1')
    await other.start()
    await textStream(there.hub, 'b:1').end()
    expect((await other.read()).state).toBe('done')
  })

  test('words for an error that fail themselves, or are too long, still say that it failed', async () => {
    const on = serve()
    const describe = (error: unknown) => {
      if (error === 1) throw new Error('in describe')
      return 'x'.repeat(2_000_000)
    }
    const text = textStream(on.hub, topic, { describe })
    await text.error(1)
    expect(await text.read()).toMatchObject({ state: 'failed', error: 'Failed' })
    await text.error(2)
    expect((await text.read()).error).toHaveLength(1_000)
    const plain = textStream(on.hub, 'b:1')
    await plain.error(Object.create(null))
    expect((await plain.read()).state).toBe('failed')
    expect(on.errors).toHaveLength(2)
  })

  test('a source that is never waited for lets others have their turn, whatever it gives', async () => {
    const on = serve()
    const stop = new AbortController()
    function* source() {
      for (;;) yield ''
    }
    const piped = texts(on).pipe(source(), { signal: stop.signal })
    let turns = 0
    const timer = setInterval(() => ++turns === 5 && stop.abort(), 1)
    expect((await piped).outcome).toBe('stopped')
    clearInterval(timer)
    expect(turns).toBeGreaterThanOrEqual(5)
    // One that is stopped before it begins is not asked.
    const asked = texts(on).pipe(() => expect.unreachable(), { signal: stop.signal })
    expect((await asked).outcome).toBe('stopped')
  })

  test('D-10 whose access was taken may not stop it, and stopping ends or begins no topic', async () => {
    const on = serve({ viewer: (request) => request.headers.get('x-user') })
    const text = texts(on)
    const address = await on.hub.page(
      new Request('http://a/', { headers: { 'x-user': 'ann' } }),
      () => text.stopAddress(),
    )
    const post = async () =>
      (
        await fetch(on.url + address, {
          method: 'POST',
          headers: { 'x-user': 'ann', 'hx-request': 'true' },
        })
      ).status
    expect(await post()).toBe(204)
    await on.hub.revoke({ viewer: 'ann' })
    expect(await post()).toBe(403)
    const client = await connect(
      on.url + on.hub.address([topic, 'b:1'], { since: null, viewer: undefined }),
    )
    await client.until(() => client.lastEventId !== '')
    text.text('a')
    await text.end()
    await text.stop()
    await on.hub.end('b:1')
    await client.until(() => client.ended)
    expect(client.events.at(-1)?.name).toBe('done')
  })
})

describe('misuse', () => {
  test('says what is expected', async () => {
    const on = serve()
    on.hub.topic('state:*', { kind: 'state' })
    const text = texts(on)
    expect(() => textStream(on.hub, 'a:*')).toThrow(TypeError)
    expect(() => textStream(on.hub, 'state:1')).toThrow('kind log')
    expect(() => textStream(on.hub, 'x', { window: -1 })).toThrow('window')
    expect(() => textStream(on.hub, 'y', { mode: 'up' as 'append' })).toThrow(
      'append, replace or prepend',
    )
    expect(() => text.text('a', { mode: 'up' as 'append' })).toThrow('append, replace or prepend')
    expect(() => text.insert('a', { at: 'end' as 'append' })).toThrow('append or prepend')
    expect(() => text.insert(Promise.resolve('') as unknown as string)).toThrow('await it first')
    for (const selector of [
      'a >>> b',
      'div p',
      'a > b',
      '',
      ',',
      'a,',
      ':is(a)',
      '[title="a&b"]',
      'a) , body :is(b',
    ]) {
      expect(() => text.delete(selector)).toThrow('Expected a selector of tags')
    }
    for (const selector of ['b', '.a.b', '#x', '[data-x]', 'b[data-x="1 2"], i.a', '*']) {
      await text.delete(selector)
    }
    expect(() => text.text('x'.repeat(on.hub.limits.event + 1))).toThrow('limits.event')
    const format = () => ({ push: () => ({ closed: '' }), end: () => '' })
    expect(() => textStream(on.hub, 'z', { format }).text('a', { mode: 'prepend' })).toThrow(
      'format',
    )
  })

  test('a source that gives too much fails, with what was received kept', async () => {
    const on = serve({ limits: { event: 10_000 } })
    const text = texts(on)
    let isOver = false
    async function* source() {
      try {
        for (;;) yield 'x'.repeat(1_000)
      } finally {
        isOver = true
      }
    }
    const { outcome, error } = await text.pipe(source())
    expect(outcome).toBe('failed')
    expect(String(error)).toContain('limits.event')
    expect(isOver).toBe(true)
    expect((await text.read()).html.length).toBeWithin(5_000, 10_001)
  })

  test('a hub that closes stops what is piped, and nobody hears of it', async () => {
    const on = serve()
    let isOver = false
    async function* source(signal: AbortSignal) {
      try {
        while (!signal.aborted) {
          yield 'x'
          await Bun.sleep(1)
        }
      } finally {
        isOver = true
      }
    }
    const piped = texts(on).pipe(source)
    await settled(async () => (await texts(on).read()).html.length > 3)
    on.hub.close()
    expect((await piped).outcome).toBe('stopped')
    await settled(() => isOver)
    expect(on.errors).toEqual([])
  })

  test('beside a manager’s streams it keeps its order', async () => {
    const on = serve()
    const jobs = new MultiStreamManager<{ id: string }>(on.hub, {
      name: 'job',
      getEntity: (id) => ({ id }),
    }).register({
      name: 'state',
      kind: 'log',
      render: ({ id }) => `<i>${id}</i>`,
    })
    const address = on.hub.address([topic, 'job:1:state'], { since: null })
    const client = await connect(on.url + address)
    await client.until(() => client.lastEventId !== '')
    const text = texts(on)
    text.text('a')
    text.flush()
    jobs.publish('1', 'state', { id: '1' })
    await text.done()
    await client.until(() => shown(client).state === 'done')
    expect(client.events.map(({ name }) => name)).toEqual([topic, topic, 'job:1:state', topic])
  })
})

describe('what a review found', () => {
  test('D-10 what stops a source after its end changes nothing, not even in a log that takes its time', async () => {
    const on = serve({ log: lateLog(memoryLog(), { delay: () => 20 }) })
    const stop = new AbortController()
    async function* source() {
      yield 'all '
      yield 'of it'
      setTimeout(() => stop.abort(), 5)
    }
    const text = texts(on)
    expect(await text.pipe(source(), { signal: stop.signal })).toEqual({
      text: 'all of it',
      outcome: 'done',
    })
    expect((await text.read()).state).toBe('done')
  })

  test('D-10 a stop that nobody waited for is of what was piped before, and not of what is piped next', async () => {
    const on = serve()
    const text = texts(on)
    const first = text.pipe(slowly(tokens(1_000), 5))
    await settled(async () => (await text.read()).html !== '')
    text.stop()
    const second = text.pipe(slowly(['a', 'b', 'c'], 30), { replace: true })
    expect((await first).outcome).toBe('stopped')
    expect(await second).toEqual({ text: 'abc', outcome: 'done' })
    expect((await text.read()).html).toBe('abc')
    const third = text.pipe(slowly(tokens(1_000), 5))
    text.stop()
    expect((await third).outcome).toBe('stopped')
  })

  test('D-09 a text that may be has a format that may be longer: nothing of it is lost, live or late', async () => {
    const on = serve({ limits: { event: 20_000 } })
    const client = await reader(on)
    const text = textStream(on.hub, topic, { format: markdown })
    const source = `- www.example.com/a\n`.repeat(900)
    expect((await text.pipe(slowly([source]))).outcome).toBe('done')
    const { html } = await text.read()
    expect(html.length).toBeGreaterThan(60_000)
    expect(html).toBe(renderMarkdown(source))
    const seen = ({ events }: Client) =>
      wholeOf(
        events.filter(({ name }) => name === topic).map(({ data }) => ({ data, form: 'text' })),
      )
    for (const one of [client, await reader(on)]) {
      await one.until(() => seen(one).state === 'done')
      expect(shownOf(seen(one))).toBe(html)
    }
    expect(on.errors).toEqual([])
  })

  test('a source that gives too much is told to stop, though it listens to nothing but its signal', async () => {
    const on = serve({ limits: { event: 10_000 } })
    let told = false
    const source = (signal: AbortSignal) => {
      signal.addEventListener('abort', () => {
        told = true
      })
      return slowly(['x'.repeat(20_000)])
    }
    expect((await texts(on).pipe(source)).outcome).toBe('failed')
    expect(told).toBe(true)
  })

  test('a text that is active keeps no hub that was closed', async () => {
    const hubs: WeakRef<Hub>[] = []
    const leave = async () => {
      const hub = new Hub({ secret: 'of the tests' })
      hubs.push(new WeakRef(hub))
      textStream(hub, topic).text('begun')
      await Bun.sleep(5)
      hub.close()
    }
    for (let n = 0; n < 10; n++) await leave()
    await settled(() => {
      Bun.gc(true)
      // One may still be held by the stack.
      return hubs.filter((hub) => hub.deref()).length <= 1
    })
  })

  test('a log that can not say what is kept is reported, ends no process, and takes more', async () => {
    const log = memoryLog()
    const last = spyOn(log, 'last')
    for (const [n, fail] of [
      () => Promise.reject(new Error('away')),
      () => {
        throw new Error('away')
      },
    ].entries()) {
      last.mockImplementationOnce(fail)
      const on = serve({ log })
      const text = textStream(on.hub, `chat:${n}`)
      text.text('kept')
      await text.done()
      expect(on.errors).toEqual([new Error('away')])
      expect((await text.read()).html).toBe('kept')
    }
  })

  test('what is kept of a run before counts, also in a log that answers later', async () => {
    const kept = memoryLog()
    const before = serve({ log: kept, limits: { event: 10_000 } })
    texts(before).text('x'.repeat(6_000))
    await texts(before).done()
    const on = serve({
      log: lateLog(kept, { delay: () => 20, appends: false }),
      limits: { event: 10_000 },
    })
    const text = texts(on)
    text.text('y')
    await Bun.sleep(100)
    expect(() => text.text('y'.repeat(5_000))).toThrow(RangeError)
    text.text('y'.repeat(3_000))
  })

  test('what is forgotten is what was given, also what waits; what comes then is a text that begins', async () => {
    const on = serve({ limits: { event: 10_000 } })
    const text = texts(on)
    text.text('secret')
    await on.hub.forget(topic)
    await Bun.sleep(50)
    expect(await text.read()).toMatchObject({ html: '', state: 'idle' })
    text.text('x'.repeat(9_000))
    await text.done()
    await on.hub.forget(topic)
    text.text('y'.repeat(2_000))
    await text.done()
    expect((await text.read()).html).toHaveLength(2_000)
  })

  test('D-02 a text with a format that is forgotten while it is piped goes on with what comes', async () => {
    const on = serve()
    const client = await reader(on)
    const text = textStream(on.hub, topic, { format: markdown })
    async function* source() {
      yield 'secret\n\n- se'
      await settled(async () => (await text.read()).html.includes('se'))
      await on.hub.forget(topic)
      yield 'cret\n\n*open*'
      await settled(async () => (await text.read()).html.includes('open'))
      expect((await text.read()).state).toBe('active')
    }
    expect((await text.pipe(source())).outcome).toBe('done')
    const { html } = await text.read()
    expect(html).toContain('<em>open</em>')
    expect(html).not.toContain('secret')
    await client.until(() => client.events.at(-1)?.data.includes('data-state="done"') === true)
    await text.end()
  })

  test('a pipe that nobody waits for ends no process, whatever the log does, and is told as failed once', async () => {
    const log = memoryLog()
    const on = serve({ log })
    const rejected: unknown[] = []
    const hear = (error: unknown) => rejected.push(error)
    process.on('unhandledRejection', hear)
    const append = spyOn(log, 'append')
    const text = texts(on)
    const piped = text.pipe(slowly(['a', 'b', 'c'], 30))
    await settled(async () => (await text.read()).html === 'ab')
    append.mockImplementationOnce(() => {
      throw new Error('busy')
    })
    expect((await piped).outcome).toBe('failed')
    expect((await text.read()).state).toBe('failed')
    append.mockImplementation(() => {
      throw new Error('away')
    })
    void text.pipe(slowly(['d', 'e'], 5))
    text.insert('x'.repeat(2_000_000))
    await Bun.sleep(100)
    append.mockRestore()
    process.off('unhandledRejection', hear)
    expect(rejected).toEqual([])
    expect(on.errors.filter((error) => error instanceof RangeError)).toHaveLength(1)
  })

  test('a hub that is closed keeps no process for what waited', async () => {
    const program = `
      const { Hub, textStream } = await import('headwater')
      const hub = new Hub({ secret: 'of the tests' })
      const text = textStream(hub, 'a:1', { window: 20_000 })
      text.text('a')
      await Bun.sleep(20)
      text.text('b')
      hub.close()`
    const from = performance.now()
    const child = Bun.spawn([process.execPath, '-e', program], { cwd: root })
    expect(await child.exited).toBe(0)
    expect(performance.now() - from).toBeLessThan(10_000)
  })
})
