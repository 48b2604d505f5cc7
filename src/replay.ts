/**
 * Catching up: the one way in which a new, a returning and a lagging connection get what they lack.
 *
 * A connection reads from its cursor on, in slices, out of the ring or the log behind it, until it stands where the
 * live ones stand, and joins them in the same turn, so that nothing falls in between. What can not be replayed (no cursor, one of
 * another epoch or beyond the head, a topic that was trimmed or has too much) is repaired by the snapshot of
 * that topic. Snapshots come first and carry no event id, then what came after them: a cut in between asks for them again,
 * and no id is beyond something that the reader was not given.
 */
import type { Connection } from './connection'
import type { Delivery } from './delivery'
import type { Limits } from './limits'
import type { Awaitable, Log, LogEvent } from './log'
import { all, then } from './log/awaitable'
import type { Missed } from './log/contract'
import { Missing } from './missing'
import { type Reader, take } from './reader'
import type { Slice } from './ring'
import { Shared } from './shared'
import { type Declared, Snapshots } from './snapshots'
import { encode, idOnly } from './sse'
import { Stages } from './stages'
import { asPattern, type Pattern, type Topic } from './topic'
import { Uptake } from './uptake'
import { eventId, replayFrame } from './wire'

/** What a step came to: the connection is live, a slice was written, or there is more to do. */
type Step = 'arrived' | 'written' | 'on'

/** How long slices are given to several readers, and nothing is taken over again that was too much, in milliseconds. */
const keeping = 1_000

const firstSlice = 16 * 1024
const nextSlice = 64 * 1024
/** How long one turn of the event loop may be used for catching up, in milliseconds. */
const turn = 8
/** Rows read at a time. */
const page = 256
/** What the ring takes over from the log at a time, in events and characters: some milliseconds of work. */
const warmed = { events: 2_000, size: 1024 * 1024 }
const everything = [asPattern('**')]
/** Slices of the log end at multiples of this number, wherever they began, so that readers share them. */
const block = 64

/** Brings the connections of one hub up to date. */
export class Replay {
  #log: Log
  #delivery: Delivery
  #onError: (error: unknown, topic?: Topic) => void
  #queue: Reader[] = []
  #pumping: ReturnType<typeof setImmediate> | undefined
  /** Until when the ring takes nothing over from the log, because it was too much or not whole. */
  #coolUntil = 0
  #snapshots: Snapshots
  #missing: Missing
  #uptake: Uptake
  #slices = sharedSlices()

  constructor(options: {
    log: Log
    delivery: Delivery
    limits: Limits
    declared: Declared
    onError: (error: unknown, topic?: Topic) => void
  }) {
    this.#log = options.log
    this.#delivery = options.delivery
    this.#onError = options.onError
    this.#snapshots = new Snapshots(options)
    this.#missing = new Missing(options)
    const [snapshots, missing] = [this.#snapshots, this.#missing]
    this.#uptake = new Uptake({ ...options, snapshots, missing })
  }

  /** Begins with a connection that has just opened. Its first slice is written in this turn. */
  open(connection: Connection): void {
    const reader = this.#reader(connection, firstSlice)
    const cursor = this.#missing.numberOf(connection.asked)
    connection.cursor = cursor ?? this.#delivery.position
    // Of a page nothing is asked yet: its addresses begin one by one.
    if (connection.subscriptions) return this.#begin(reader, () => [])
    const { interest } = connection
    this.#begin(reader, () => this.#missing.of(interest, cursor))
  }

  /** Goes on with a connection that had lagged and takes bytes again. */
  resume(connection: Connection): void {
    const reader = { ...this.#reader(connection, nextSlice), isReturning: true }
    const { topics } = reader.interest
    const { cursor } = connection
    this.#begin(reader, () => this.#log.trimmed(topics, cursor), { isNew: false })
  }

  /** @param topics asks for those that need their snapshot */
  #begin(reader: Reader, topics: () => Awaitable<readonly Topic[]>, { isNew = true } = {}): void {
    try {
      const planned = then(topics(), (found) => this.#plan(reader, found))
      if (planned instanceof Promise) this.#await(reader, planned)
      else if (isNew) this.#go(reader)
      else this.#enqueue(reader)
    } catch (error) {
      this.#fail(reader, error)
    }
  }

  #plan({ snapshots }: Reader, topics: readonly Topic[]): void {
    for (const topic of this.#missing.inOrder(topics)) snapshots.add(topic)
  }

  #reader(connection: Connection, slice: number): Reader {
    const { subscriptions } = connection
    const stages = subscriptions && new Stages(subscriptions)
    return {
      connection,
      interest: stages ? this.#delivery.interestOfPage(stages.topics) : connection.interest,
      stages,
      opening: connection.takeOpening(),
      waiting: 0,
      snapshots: new Set(),
      shown: new Map(),
      slice,
      isAtBlock: false,
      isReturning: connection.asked !== undefined,
    }
  }

  /** Frees what it keeps. */
  close(): void {
    clearImmediate(this.#pumping)
    this.#snapshots.close()
    this.#slices.clear()
  }

  /** Forgets what was kept of topics that have changed. */
  forget(events: readonly LogEvent[], missed?: Missed): void {
    for (const { topic } of events) this.#snapshots.forget(topic)
    if (!missed) return
    for (const topic of missed.topics) this.#snapshots.forget(topic)
    this.#slices.clear()
    this.#slices = sharedSlices()
  }

  #enqueue(reader: Reader): void {
    this.#queue.push(reader)
    this.#pumping ??= setImmediate(() => this.#pump())
  }

  #pump(): void {
    this.#pumping = undefined
    const until = performance.now() + turn
    while (this.#queue.length > 0 && performance.now() < until) {
      this.#go(this.#queue.shift() as Reader)
    }
    if (this.#queue.length > 0) this.#pumping ??= setImmediate(() => this.#pump())
  }

  /** Steps until a slice is written, then lets others have their turn. */
  #go(reader: Reader): void {
    const until = performance.now() + turn
    try {
      for (;;) {
        const next = this.#step(reader)
        if (next === 'arrived') return
        if (next instanceof Promise) return this.#await(reader, next)
        if (next !== 'written' && performance.now() <= until) continue
        // The page is told what it can be told, however long this takes.
        if (reader.opening) reader.connection.write(reader.opening, reader.waiting)
        take(reader)
        return this.#enqueue(reader)
      }
    } catch (error) {
      this.#fail(reader, error)
    }
  }

