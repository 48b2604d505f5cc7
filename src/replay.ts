/**
 * Catching up: the one way in which a new, a returning and a lagging connection get what they lack.
 *
 * A connection reads the log from its cursor, in slices, until it stands where the live ones stand, and joins
 * them in the same turn, so that nothing falls in between. What can not be replayed (no cursor, one of
 * another epoch or beyond the head, a topic that was trimmed or has too much) is repaired by the snapshot of
 * that topic. Snapshots come last and the new event id after them: a cut in between asks for them again.
 */
import type { Connection } from './connection'
import type { Delivery } from './delivery'
import type { Limits } from './limits'
import type { Awaitable, Kind, Log, LogEvent } from './log'
import { isMark } from './log/contract'
import type { Rendered } from './publisher'
import { frame, idOnly } from './sse'
import { isPattern, type Pattern, type Topic } from './topic'
import { eventId, replayFrame, seqOf, snapshotFrame } from './wire'

/** How a topic as it stands is made, when the app says so. */
export type Snapshot = (topic: Topic) => Awaitable<Rendered>

/** What the app has declared of a topic, as far as catching up needs it. */
export type Declared = (topic: Topic) => { kind: Kind; snapshot: Snapshot | undefined }

/** What a step came to: the connection is live, a slice was written, or there is more to do. */
type Step = 'arrived' | 'written' | 'on'

/** What is shown of a topic, and the number up to which its events are in it. */
interface Shown {
  text: string
  events: number
  upTo: number
}

const nothing: Shown = { text: '', events: 0, upTo: 0 }

interface Reader {
  connection: Connection
  /** Written before the next slice. */
  opening: string
  /** Topics whose snapshot is still to be sent; their events are left out meanwhile. */
  snapshots: Set<Topic>
  /** Up to where a topic's events are in its snapshot. */
  shown: Map<Topic, number>
  /** Bytes of the next slice. */
  slice: number
}

const firstSlice = 16 * 1024
const nextSlice = 64 * 1024
/** How long one turn of the event loop may be used for catching up, in milliseconds. */
const turn = 8
/** Rows read at a time. */
const page = 256

/** Brings the connections of one hub up to date. */
export class Replay {
  #log: Log
  #delivery: Delivery
  #limits: Limits
  #declared: Declared
  #onError: (error: unknown, topic?: Topic) => void
  #queue: Reader[] = []
  #pumping: ReturnType<typeof setImmediate> | undefined

  constructor(options: {
    log: Log
    delivery: Delivery
    limits: Limits
    declared: Declared
    onError: (error: unknown, topic?: Topic) => void
  }) {
    this.#log = options.log
    this.#delivery = options.delivery
    this.#limits = options.limits
    this.#declared = options.declared
    this.#onError = options.onError
  }

  /** Begins with a connection that has just opened. Its first slice is written in this turn. */
  open(connection: Connection): void {
    const reader = this.#reader(connection, firstSlice)
    const head = this.#log.head()
    const cursor = seqOf(connection.asked, this.#log.epoch)
    const usable = cursor !== undefined && cursor <= head
    connection.cursor = usable ? cursor : head
    const planned = then(
      usable ? this.#beyondReplay(connection, cursor) : this.#everyTopic(connection.topics),
      (topics) => this.#plan(reader, topics),
    )
    if (planned instanceof Promise) this.#await(reader, planned)
    else this.#go(reader)
  }

  /** Goes on with a connection that had lagged and takes bytes again. */
  resume(connection: Connection): void {
    const reader = this.#reader(connection, nextSlice)
    const planned = then(this.#log.trimmed(connection.topics, connection.cursor), (topics) =>
      this.#plan(reader, topics),
    )
    if (planned instanceof Promise) this.#await(reader, planned)
    else this.#enqueue(reader)
  }

  /** States last: what was added to a page, as it was then, must not stand over the state of today. */
  #plan({ snapshots }: Reader, topics: readonly Topic[]): void {
    const rank = (topic: Topic) => (this.#declared(topic).kind === 'state' ? 1 : 0)
    for (const topic of topics.toSorted((a, b) => rank(a) - rank(b))) snapshots.add(topic)
  }

  #reader(connection: Connection, slice: number): Reader {
    const opening = connection.takeOpening()
    return { connection, opening, snapshots: new Set(), shown: new Map(), slice }
  }

