/**
 * `examples/chat-llm` beneath its pages: the provider over real HTTP, well and badly behaved, and the conversations in
 * a real database file.
 */
import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Hub, type Limits } from 'headwater'
import {
  ChatError,
  Chats,
  type ChatsOptions,
  listTopic,
  threadTopic,
} from '../../examples/chat-llm/chats'
import { openAi } from '../../examples/chat-llm/openai'
import { optionsOf } from '../../examples/chat-llm/options'
import { AnswerError, type Provider } from '../../examples/chat-llm/provider'
import { type Message, Store } from '../../examples/chat-llm/store'
import { connect } from '../support/client'
import {
  bodyOf,
  closeProviders,
  Drip,
  dripping,
  type Script,
  startProvider,
} from '../support/openai'
import { cleanUp, settled, temporary } from '../support/serve'

setDefaultTimeout(30_000)

const key = 'sk-very-secret'
const tokens = ['Hé', 'llo', ' 😀', '\n\n', '- one', '\n- two', ' "quoted" \\ ', '\u0000', '.']
const whole = tokens.join('')

const open = new Set<{ close(): Promise<void> }>()

afterEach(async () => {
  closeProviders()
  await Promise.all([...open].map((one) => one.close()))
  open.clear()
  await cleanUp()
})

describe('the provider', () => {
  test('an answer is whole, whatever its framing', async () => {
    const framings: Omit<Script, 'tokens'>[] = [
      {},
      { newline: '\r\n' },
      { newline: '\r' },
      { split: 1 },
      { split: 7, newline: '\r\n', comments: true },
      { usage: true },
      { done: false },
      { comments: true, usage: true, done: false, split: 3 },
      { headAfter: 50, firstByteAfter: 50 },
      { oddities: [null, 5, 'x', [], {}, { choices: null }, { choices: [] }] },
      { oddities: [{ choices: [{}] }, { choices: [{ delta: { content: 7 } }] }] },
      { meanwhile: '' },
      { meanwhile: '', usage: true, done: false },
    ]
    for (const framing of framings) {
      const given = await answered({ tokens, ...framing })
      expect({ framing, ...given }).toEqual({ framing, text: whole, error: undefined })
    }
  })

  test('the request is as the protocol says, once, with what was said before as far as it fits', async () => {
    const server = startProvider()
    const provider = openAi({ baseURL: server.url, apiKey: key, model: 'm-1' })
    const long = 'x'.repeat(40_000)
    const turns = [
      { role: 'user', text: long },
      { role: 'assistant', text: long },
      { role: 'user', text: 'and now?' },
    ] as const
    await read(provider, { turns })
    const [{ path, headers, body }] = server.asked as [(typeof server.asked)[number]]
    expect(path).toBe('/v1/chat/completions')
    expect(headers.authorization).toBe(`Bearer ${key}`)
    expect(body).toMatchObject({ model: 'm-1', stream: true })
    expect(body.messages.map(({ role, content }) => [role, content.length])).toEqual([
      ['system', expect.any(Number)],
      ['assistant', 40_000],
      ['user', 8],
    ])
    await read(provider, { turns: [{ role: 'user', text: 'y'.repeat(100_000) }] })
    expect(server.asked[1]?.body.messages[1]?.content).toHaveLength(100_000)
  })

  test('where it is must be an address of the web', async () => {
    const env = (OPENAI_BASE_URL: string) => ({ OPENAI_BASE_URL, OPENAI_MODEL: 'm' })
    for (const address of ['localhost:8080/v1', 'file:///v1', 'ws://127.0.0.1/v1', '127.0.0.1']) {
      await expect(optionsOf(env(address))).rejects.toThrow('Expected OPENAI_BASE_URL to be a URL')
    }
    for (const address of ['http://localhost:8080/v1', 'HTTPS://models.example/v1']) {
      expect((await optionsOf(env(address))).provider.name).toBe('m')
    }
  })

  test('cut at any byte: what came before is given, and it is said that it was cut', async () => {
    const { byteLength } = bodyOf({ tokens })
    const ends = endsOf()
    const cuts = Array.from({ length: byteLength }, (_, at) => at + 1)
    let exact = 0
    for (let from = 0; from < cuts.length; from += 48) {
      await Promise.all(
        cuts.slice(from, from + 48).map(async (cutAt) => {
          const { text, error } = await answered({ tokens, cutAt, cut: 'end' })
          const come = ends.findLastIndex((end) => end <= cutAt)
          if (come > tokens.length) {
            expect({ cutAt, text, error }).toEqual({ cutAt, text: whole, error: undefined })
            return
          }
          const expected = tokens.slice(0, Math.max(0, come)).join('')
          expect({ cutAt, error }).toEqual({ cutAt, error: expect.stringContaining('was cut') })
          // What `fetch` has not handed out when it fails, it drops.
          expect(expected).toStartWith(text)
          if (text === expected) exact++
        }),
      )
    }
    expect(exact).toBeGreaterThan(byteLength * 0.7)
    // A reset may take along what was on its way.
    for (let cutAt = 1; cutAt < (ends[tokens.length] ?? 0); cutAt += 97) {
      const { text, error } = await answered({ tokens, cutAt, cut: 'reset' })
      expect({ cutAt, error }).toEqual({ cutAt, error: expect.stringContaining('was cut') })
      expect(whole.startsWith(text)).toBe(true)
    }
  })

  test('every fault is said in words that help, keeps what came, never holds the key, and is not tried again in secret', async () => {
    const json = { 'content-type': 'application/json' }
    const body = (message: string, code?: string) => JSON.stringify({ error: { message, code } })
    const inTwoMinutes = new Date(Date.now() + 125_000).toUTCString()
    const cases: [Script, RegExp, text?: string][] = [
      [{ status: 401, headers: json, body: body(`Incorrect API key: ${key}`) }, /OPENAI_API_KEY/],
      [{ status: 403, body: `no ${key}` }, /does not let this key .*403/],
      [{ status: 404, headers: json, body: body('no model') }, /OPENAI_MODEL and OPENAI_BASE_URL/],
      [{ status: 429, headers: { 'retry-after': '20' } }, /429.* in 20 s\.$/],
      [{ status: 429, headers: { 'retry-after': inTwoMinutes } }, /429.* in 3 min\.$/],
      [{ status: 429, headers: { 'retry-after': '-5' } }, /429.* in a while\.$/],
      [
        { status: 429, headers: json, body: body('x', 'insufficient_quota') },
        /nothing left to spend/,
      ],
      [{ status: 400, headers: json, body: body(`bad <b> ${key}`) }, /\(400\): bad <b> …$/],
      [{ status: 400, body: 'y'.repeat(5_000) }, /\(400\): y{300}…$/],
      [{ status: 500, body: 'stack' }, /fault of its own \(500\)/],
      [{ status: 503 }, /fault of its own \(503\)/],
      [{ tokens, malformedAfter: 2 }, /no part of an answer/, 'Héllo'],
      [{ tokens, oddities: [{ choices: [null] }] }, /no part of an answer/],
      [{ tokens, errorAfter: 2 }, /broke off: The server had an error/, 'Héllo'],
      [{ tokens, finish: null }, /was cut/, whole],
      [{ tokens, finish: 'length' }, /limit of length/, whole],
      [{ tokens, finish: 'content_filter' }, /content filter/, whole],
      [{ tokens: [] }, /empty answer/],
      [{ tokens: [], finish: 'length' }, /limit of length/],
      [
        { body: '<title>Hello</title>', headers: { 'content-type': 'text/html' } },
        /gives no answers/,
      ],
      [{ body: '{"ok":true}', headers: json }, /gives no answers/],
    ]
    for (const [script, words, kept = ''] of cases) {
      const server = startProvider(script)
      const given = await read(openAi({ baseURL: server.url, apiKey: key, model: 'm' }))
      expect({ script, ...given }).toEqual({
        script,
        text: kept,
        error: expect.stringMatching(words),
      })
      expect(given.error).not.toContain(key)
      expect(server.asked).toHaveLength(1)
    }
    const gone = startProvider()
    gone.close()
    const { error } = await read(openAi({ baseURL: gone.url, apiKey: key, model: 'm' }))
    expect(error).toMatch(/can not be reached.*OPENAI_BASE_URL/)
  })

  test('silence ends it, before the first byte and in the middle, but not a slow answer', async () => {
    const cases: [Script, text: string][] = [
      [{ headAfter: 5_000 }, ''],
      [{ firstByteAfter: 5_000 }, ''],
      [{ tokens: dripping(['a', 'b'], 5_000) }, 'a'],
    ]
    for (const [script, text] of cases) {
      const began = performance.now()
      const given = await answered(script, { patience: 1_000 })
      expect(given).toEqual({ text, error: expect.stringContaining('nothing for 1 s') })
      expect(performance.now() - began).toBeLessThan(3_000)
    }
    const slow = await answered(
      { tokens: dripping(['a', 'b', 'c', 'd'], 400) },
      { patience: 1_000 },
    )
    expect(slow).toEqual({ text: 'abcd', error: undefined })
  })

  test('D-10 who stops it has left the provider within 50 ms, at any time', async () => {
    const scripts = [
      () => ({ headAfter: 5_000 }),
      () => ({ firstByteAfter: 5_000 }),
      () => ({ tokens: dripping(['a', 'b'], 5_000) }),
    ]
    for (const script of scripts) {
      await expectSoon(async () => {
        const server = startProvider(script())
        const provider = openAi({ baseURL: server.url, apiKey: key, model: 'm' })
        const stop = new AbortController()
        const reading = read(provider, { signal: stop.signal })
        await settled(() => server.asked.length === 1)
        await Bun.sleep(20)
        const stopped = performance.now()
        stop.abort()
        expect((await reading).error).toBeUndefined()
        await settled(() => server.asked[0]?.leftAt, 1_000)
        return (server.asked[0]?.leftAt ?? 0) - stopped
      })
    }
  })
})

