/**
 * What all servers under test have in common: orders to publish, which are carried out in their own process.
 *
 * A server prints `{ port }`; its streams are at `/stream?topic=<topic>`.
 */
import { answer, type Orders, say } from '../child'
import { epochTime, eventData, filling } from './event'
import { chatOf, tokenOf } from './tokens'

/** A server under test. */
export interface Candidate {
  port: number
  publish(topic: string, data: string): unknown
  /** Adds user text to what a topic shows. @default publishes it escaped */
  text?(topic: string, text: string): void
  /** What only this one can do. */
  orders?: Orders
}

/** What publishing took. */
export interface Published {
  /** When it began, in microseconds since 1970. */
  began: number
  /** Milliseconds. */
  wall: number
  /** Of the process, in milliseconds. */
  cpu: number
}

/** Carries out orders until the input ends. */
export function serve({ port, publish, text, orders }: Candidate): Promise<never> {
  const numbers = new Map<string, number>()
  const add = text ?? ((topic: string, text: string) => publish(topic, inOneLine(text)))
  let tokens = 0

  const publishNext = (topic: string, rest: string, at = epochTime()) => {
    const number = (numbers.get(topic) ?? 0) + 1
    numbers.set(topic, number)
    return publish(topic, eventData(number, at, rest))
  }

  say({ port })
  return answer({
    /** One event a turn of the event loop. */
    turns: ({ events, bytes }: { events: number; bytes: number }) =>
      timed(async () => {
        const rest = filling(bytes)
        for (let i = 0; i < events; i++) {
          await publishNext('bench', rest)
          await nextTurn()
        }
      }),
    /** To topics at random, so many a turn; `entity:<n>`. */
    random: (order: { events: number; bytes: number; topics: number; batch: number }) =>
      timed(async () => {
        const rest = filling(order.bytes)
        for (let i = 0; i < order.events; i += order.batch) {
          let last: unknown
          for (let n = Math.min(order.batch, order.events - i); n > 0; n--) {
            const entity = Math.floor(Math.random() * order.topics)
            last = publishNext(`entity:${entity}`, rest)
          }
          await last
          await nextTurn()
        }
      }),
    /** Whenever one is due by the clock, however long the others take: the time in an event is when it was due. */
    offer: (order: { perSecond: number; seconds: number; bytes: number; topic?: string }) =>
      timed(async () => {
        const { perSecond, seconds, bytes, topic = 'bench' } = order
        const rest = filling(bytes)
        await byTheClock(perSecond, seconds, (at) => publishNext(topic, rest, at))
      }),
    /** Tokens whenever they are due, one text after the other. */
    tokens: (order: { chats: number; perSecond: number; seconds: number }) =>
      timed(() =>
        byTheClock(order.perSecond, order.seconds, () => {
          const text = tokens % order.chats
          add(chatOf(text), tokenOf(text, Math.floor(tokens++ / order.chats)))
        }),
      ),
    memory: async () => {
      for (let i = 0; i < 5; i++) {
        Bun.gc(true)
        await Bun.sleep(50)
      }
      return { rss: process.memoryUsage.rss() }
    },
    /** Up to now. */
    cpu: () => ({ cpu: cpuTime() }),
    ...watching(),
    ...orders,
  })
}

/** Escaped, and fit for servers that do not know of lines. */
export function inOneLine(text: string): string {
  return Bun.escapeHTML(text).replaceAll('\n', '&#10;')
}

/** Publishes whenever it is due, in microseconds since 1970; resolves when the last is confirmed. */
export async function byTheClock(
  perSecond: number,
  seconds: number,
  publish: (at: number) => unknown,
): Promise<void> {
  const began = epochTime()
  const all = Math.round(perSecond * seconds)
  let last: unknown
  for (let published = 0; published < all; ) {
    const due = Math.min(all, Math.floor(((epochTime() - began) / 1e6) * perSecond))
    for (; published < due; published++) {
      last = publish(began + ((published + 1) / perSecond) * 1e6)
    }
    if (published < all) await Bun.sleep(1)
  }
  await last
}

export async function timed(act: () => Promise<void>): Promise<Published> {
  const began = epochTime()
  const before = cpuTime()
  await act()
  return { began, wall: (epochTime() - began) / 1_000, cpu: cpuTime() - before }
}

/** Looks at the memory while something goes on. */
function watching(): Orders {
  let most = 0
  let timer: Timer | undefined
  return {
    watch: () => {
      clearInterval(timer)
      most = process.memoryUsage.rss()
      timer = setInterval(() => {
        most = Math.max(most, process.memoryUsage.rss())
      }, 100)
    },
    watched: () => ({ rss: Math.max(most, process.memoryUsage.rss()) }),
  }
}

/** Of this process up to now, in milliseconds. */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

const nextTurn = () => new Promise((next) => setImmediate(next))
