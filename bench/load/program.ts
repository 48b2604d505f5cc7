/** The load: a process of its own that does what {@link Load} orders. */
import { answer, say } from '../child'
import { epochTime } from '../serving/event'
import type { Opening, Places, Sips, Told, ToldEach } from './load'
import { readers } from './readers'

/** How many connections are being opened at a time. */
const window = 128
/** How long opening them may take, in milliseconds. */
const patience = 60_000
/** More than there can be. */
const never = 1 << 30

const numbers = new Float64Array(11)
let count = 0
let sips: (Places & Sips & { next: number }) | undefined

const orders = {
  open,
  tell,
  each,
  release() {
    const at = epochTime()
    readers.release()
    return { at }
  },
  async until({ events, within }: { events: number; within: number }) {
    const end = performance.now() + within
    while (readers.counted() < events && performance.now() < end) await nextTurn()
    return tell()
  },
  pause({ from, to, paused }: Places & { paused: boolean }) {
    for (let i = from; i < to; i++) readers.hold(i, Number(paused))
  },
  sip(order: Places & Sips) {
    sips = order.bytes > 0 ? { ...order, next: 0 } : undefined
  },
  leave({ from, to }: Places) {
    for (let i = from; i < to; i++) readers.cut(i)
  },
}

readers.begin(Number(process.argv[2] === 'gaps'))
say({ ready: true })
answer(orders)
for (;;) {
  readers.turn(2, never)
  sipWhenDue()
  await nextTurn()
}

function open({ port, count: wanted, paths, ids, lasts, held = false, receive = 0 }: Opening) {
  const began = performance.now()
  const before = count
  const done = held ? readers.connected : readers.settled
  for (let there = done(); there < before + wanted; there = done()) {
    if (performance.now() - began > patience) break
    for (; count < before + wanted && count - there < window; count++) {
      const i = count - before
      const request = requestOf(paths[i % paths.length] as string, ids?.[i])
      const made = readers.add(
        request,
        request.length,
        port,
        lasts?.[i] ?? 0,
        Number(held),
        receive,
      )
      if (made < 0) throw new Error(`No connection ${count}: raise the limit of open files`)
    }
    readers.turn(held ? 1 : 5, there + 1)
  }
  return { milliseconds: performance.now() - began }
}

function requestOf(path: string, id: string | undefined): Buffer {
  const lines = [`GET ${path} HTTP/1.1`, 'Host: 127.0.0.1', 'Accept: text/event-stream']
  if (id !== undefined) lines.push(`Last-Event-ID: ${id}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}

function sipWhenDue(): void {
  if (!sips || performance.now() < sips.next) return
  sips.next = performance.now() + sips.every
  for (let i = sips.from; i < sips.to; i++) readers.sip(i, sips.bytes)
}

function tell(): Told {
  readers.tell(numbers)
  const [opened, gone, events, bytes, lost, doubled, damaged, lastAt, p50, p99, oldest] = numbers
  const { user, system } = process.cpuUsage()
  const cpu = (user + system) / 1_000
  // biome-ignore format: one line
  return { opened, gone, events, bytes, lost, doubled, damaged, lastAt, p50, p99, oldest, cpu } as Told
}

function each(): ToldEach {
  const all = new Float64Array(count * 3)
  readers.tell_each(all)
  const column = (n: number) => Array.from({ length: count }, (_, i) => all[i * 3 + n] as number)
  return { events: column(0), lasts: column(1), first: column(2) }
}

function nextTurn(): Promise<void> {
  return new Promise((next) => setImmediate(next))
}