  /** The topics that a cursor is no help for: trimmed behind it, or with too many events after it. */
  #beyondReplay({ topics }: Connection, cursor: number): Awaitable<Topic[]> {
    const limit = this.#limits.replay
    return then(this.#log.trimmed(topics, cursor), (trimmed) =>
      then(this.#log.count({ topics, after: cursor, limit: limit + 1 }), (count) => {
        if (count <= limit) return trimmed
        return then(this.#everyTopic(topics), async (all) => {
          const long = [...trimmed]
          for (const topic of all) {
            if (this.#declared(topic).kind === 'state') continue
            const own = await this.#log.count({ topics: [topic], after: cursor, limit: limit + 1 })
            if (own > limit) long.push(topic)
          }
          return long
        })
      }),
    )
  }

  #everyTopic(patterns: readonly Pattern[]): Awaitable<Topic[]> {
    const exact = patterns.filter((topic) => !isPattern(topic)) as string[] as Topic[]
    const wide = patterns.filter(isPattern).map((pattern) => this.#log.topics(pattern))
    if (wide.length === 0) return exact
    if (wide.some((found) => found instanceof Promise)) {
      return Promise.all(wide).then((found) => [...new Set([...exact, ...found.flat()])])
    }
    return [...new Set([...exact, ...(wide as Topic[][]).flat()])]
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
    try {
      for (;;) {
        const next = this.#step(reader)
        if (next === 'arrived') return
        if (next === 'written') return this.#enqueue(reader)
        if (next instanceof Promise) return this.#await(reader, next)
      }
    } catch (error) {
      this.#fail(reader, error)
    }
  }

  #await(reader: Reader, waiting: Promise<unknown>): void {
    // The page is told at once that the stream is open, however long this takes.
    if (reader.opening) reader.connection.write(take(reader))
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
    const { connection, snapshots } = reader
    if (connection.ended) return 'arrived'
    connection.record.state = 'open'
    const head = this.#log.head()
    if (connection.cursor < head) {
      const { topics, cursor } = connection
      const query = { topics, after: cursor, limit: page, size: reader.slice }
      return then(this.#log.read(query), (events) => this.#write(reader, events, head))
    }
    const [topic] = snapshots
    if (topic !== undefined) {
      return then(
        this.#snapshot(topic, connection.asked !== undefined),
        ({ text, events, upTo }) => {
          snapshots.delete(topic)
          // Another process may have appended since the head was asked for.
          reader.shown.set(topic, Math.max(head, upTo))
          return this.#send(reader, text, events)
        },
      )
    }
    const patterns = connection.topics.filter(isPattern)
    const exact = connection.topics.filter((topic) => !isPattern(topic)) as string[] as Topic[]
    return then(this.#log.ended(exact), (ended) => {
      // While a driver was asked, more may have been appended.
      if (this.#log.head() > connection.cursor) return 'on'
      const drained = this.#send(reader, idOnly(eventId(this.#log.epoch, head)), 0)
      if (drained instanceof Promise) return drained
      const closed = new Set([...ended, ...connection.endedBefore])
      for (const topic of connection.openBefore) closed.delete(topic)
      for (const topic of connection.aside) closed.add(topic)
      const open = [...exact.filter((topic) => !closed.has(topic)), ...patterns]
      this.#delivery.join(connection, open)
      return 'arrived'
    })
  }

  #write(reader: Reader, events: LogEvent[], head: number): Awaitable<Step> {
    const { connection, slice } = reader
    let text = ''
    let count = 0
    // A driver may have read beyond the head that was asked for before.
    let reached = Math.min(head, events.at(-1)?.seq ?? head)
    for (const event of events) {
      if (event.seq > head) break
      if (this.#isShown(reader, event)) continue
      const own = replayFrame(event, this.#log.epoch)
      if (own === undefined) continue
      text += own
      count++
      if (text.length >= slice) {
        reached = event.seq
        break
      }
    }
    connection.cursor = reached
    return this.#send(reader, text, count)
  }

  #isShown({ snapshots, shown }: Reader, { topic, seq }: LogEvent): boolean {
    return snapshots.has(topic) || seq <= (shown.get(topic) ?? 0)
  }

  #send(reader: Reader, text: string, events: number): Awaitable<Step> {
    if (text === '') return 'on'
    const whole = take(reader) + text
    const drained = reader.connection.write(whole, events)
    if (drained) {
      reader.connection.record.state = 'lagging'
      return drained.then(() => 'on' as const)
    }
    if (whole.length < reader.slice) return 'on'
    reader.slice = nextSlice
    return 'written'
  }

  /** @param returning whether the reader may show something that is no longer so */
  #snapshot(topic: Topic, returning: boolean): Awaitable<Shown> {
    const { kind, snapshot } = this.#declared(topic)
    if (kind === 'signal') return nothing
    if (kind === 'log' && !snapshot) {
      return then(this.#log.last(topic, this.#limits.snapshot), (events) =>
        events.length === 0 && !returning ? nothing : this.#reset(topic, events),
      )
    }
    return then(kind === 'state' ? this.#states(topic) : [], (all) => {
      const events = all.filter((event) => !isMark(event))
      if (events.length > 0 || !snapshot) return this.#frames(events)
      return then(snapshot(topic), (content) => {
        if (content === null || content === undefined || content === false) return nothing
        const data = typeof content === 'string' ? content : content.html
        const event = typeof content === 'string' ? topic : undefined
        return { text: frame({ event, data }), events: 1, upTo: 0 }
      })
    })
  }

  /** What stands in the slots in one event, patches one by one. */
  #reset(topic: Topic, events: LogEvent[]): Shown {
    const patches = this.#frames(events.filter(({ form }) => form === 'patch'))
    const items = events.filter(({ form }) => form !== 'patch')
    const upTo = events.at(-1)?.seq ?? 0
    if (items.length === 0 && patches.events > 0) return { ...patches, upTo }
    return { text: snapshotFrame(topic, items) + patches.text, events: patches.events + 1, upTo }
  }

  /** Frames of a snapshot have no id: the reader is not there yet. */
  #frames(events: LogEvent[]): Shown {
    const frames = events.map((event) => replayFrame({ ...event, kind: 'signal' }, this.#log.epoch))
    return { text: frames.join(''), events: events.length, upTo: events.at(-1)?.seq ?? 0 }
  }

  /** The newest of each key, however many there are. */
  #states(topic: Topic, after = 0): Awaitable<LogEvent[]> {
    return then(this.#log.read({ topics: [topic], after, limit: page }), (events) => {
      if (events.length < page) return events
      return then(this.#states(topic, events.at(-1)?.seq), (more) => [...events, ...more])
    })
  }
}

function take(reader: Reader): string {
  const { opening } = reader
  reader.opening = ''
  return opening
}

/** Goes on at once with a value, later with a promise: a driver on this machine costs no turn. */
function then<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}