  #await(reader: Reader, waiting: Promise<unknown>): void {
    // The page is told at once that the stream is open, however long this takes.
    if (reader.opening) {
      reader.connection.write(reader.opening, reader.waiting)
      take(reader)
    }
    waiting.then(
      (next) => {
        if (next !== 'arrived') this.#enqueue(reader)
      },
      (error) => this.#fail(reader, error),
    )
  }

  #fail({ connection }: Reader, error: unknown): void {
    this.#onError(error)
    connection.end('failed')
  }

  #step(reader: Reader): Awaitable<Step> {
    const { connection, snapshots, stages } = reader
    if (connection.ended) return 'arrived'
    connection.record.state = 'open'
    const entered = stages && this.#uptake.enter(reader, stages)
    if (entered) return entered
    const [topic] = snapshots
    if (topic !== undefined) {
      return then(this.#uptake.show(reader, topic), ({ text, events }) =>
        this.#join(reader, text, events),
      )
    }
    const head = this.#bound(reader)
    if (connection.cursor < head) return this.#next(reader, head)
    return then(this.#ended(connection), (ended) => {
      // While a driver was asked, more may have been appended; the log may know more than was followed yet.
      if (this.#delivery.position > connection.cursor) return 'on'
      if (connection.subscriptions?.isAsked) return 'on'
      const over = stages ? this.#uptake.settle(connection, stages, ended) : ''
      const drained = this.#send(reader, over + idOnly(eventId(this.#log.epoch, head)), 0)
      if (drained instanceof Promise) return drained
      if (over && connection.subscriptions?.size === 0) {
        connection.end('done')
        return 'arrived'
      }
      const open = connection.subscriptions?.open() ?? openOf(connection, ended)
      this.#delivery.join(connection, open)
      return 'arrived'
    })
  }

  /** Up to where it may read for now: others begin there. */
  #bound({ stages }: Reader): number {
    return Math.min(this.#delivery.position, stages?.next ?? Number.POSITIVE_INFINITY)
  }

  /** Those that are live know it already. */
  #ended({ interest }: Connection): Awaitable<Iterable<Pattern>> {
    const known = this.#delivery.endedOf(interest)
    if (known) return known
    return then(this.#log.ended(interest.exact), (ended) => {
      // So that what came before an end of another process is not left out.
      if (ended.length > 0) this.#log.head()
      return ended
    })
  }

  #next(reader: Reader, head: number): Awaitable<Step> {
    const { connection, interest, shown, slice: size, stages } = reader
    const { cursor, record } = connection
    const { ring } = this.#delivery
    const isPlain = shown.size === 0
    const isCommon = isPlain && stages?.next === undefined
    const name = `${cursor} ${size}\n${interest.name}`
    const slices = this.#slices
    const shared = isCommon ? slices.get(name) : undefined
    if (shared) return this.#give(reader, shared, head)
    return then(isPlain ? this.#warm(cursor) : undefined, () => {
      // While a driver was asked, more may have come: what is read now has it.
      const now = this.#bound(reader)
      const slice =
        isPlain && ring.covers(cursor)
          ? ring.slice(interest, cursor, now, size, record.id)
          : this.#read(reader, now)
      return then(slice, (made) => {
        // Something in it may have been forgotten while a driver was asked.
        if (!made || slices !== this.#slices) return 'on'
        if (isCommon && made.isShared && reader.isAtBlock) slices.set(name, made)
        return this.#give(reader, made, now)
      })
    })
  }

  /** Has the ring take over what a reader lacks who is not far behind it: others will ask for the same. */
  #warm(after: number): Awaitable<void> {
    const { ring } = this.#delivery
    const { floor } = ring
    const missing = floor - after
    if (missing <= 0 || missing > warmed.events || !ring.hasRoom(warmed.size)) return
    if (performance.now() < this.#coolUntil) return
    const query = { topics: everything, after, limit: missing + 1, size: warmed.size }
    return then(this.#log.read(query), (events) =>
      then(this.#log.trimmed(everything, after), (trimmed) => {
        const size = events.reduce((sum, { data }) => sum + data.length, 0)
        // It has all that was appended after its floor, or nothing.
        if (trimmed.length > 0 || size >= warmed.size) {
          this.#coolUntil = performance.now() + keeping
          return
        }
        // It has gone on meanwhile.
        if (ring.floor !== floor) return
        ring.prepend(
          events.filter(({ seq }) => seq <= floor),
          after,
        )
      }),
    )
  }

  #give(reader: Reader, slice: Slice, head: number): Awaitable<Step> {
    const { connection, shown } = reader
    const { bytes, events, reached, isLast } = slice
    reader.isAtBlock = slice.isAtBlock
    connection.cursor = isLast ? head : reached
    for (const [topic, upTo] of shown) if (upTo <= connection.cursor) shown.delete(topic)
    return this.#send(reader, bytes, events)
  }

  /** A slice out of the log; nothing when topics need their snapshots first. */
  #read(reader: Reader, head: number): Awaitable<Slice | undefined> {
    const { connection, interest, slice: size } = reader
    const { cursor: after } = connection
    const query = { topics: interest.topics, after, limit: page, size }
    return then(this.#log.read(query), (events) =>
      // Asked afterwards: what was given up before they were read is not among them.
      then(this.#lost(reader), (lost) => {
        this.#plan(reader, lost)
        // It may have been given what is lost.
        if (lost.length > 0) reader.isReturning = true
        return lost.length > 0 ? undefined : this.#sliceOf(reader, events, head)
      }),
    )
  }

  /** Topics of which something was given up that the reader has neither read nor been shown. */
  #lost({ connection, interest, shown }: Reader): Awaitable<Topic[]> {
    const { cursor } = connection
    return then(this.#log.trimmed(interest.topics, cursor), (trimmed) => {
      if (shown.size === 0 || trimmed.length === 0) return trimmed
      const lost = trimmed.map((topic) =>
        this.#log.trimmed([topic as string as Pattern], shown.get(topic) ?? cursor),
      )
      return then(all(lost), (found) => found.flat())
    })
  }

  #sliceOf(reader: Reader, read: readonly LogEvent[], head: number): Slice {
    const { connection, slice: size } = reader
    const { cursor: after, record } = connection
    // A driver may have read beyond the head that was asked for before.
    const events = read.filter(({ seq }) => seq <= head)
    const isLast = events.length === 0
    let text = ''
    let count = 0
    let reached = events.at(-1)?.seq ?? head
    let isShared = !isLast
    let isAtBlock = false
    let before = after
    for (const event of events) {
      if (event.audience) isShared = false
      if (this.#isShown(reader, event) || event.audience === `!${record.id}`) continue
      const own = replayFrame(event, this.#log.epoch)
      if (own === undefined) continue
      text += own
      count++
      isAtBlock = Math.floor(event.seq / block) > Math.floor(before / block)
      before = event.seq
      if (text.length < size && !(isAtBlock && text.length >= size / 2)) continue
      reached = event.seq
      break
    }
    return { bytes: encode(text), events: count, reached, isLast, isShared, isAtBlock }
  }

  #isShown({ shown }: Reader, { topic, seq }: LogEvent): boolean {
    return seq <= (shown.get(topic) ?? 0)
  }

  /** Has it written with what comes next, so that many small ones are one write. */
  #join(reader: Reader, text: string, events: number): Awaitable<Step> {
    if (reader.opening.length + text.length > reader.slice) return this.#send(reader, text, events)
    reader.opening += text
    reader.waiting += events
    return 'on'
  }

  #send(reader: Reader, data: string | Uint8Array, events: number): Awaitable<Step> {
    if (data.length === 0) return 'on'
    const { connection, waiting } = reader
    const opening = take(reader)
    const size = opening.length + data.length
    let drained: Promise<unknown> | undefined
    if (typeof data === 'string') drained = connection.write(opening + data, waiting + events)
    else {
      if (opening) connection.write(opening, waiting)
      drained = connection.write(data, events)
    }
    if (drained) {
      connection.record.state = 'lagging'
      return drained.then(() => 'on' as const)
    }
    if (size < firstSlice / 2) return 'on'
    reader.slice = nextSlice
    return 'written'
  }
}

function sharedSlices(): Shared<Slice> {
  return new Shared(64, keeping)
}

/** Those of its topics that may still change, by the log and by the app's word. */
function openOf(connection: Connection, ended: Iterable<Pattern>): Pattern[] {
  const { interest, endedBefore, openBefore, aside } = connection
  const closed = new Set<Pattern>([...ended, ...endedBefore])
  for (const topic of openBefore) closed.delete(topic)
  for (const topic of aside) closed.add(topic)
  return interest.topics.filter((topic) => !closed.has(topic))
}