describe('the conversations', () => {
  test('a question and its answer are kept, and named; the text is live meanwhile, and over afterwards', async () => {
    const { chats, hub, store, server } = start()
    const drip = new Drip()
    server.next({ tokens: drip })
    const { id, title } = await chats.ask(' \r\n  What is <b>this</b>?\r\nsecond line ')
    expect(title).toBe('What is <b>this</b>?')
    const [question, answer] = store.messages(id) as [Message, Message]
    expect(question).toMatchObject({ role: 'user', state: 'done' })
    expect(question.text).toBe('  What is <b>this</b>?\nsecond line')
    expect(answer).toMatchObject({ role: 'assistant', state: 'running', text: '', model: 'm' })

    drip.give('It is **th')
    const stream = chats.streamOf(answer)
    await settled(async () => (await stream.read()).html.includes('It is'))
    drip.give('is** <i>.')
    drip.end()
    await chats.settled()
    const [, kept] = store.messages(id) as [Message, Message]
    expect(kept).toMatchObject({ state: 'done', text: 'It is **this** <i>.', error: null })
    expect(kept.finishedAt).toBeGreaterThanOrEqual(kept.createdAt)
    const { html, state } = await stream.read()
    expect([html.trim(), state]).toEqual(['<p>It is <strong>this</strong> &lt;i&gt;.</p>', 'done'])
    expect(await hub.log.ended([stream.topic])).toEqual([stream.topic])
    expect(server.asked[0]?.body.messages.at(-1)?.content).toBe(question.text)

    await chats.ask('And that?', id)
    await chats.settled()
    expect(server.asked[1]?.body.messages.slice(1)).toEqual([
      { role: 'user', content: question.text },
      { role: 'assistant', content: kept.text },
      { role: 'user', content: 'And that?' },
    ])
  })

  test('what has come is in the database within a second, also when no more comes', async () => {
    const { chats, store, server } = start()
    const drip = new Drip()
    server.next({ tokens: drip })
    const { id } = await chats.ask('?')
    drip.give('half an ans')
    await settled(() => store.messages(id)[1]?.text === 'half an ans', 1_000)
    expect(store.messages(id)[1]?.state).toBe('running')
  })

  test('a fault keeps what came, is said, and can be tried again', async () => {
    const { chats, store, server, errors } = start()
    server.next({ tokens, malformedAfter: 2 }, { status: 401 }, { tokens: ['fine'] })
    const { id } = await chats.ask('?')
    await chats.settled()
    const [, first] = store.messages(id) as [Message, Message]
    expect(first).toMatchObject({
      state: 'failed',
      text: 'Héllo',
      error: expect.stringContaining('no part of an answer'),
    })
    const { html, state, error } = await chats.streamOf(first).read()
    expect([html.trim(), state, error]).toEqual(['<p>Héllo</p>', 'failed', first.error as string])

    await chats.retry(id, first.id)
    await chats.settled()
    const [, second] = store.messages(id) as [Message, Message]
    expect(second.id).toBeGreaterThan(first.id)
    expect(second.error).toContain('OPENAI_API_KEY')
    await chats.retry(id, second.id)
    await chats.settled()
    expect(store.messages(id).map(({ text }) => text)).toEqual(['?', 'fine'])
    // What failed is not told to the model as if it had said it.
    for (const { body } of server.asked) expect(body.messages).toHaveLength(2)
    expect(errors).toEqual([])
  })

  test('a fault of the program is logged, and told in general words', async () => {
    const { chats, store, errors } = start({
      provider: {
        name: 'broken',
        // biome-ignore lint/correctness/useYield: it fails before
        async *answer() {
          throw new Error(`secret ${key}`)
        },
      },
    })
    const { id } = await chats.ask('?')
    await chats.settled()
    const [, answer] = store.messages(id) as [Message, Message]
    expect(answer.error).toBe('Something went wrong here; the server has logged it.')
    expect((await chats.streamOf(answer).read()).error).toBe(answer.error as string)
    expect(errors.map(String)).toEqual([`Error: secret ${key}`])
  })

  test('D-10 a stopped answer keeps what came, and the provider is left within 50 ms', async () => {
    const { chats, store, server } = start()
    await expectSoon(async () => {
      const drip = new Drip()
      server.next({ tokens: drip })
      const { id } = await chats.ask('?')
      drip.give('some of')
      const [, answer] = store.messages(id) as [Message, Message]
      const stream = chats.streamOf(answer)
      await settled(async () => (await stream.read()).html.includes('some of'))
      const stopped = performance.now()
      await stream.stop()
      const asked = server.asked.at(-1)
      await settled(() => asked?.leftAt, 1_000)
      await chats.settled()
      expect(store.messages(id)[1]).toMatchObject({
        state: 'stopped',
        text: 'some of',
        error: null,
      })
      expect((await stream.read()).state).toBe('stopped')
      return (asked?.leftAt ?? 0) - stopped
    })
  })

  test('one answer at a time: a second question, an edit and a retry are refused until it is over', async () => {
    const { chats, store, server } = start()
    const drip = new Drip()
    server.next({ tokens: drip })
    const { id } = await chats.ask('first')
    const [question, answer] = store.messages(id) as [Message, Message]
    const busy = {
      status: 409 as const,
      message: expect.stringContaining('still being written') as unknown as string,
    }
    expect(await refused(chats.ask('second', id))).toEqual(busy)
    expect(await refused(chats.edit(id, question.id, 'x'))).toEqual(busy)
    expect(await refused(chats.retry(id, answer.id))).toEqual(busy)
    // Another conversation is free; and of two at the same moment one is.
    const other = await chats.ask('elsewhere')
    await settled(() => store.newest(other.id)?.state === 'done')
    const both = await Promise.allSettled([chats.ask('a', other.id), chats.ask('b', other.id)])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    drip.end()
    await chats.settled()
    expect(store.messages(id)).toHaveLength(2)
    await chats.ask('second', id)
  })

  test('an edited question loses what came after it, and names the conversation if it is the first', async () => {
    const { chats, store, server } = start()
    const { id } = await chats.ask('one')
    await chats.settled()
    await chats.ask('two', id)
    await chats.settled()
    const before = store.messages(id)
    await chats.edit(id, before[2]?.id ?? 0, 'two, but better')
    await chats.settled()
    const texts = () => store.messages(id).map(({ text }) => text)
    expect(texts()).toEqual(['one', 'Hello there.', 'two, but better', 'Hello there.'])
    expect(chats.conversation(id).title).toBe('one')
    await chats.edit(id, before[0]?.id ?? 0, `${'long words '.repeat(9)}\nmore`)
    await chats.settled()
    expect(texts()).toHaveLength(2)
    expect(chats.conversation(id).title).toBe(`${'long words '.repeat(5)}long…`)
    expect(server.asked.at(-1)?.body.messages).toHaveLength(2)
  })

  test('what can not be done is refused in words', async () => {
    const { chats, store } = start()
    const { id } = await chats.ask('one')
    await chats.settled()
    await chats.ask('two', id)
    await chats.settled()
    const [question, first] = store.messages(id) as [Message, Message]
    const cases = [
      [chats.ask(' \r\n\t '), 400, 'Write a question first.'],
      [chats.ask('x'.repeat(20_001), id), 413, 'has 20,001 characters; at most 20,000'],
      [chats.ask('x', 'nowhere'), 404, 'no such conversation'],
      [chats.retry(id, first.id), 409, 'Only the last answer'],
      [chats.retry(id, question.id), 404, 'no such message'],
      [chats.edit(id, first.id, 'x'), 404, 'no such message'],
      [chats.edit(id, question.id, ' '), 400, 'Write a question'],
      [chats.edit(id, Number.NaN, 'x'), 404, 'no such message'],
      [chats.remove('nowhere'), 404, 'no such conversation'],
    ] as const
    for (const [wish, status, message] of cases) {
      expect(await refused(wish)).toEqual({ status, message: expect.stringContaining(message) })
    }
    expect(store.messages(id)).toHaveLength(4)
    await chats.ask('x'.repeat(20_000), id)
  })

  test('a deleted conversation is gone with its messages, its answer is stopped, and so is what is paid for', async () => {
    const { chats, hub, store, server, errors } = start()
    const drip = new Drip()
    server.next({ tokens: drip })
    const { id } = await chats.ask('one')
    drip.give('never')
    await settled(() => server.asked.length === 1)
    await chats.remove(id)
    await settled(() => server.asked[0]?.leftAt, 1_000)
    expect(store.conversations()).toEqual([])
    expect(store.messages(id)).toEqual([])
    expect(store.running()).toEqual([])
    expect(await hub.log.ended([threadTopic(id)])).toHaveLength(1)
    expect(errors).toEqual([])
  })

  test('D-13 an answer whose process has died has what came, an error, and can be tried again', async () => {
    const database = temporary()
    const before = start({ database })
    const drip = new Drip()
    before.server.next({ tokens: drip })
    const { id } = await before.chats.ask('?')
    drip.give('**half** of')
    await settled(() => before.store.messages(id)[1]?.text === '**half** of')

    // The other process is still there, but what counts is what it has left in the file.
    const after = start({ database })
    await after.chats.open()
    const [, answer] = after.store.messages(id) as [Message, Message]
    expect(answer).toMatchObject({
      state: 'failed',
      text: '**half** of',
      error: expect.stringContaining('server was stopped'),
    })
    const { html, state, error } = await after.chats.streamOf(answer).read()
    expect(html.trim()).toBe('<p><strong>half</strong> of</p>')
    expect([state, error]).toEqual(['failed', answer.error as string])
    await after.chats.retry(id, answer.id)
    await after.chats.settled()
    expect(after.store.messages(id).map(({ text }) => text)).toEqual(['?', 'Hello there.'])
  })

  test('who was away for too long is given the messages and the list as they stand', async () => {
    const { chats, hub, store, url } = start({ limits: { replay: 3 } })
    const { id } = await chats.ask('first')
    await chats.settled()
    const cursor = hub.cursor()
    const address = hub.address([listTopic, threadTopic(id)], { since: cursor })
    for (const text of ['second', 'third']) {
      await chats.ask(text, id)
      await chats.settled()
    }
    for (const text of ['a', 'b', 'c', 'd']) await chats.ask(text)
    await chats.settled()
    const client = await connect(url + address)
    await client.until(() => client.events.length === 2)
    const [list, thread] = ['#chats', '#thread'].map((target) =>
      client.events.find(({ data }) => data.includes(`hx-target="${target}"`)),
    )
    expect(list?.data.match(/id="conversation-/g)).toHaveLength(5)
    expect(thread?.data.match(/<article/g)).toHaveLength(store.messages(id).length)
    expect(thread?.data).not.toContain('data-stream=')

    await chats.remove(id)
    const late = await connect(url + hub.address([threadTopic(id)], { since: cursor }))
    await late.until(() => late.events.some(({ data }) => data.includes('has been deleted')))
  })

  test('an orderly end keeps what came, and says that it was the server', async () => {
    const { chats, store, server } = start()
    const drip = new Drip()
    server.next({ tokens: drip })
    const { id } = await chats.ask('?')
    const [, answer] = store.messages(id) as [Message, Message]
    drip.give('some')
    await settled(async () => (await chats.streamOf(answer).read()).html.includes('some'))
    await chats.close()
    expect(store.messages(id)[1]).toMatchObject({
      state: 'failed',
      text: 'some',
      error: expect.stringContaining('server was stopped'),
    })
  })
})

interface StartOptions {
  database?: string
  limits?: Partial<Limits>
  provider?: Provider
}

/** The conversations over a real file and, unless another is given, a provider over HTTP. */
function start({ database = temporary(), provider, limits }: StartOptions = {}) {
  const server = startProvider()
  const errors: unknown[] = []
  const file = new Database(database, { create: true, strict: true })
  const hub = new Hub({ database: file, limits, onError: (error) => errors.push(error) })
  const site = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request, server) =>
      (await hub.fetch(request, { server })) ?? new Response('', { status: 404 }),
  })
  const store = new Store(file)
  const options: ChatsOptions = {
    hub,
    store,
    provider: provider ?? openAi({ baseURL: server.url, apiKey: key, model: 'm' }),
    onError: (error) => errors.push(error),
  }
  const chats = new Chats(options)
  open.add({
    close: async () => {
      await chats.close()
      hub.close()
      await site.stop(true)
      file.close()
    },
  })
  return { chats, hub, store, server, errors, url: `http://127.0.0.1:${site.port}` }
}

