/** The benchmark of streamed text: what its readers see, and that its scenario runs. Figures are not looked at. */
import { describe, expect, test } from 'bun:test'
import { Chat, ChatReader, type Counts } from '../../bench/load/chat-reader'
import { chatOf, textOf, tokenOf } from '../../bench/serving/tokens'
import { runBench } from '../support/bench'

const count = 40
const tokens = Array.from({ length: count }, (_, n) => tokenOf(0, n))
const text = textOf(0, count)

/** One event on the wire, of user text. */
function event(data: string, name = chatOf(0)): string {
  const lines = Bun.escapeHTML(data)
    .split('\n')
    .map((line) => `data: ${line}\n`)
  return `id: e.1\nevent: ${name}\n${lines.join('')}\n`
}

/** A body in chunks of HTTP, cut into pieces of so many bytes. */
function* pieces(body: string, size: number): Generator<Uint8Array> {
  const bytes = Buffer.from(body)
  let text = Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (let at = 0; at < bytes.length; at += size + 3) {
    const chunk = bytes.subarray(at, at + size + 3)
    text = Buffer.concat([
      text,
      Buffer.from(`${chunk.length.toString(16)}\r\n`),
      chunk,
      Buffer.from('\r\n'),
    ])
  }
  for (let at = 0; at < text.length; at += size) yield text.subarray(at, at + size)
}

/** What readers make of a body, each piece a microsecond after the one before. */
function read(body: string, size = 4_096) {
  const chats = [0, 1].map((n) => new Chat(n))
  const counts: Counts = { events: 0, bytes: 0, damaged: 0 }
  const byTopic = new Map(chats.map((chat, n) => [chatOf(n), chat]))
  const reader = new ChatReader(byTopic, counts)
  let at = 0
  for (const piece of pieces(body, size)) reader.read(piece, ++at)
  return { chats: chats as [Chat, Chat], counts, at }
}

describe('the reader of chats', () => {
  test.each([1, 2, 3, 5, 7, 11, 64, 4_096])(
    'puts a text together from pieces of %d bytes',
    (size) => {
      const { chats, counts, at } = read(tokens.map((token) => event(token)).join(''), size)
      expect(chats[0].text).toBe(text)
      expect(counts).toMatchObject({ events: count, damaged: 0 })
      expect(chats[0].arrivals).toHaveLength(count)
      expect(chats[0].arrivals).toEqual(chats[0].arrivals.toSorted((a, b) => a - b))
      expect(chats[0].arrivals.at(-1)).toBeWithin(1, at + 1)
    },
  )

  test('times each token that comes joined with others', () => {
    const { chats } = read(event(tokens.slice(0, 3).join('')) + event(tokens[3] as string))
    expect(chats[0].arrivals).toEqual([1, 1, 1, 1])
  })

  test('does not count a token of which a part is missing', () => {
    const { chats } = read(event(textOf(0, 2).slice(0, -1)))
    expect(chats[0].arrivals).toHaveLength(1)
  })

  test('takes what sets all of a text in its place', () => {
    const whole = `<hx-partial data-op="state" hx-target="x" hx-swap="innerHTML" data-state="active"><span></span></hx-partial><hx-partial data-op="whole" hx-target="x" hx-swap="innerHTML">${Bun.escapeHTML(text)}</hx-partial>`
    const lines = whole.split('\n').map((line) => `data: ${line}\n`)
    const { chats, counts } = read(
      `${event('something else')}event: ${chatOf(0)}\n${lines.join('')}\n`,
    )
    expect(chats[0].text).toBe(text)
    expect(chats[0].arrivals).toHaveLength(count)
    expect(counts.damaged).toBe(0)
  })

  test('keeps chats of one connection apart, and passes over what is of none', () => {
    const { chats, counts } = read(
      [event(textOf(1, 5), chatOf(1)), event('{}', 'hw:open'), event(textOf(0, 5)), ':\n\n'].join(
        '',
      ),
    )
    expect(chats.map(({ text }) => text)).toEqual([textOf(0, 5), textOf(1, 5)])
    expect(counts.events).toBe(2)
  })

  test('says what it does not understand', () => {
    const strange = '<hx-partial data-op="strange" hx-target="x">y</hx-partial>'
    expect(read(`event: ${chatOf(0)}\ndata: ${strange}\n\n`).counts.damaged).toBe(1)
  })
})

test('no two parts of a text are the same', () => {
  const long = textOf(0, 2_000)
  expect(long.indexOf(long.slice(-40))).toBe(long.length - 40)
})

test('text-chats measures, checks and judges', async () => {
  const words = 'text-chats --runs 1 --connections 20 --events 20 --seconds 1 --dry'
  const text = await runBench(words)
  for (const candidate of ['floor', 'better-sse', 'headwater', 'headwater-pages']) {
    expect(text).toMatch(new RegExp(`^\\| ${candidate} +\\| +[\\d.]+ \\|.* [\\d.]+ \\|$`, 'm'))
  }
  expect(text).toMatch(/^\| measurements in which Headwater .* \| +0 \| +0 \| +reached \|$/m)
  expect(text).not.toMatch(/NaN|∞/)
}, 60_000)
