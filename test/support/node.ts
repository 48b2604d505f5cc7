/**
 * A program with a hub on a file, behind a server or without one; it does what {@link Order} says, and ends on
 * SIGTERM by a drain.
 */
import { openSync, writeSync } from 'node:fs'
import type { Hub, Limits, Stats } from 'headwater'
import { given, Program, say } from './program'
import { declare, serve } from './serve'

/** What it is started with. */
export interface NodeOptions {
  database: string
  limits?: Partial<Limits>
  /** @default true */
  serve?: boolean
  /** Of its drain, in milliseconds. */
  within?: number
}

/** What it is told. */
export type Order =
  | { publish: [topic: string, html: string] }
  /** A render that takes so many milliseconds. */
  | { slow: [topic: string, html: string, milliseconds: number] }
  | { end: string }
  | { callers: Callers }
  | { mix: { writer: string; count: number } }
  /** Publishes `<n> xxx…` so many times, each once the one before is kept. */
  | { flood: { topic: string; count: number; size: number } }

/** Publishes from many callers, each of which awaits, and has what was confirmed written down before its next. */
export interface Callers {
  count: number
  /** The file: a line `<caller> <number> <topic> <event id>` for each. */
  confirmed: string
  /** The number to begin with. */
  from: number
  /** Between two publishes of one caller, milliseconds at the most. */
  pause: number
  /** Characters added to each event. @default 0 */
  size?: number
}

/** What it says. */
export type Said =
  | { port: number }
  | { started: string }
  | { done: string | null }
  | { drained: number }
  | { mixed: string }
  /** Memory of the process in bytes: before the flood and at its highest meanwhile. */
  | { before: number; peak: number }
  | Stats

/** The topics of the callers: ten rooms, and ten cells with the number of one caller each. */
export const callersTopics = [
  ...Array.from({ length: 10 }, (_, i) => `room:${i}`),
  ...Array.from({ length: 10 }, (_, i) => `cell:${i}`),
]

/** Starts one; resolves with its URL when it serves. */
export async function startNode(
  options: NodeOptions,
): Promise<{ node: Program<Said>; url: string }> {
  const node = new Program<Said>(import.meta.path, options)
  const { port } = await node.hears((said): said is { port: number } => 'port' in said)
  return { node, url: `http://127.0.0.1:${port}` }
}

/** Whether the callers are to stop: the hub is about to be closed. */
let closing = false

async function call(hub: Hub, { count, confirmed, from, pause, size = 0 }: Callers): Promise<void> {
  const file = openSync(confirmed, 'a')
  const filler = 'x'.repeat(size)
  for (let caller = 0; caller < count; caller++) void callOn(caller)

  async function callOn(caller: number): Promise<void> {
    for (let n = from; !closing; n++) {
      const cell = caller < 10 && n % 4 === 0
      const topic = `${cell ? 'cell' : 'room'}:${caller % 10}`
      const id = await hub.publish(topic, cell ? `${n}` : `${caller}-${n} ${filler}`)
      writeSync(file, `${caller} ${n} ${topic} ${id}\n`)
      await Bun.sleep(Math.random() * pause)
    }
  }
}

/** Events of every kind under one numbering: every fourth a state, every fifth a signal, the others kind log. */
async function mix(hub: Hub, writer: string, count: number): Promise<void> {
  let published: Promise<unknown>[] = []
  for (let n = 1; n <= count; n++) {
    const topic = n % 4 === 0 ? `cell:${writer}` : n % 5 === 0 ? 'flash:1' : 'room:1'
    published.push(hub.publish(topic, `${writer} ${n}`))
    if (n % 8 > 0) continue
    await Promise.all(published)
    published = []
    if (n % 64 === 0) await Bun.sleep(1)
  }
  await Promise.all(published)
}

async function flood(
  hub: Hub,
  { topic, count, size }: { topic: string; count: number; size: number },
): Promise<void> {
  const filler = 'x'.repeat(size)
  const memory = () => {
    Bun.gc(true)
    return process.memoryUsage().rss
  }
  const before = memory()
  let peak = before
  for (let n = 1; n <= count; n++) {
    await hub.publish(topic, `${n} ${filler}`)
    // As fast as a healthy reader takes it, or that one would lag too.
    await Bun.sleep(1)
    if (n % 50 === 0) peak = Math.max(peak, memory())
  }
  say({ before, peak })
}

if (import.meta.main) {
  const { database, limits = {}, serve: serves = true, within } = given<NodeOptions>()
  const { hub, server } = serve({ database, limits, onError: console.error })
  if (!serves) await server.stop(true)
  hub.topic('room:*', { guard: 'public', keep: { count: 1_000_000, age: 86_400_000 } })
  declare(hub, (id) => say({ started: id }))
  const done = (id?: string) => say({ done: id ?? null })
  process.on('message', async (order: Order) => {
    if ('publish' in order) done(await hub.publish(...order.publish))
    else if ('end' in order) {
      await hub.end(order.end)
      done()
    } else if ('callers' in order) await call(hub, order.callers)
    else if ('mix' in order) {
      await mix(hub, order.mix.writer, order.mix.count)
      say({ mixed: order.mix.writer })
    } else if ('flood' in order) {
      await flood(hub, order.flood)
      say(hub.stats())
    } else {
      const [topic, html, milliseconds] = order.slow
      const render = async () => {
        await Bun.sleep(milliseconds)
        return html
      }
      done(await hub.publish(topic, render))
    }
  })
  process.on('SIGTERM', async () => {
    const began = performance.now()
    await hub.drain({ within })
    say({ drained: performance.now() - began })
    await server.stop(true)
    closing = true
    hub.close()
    // The channel of the test is not the hub's: without it, the process ends when nothing of the hub is left.
    process.disconnect?.()
  })
  say({ port: server.port as number })
}