async function refused(wish: Promise<unknown>) {
  const fault = await wish.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(fault instanceof ChatError)) throw new Error(`Expected a refusal, got ${fault}`)
  return { status: fault.status, message: fault.message }
}

/** At the first try, or at a later one: another program may have had the processors. */
async function expectSoon(measure: () => Promise<number>, within = 50): Promise<void> {
  const times: number[] = []
  while (times.length < 5 && Math.min(...times) >= within) times.push(await measure())
  expect(Math.min(...times)).toBeLessThan(within)
}

interface ReadOptions {
  turns?: Parameters<Provider['answer']>[0]
  signal?: AbortSignal
}

/** What a provider gives, and the words of its error. */
async function read(provider: Provider, options: ReadOptions = {}) {
  const { turns = [{ role: 'user', text: 'hello?' }], signal = new AbortController().signal } =
    options
  let text = ''
  try {
    for await (const piece of provider.answer(turns, signal)) text += piece
    return { text, error: undefined }
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error
    return { text, error: error.message }
  }
}

async function answered(script: Script, { patience = 10_000 } = {}) {
  const server = startProvider(script)
  try {
    return await read(openAi({ baseURL: server.url, apiKey: key, model: 'm', patience }))
  } finally {
    server.close()
  }
}

/** Bytes after which each event of the body is complete: the first says the role, the last but one the reason of the end. */
function endsOf(): number[] {
  const ends: number[] = []
  const body = bodyOf({ tokens })
  for (let at = body.indexOf('\n\n'); at >= 0; at = body.indexOf('\n\n', at + 2)) ends.push(at + 2)
  return ends
}
