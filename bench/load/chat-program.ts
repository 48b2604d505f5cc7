/** The readers of chats: a process of its own that does what {@link Chats} orders. */
import { answer, say } from '../child'
import { epochTime } from '../serving/event'
import { chatOf, textOf } from '../serving/tokens'
import { Chat, ChatReader, type Counts } from './chat-reader'
import type { ChatsTold, Following, Offered } from './chats'

const all: Chat[] = []
const counts: Counts = { events: 0, bytes: 0, damaged: 0 }
let gone = 0

say({ ready: true })
answer({
  /** Opens connections, and resolves when all are connected and have asked. */
  follow: async ({ port, chats, each }: Following) => {
    for (let n = 0; n < chats; n += each) {
      const own = new Map<string, Chat>()
      for (let i = n; i < Math.min(chats, n + each); i++) own.set(chatOf(i), new Chat(i))
      all.push(...own.values())
      await connect(port, [...own.keys()], new ChatReader(own, counts))
    }
  },
  /** Waits until each has so many tokens, for so many milliseconds at most. */
  until: async ({ tokens, within }: { tokens: number; within: number }) => {
    const end = performance.now() + within
    const isWhole = () => all.every(({ arrivals }) => arrivals.length >= tokens)
    while (!isWhole() && performance.now() < end) await Bun.sleep(5)
    return {}
  },
  tell: (offered: Offered): ChatsTold => {
    const ages = agesOf(offered)
    const at = (part: number) => ages[Math.ceil(ages.length * part) - 1] ?? Number.NaN
    const wrong = all.filter(({ text }, n) => text !== textOf(n, offered.to / all.length))
    return { ...counts, gone, wrong: wrong.length, p50: at(0.5), p99: at(0.99), oldest: at(1) }
  },
  count: () => ({ ...counts }),
})

/** Tokens were due by the clock, one text after the other. */
function agesOf({ began, perSecond, from, to }: Offered): Float64Array {
  const ages = new Float64Array(to - from)
  for (let i = from; i < to; i++) {
    const due = began + ((i - from + 1) / perSecond) * 1e6
    const arrival = all[i % all.length]?.arrivals[Math.floor(i / all.length)]
    ages[i - from] = arrival === undefined ? Number.POSITIVE_INFINITY : (arrival - due) / 1_000
  }
  return ages.sort()
}

/** One topic by a GET, more as a page does. */
async function connect(port: number, topics: string[], reader: ChatReader): Promise<void> {
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: {
      data: (_, bytes) => reader.read(bytes, epochTime()),
      close: () => void gone++,
    },
  })
  socket.setNoDelay(true)
  socket.write(topics.length === 1 ? get(pathOf(topics[0] as string)) : post(topics.map(pathOf)))
  socket.flush()
}

function pathOf(topic: string): string {
  return `/stream?topic=${encodeURIComponent(topic)}`
}

const host = 'Host: 127.0.0.1\r\nAccept: text/event-stream'

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\n${host}\r\n\r\n`
}

function post(addresses: string[]): string {
  const follow = addresses.map((address, i) => ({ id: `chat-${i}`, address }))
  const body = JSON.stringify({ follow })
  const head = `POST /stream HTTP/1.1\r\n${host}\r\nContent-Type: application/json`
  return `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}
