import { isPattern, matches, type Pattern, type Topic } from '../topic'
import {
  type Appended,
  type Compacted,
  type Entry,
  endKey,
  eventOf,
  type Follower,
  firstAfter,
  isMark,
  type Keep,
  type Log,
  type LogEvent,
  type ReadQuery,
  signalAge,
  type Tx,
} from './contract'

/**
 * A log in the memory of one process: for tests, and where nothing has to outlive the process.
 */
export function memoryLog(): Log {
  return new MemoryLog()
}

interface Shelf {
  events: LogEvent[]
  keys: Map<string, LogEvent>
  floor: number
  /** Whether it has had pieces of a text. */
  isText: boolean
}

class MemoryLog implements Log {
  readonly name = 'memory'
  readonly epoch = crypto.randomUUID().slice(0, 8)
  #head = 0
  #shelves = new Map<Topic, Shelf>()
  #signals: LogEvent[] = []
  #listeners = new Set<Follower>()

  head(): number {
    return this.#head
  }

  append(entries: readonly Entry[], tx?: Tx): Appended[] {
    if (tx) throw new TypeError('Expected no transaction: this log is in memory, and takes no part')
    const fresh: LogEvent[] = []
    const places = entries.map((entry) => {
      const shelf = this.#shelf(entry.topic)
      // A signal supersedes nothing.
      const key = entry.kind === 'signal' ? null : entry.key
      const kept = key === null ? undefined : shelf.keys.get(key)
      if (kept && entry.kind === 'log') return { seq: kept.seq, fresh: false }
      if (kept) shelf.events.splice(firstAfter(shelf.events, kept.seq - 1), 1)
      const event = eventOf(entry, ++this.#head)
      event.key = key
      if (entry.kind === 'signal') this.#signals.push(event)
      if (entry.form === 'text') shelf.isText = true
      shelf.events.push(event)
      if (key !== null) shelf.keys.set(key, event)
      fresh.push(event)
      return { seq: event.seq, fresh: true }
    })
    if (fresh.length > 0) for (const listener of this.#listeners) listener(fresh)
    return places
  }

  read({ topics, after, limit, size = Number.POSITIVE_INFINITY }: ReadQuery): LogEvent[] {
    const found: LogEvent[] = []
    for (const topic of this.#named(topics)) {
      const events = this.#shelves.get(topic)?.events ?? []
      for (let i = firstAfter(events, after); i < events.length; i++) {
        const event = events[i] as LogEvent
        if (event.kind !== 'signal') found.push(event)
      }
    }
    found.sort((a, b) => a.seq - b.seq)
    let count = 0
    for (let read = 0; count < Math.min(limit, found.length) && read < size; count++) {
      read += found[count]?.data.length ?? 0
    }
    return found.slice(0, count)
  }

  count(query: Omit<ReadQuery, 'size'>): number {
    return this.read(query).length
  }

  last(topic: Topic, count: number): LogEvent[] {
    const events = this.#shelves.get(topic)?.events ?? []
    return events.filter((event) => event.kind !== 'signal' && !isMark(event)).slice(-count)
  }

  topics(pattern: Pattern): Topic[] {
    return [...this.#named([pattern])].filter((topic) =>
      this.#shelves.get(topic)?.events.some(({ kind }) => kind !== 'signal'),
    )
  }

  ended(topics: readonly Topic[]): Topic[] {
    return topics.filter((topic) => {
      const kept = this.#shelves.get(topic)?.events.filter((event) => event.kind !== 'signal')
      return kept?.at(-1)?.form === 'end'
    })
  }

  trimmed(topics: readonly Pattern[], after: number): Topic[] {
    return [...this.#named(topics)].filter(
      (topic) => (this.#shelves.get(topic)?.floor ?? 0) > after,
    )
  }

  texts(topics: readonly Pattern[], after: number): Topic[] {
    return [...this.#named(topics)].filter((topic) => {
      const shelf = this.#shelves.get(topic)
      const last = shelf?.events.findLast(({ form }) => form === 'text')
      return shelf?.isText && Math.max(last?.seq ?? 0, shelf.floor) > after
    })
  }

  compact(texts: readonly Compacted[]): void {
    for (const { topic, upTo, data } of texts) {
      const shelf = this.#shelf(topic)
      shelf.events = shelf.events
        .filter(({ form, seq }) => form !== 'text' || seq >= upTo)
        .map((event) => (event.seq === upTo ? { ...event, data } : event))
    }
  }

  trim(topic: Topic, { count, age }: Keep): boolean {
    const now = Date.now()
    this.#forgetSignals(now - signalAge)
    const shelf = this.#shelf(topic)
    const logs = shelf.events.filter(({ kind, form }) => kind === 'log' && form !== 'text')
    const given = logs.filter((event, i) => i < logs.length - count || event.at < now - age)
    // All pieces or none: each means something only after those before it.
    const pieces = shelf.events.filter(({ form }) => form === 'text')
    if ((pieces.at(-1)?.at ?? now) < now - age) given.push(...pieces)
    for (const event of given) {
      if (event.key !== null) shelf.keys.delete(event.key)
      shelf.floor = Math.max(shelf.floor, event.seq)
    }
    const gone = new Set(given)
    const mark = shelf.keys.get(endKey)
    if (mark && mark.seq < shelf.floor) {
      shelf.keys.delete(endKey)
      gone.add(mark)
    }
    shelf.events = shelf.events.filter((event) => !gone.has(event))
    return false
  }

  forget(topic: Topic): void {
    this.#signals = this.#signals.filter((event) => event.topic !== topic)
    const { isText } = this.#shelf(topic)
    const floor = ++this.#head
    this.#shelves.set(topic, { events: [], keys: new Map(), floor, isText })
    for (const listener of this.#listeners) listener([], { topics: [topic], upTo: floor })
  }

  /** Those of every topic, up to that time. */
  #forgetSignals(upTo: number): void {
    const gone = new Set(this.#signals.filter(({ at }) => at <= upTo))
    if (gone.size === 0) return
    this.#signals = this.#signals.filter((event) => !gone.has(event))
    for (const topic of new Set([...gone].map((event) => event.topic))) {
      const shelf = this.#shelf(topic)
      shelf.events = shelf.events.filter((event) => !gone.has(event))
    }
  }

  follow(listener: Follower): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#listeners.clear()
  }

  #shelf(topic: Topic): Shelf {
    let shelf = this.#shelves.get(topic)
    if (!shelf) {
      shelf = { events: [], keys: new Map(), floor: 0, isText: false }
      this.#shelves.set(topic, shelf)
    }
    return shelf
  }

  #named(patterns: readonly Pattern[]): Set<Topic> {
    const named = new Set<Topic>()
    for (const pattern of patterns) {
      if (!isPattern(pattern)) named.add(pattern as string as Topic)
      else for (const topic of this.#shelves.keys()) if (matches(pattern, topic)) named.add(topic)
    }
    return named
  }
}
