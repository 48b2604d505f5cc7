/**
 * The log: the ordered, kept events, and the contract for keeping them.
 *
 * Everything that is published is appended here and numbered, whatever its kind. A reader holds a cursor,
 * the number of the last event it has, and asks for what came after. What is *followed* is given to every
 * hub of every process in the order of its numbers, so a hub that delivers only what it followed can not
 * send anything out of order, nor before it is kept.
 */
import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core'
import type { Pattern, Topic } from '../topic'

/**
 * How a topic's events are kept: `log` keeps each (by count and age), `state` the newest of its key,
 * `signal` for seconds and never for a reader who comes back.
 */
export type Kind = 'log' | 'state' | 'signal'

/**
 * What the data is: `slot` the inner HTML of the slots of its topic, `item` one element with an id that is
 * added to them, `text` a piece of a running text, `patch` fragments that name their own targets; `end`, `begin` and
 * `stop` marks that are never sent: that the topic has ended, that it goes on, and that what is piped to it is to stop.
 */
export type Form = 'slot' | 'item' | 'text' | 'patch' | 'end' | 'begin' | 'stop'

/** What is to be appended. */
export interface Entry {
  topic: Topic
  kind: Kind
  form: Form
  /** A state's key; of kind `log`, an item that is kept under its key already is not appended again. */
  key: string | null
  data: string
  /** Milliseconds since 1970. */
  at: number
  /** Not all who follow the topic: `=<id>` that connection alone, `!<id>` all but that one. */
  audience?: string | null
}

/** An entry with its number. Numbers grow; there may be holes. */
export interface LogEvent extends Entry {
  seq: number
}

/** Where an entry stands: `fresh` is false when its key was kept already, and `seq` is that event's. */
export interface Appended {
  seq: number
  fresh: boolean
}

/** How much of a topic of kind `log` is kept. */
export interface Keep {
  /** Events. @default 1000 */
  count: number
  /** Milliseconds. @default 86400000 */
  age: number
}

/** What is to be read. */
export interface ReadQuery {
  topics: readonly Pattern[]
  /** The number after which to begin. */
  after: number
  /** Events at the most. */
  limit: number
  /** Characters of data after which no more is read; one event at least. @default any number */
  size?: number
}

/** A value, or the promise of one: a driver on the same machine answers at once. */
export type Awaitable<T> = T | Promise<T>

/** A Drizzle transaction of `bun:sqlite`. */
export type Tx = Pick<
  BaseSQLiteDatabase<'sync', unknown, Record<string, unknown>>,
  'select' | 'insert' | 'delete'
>

/** As a number of events for {@link Log.last}: more than are kept, and still a whole number to every driver. */
export const everything = 2 ** 31 - 1

/** What takes the place of all pieces of a topic's text up to a number, and is kept under that number. */
export interface Compacted {
  topic: Topic
  upTo: number
  /** A piece that sets the whole text. */
  data: string
}

/** Topics that were forgotten, or of which events were given up before they could be told. */
export interface Missed {
  topics: readonly Topic[]
  /** All that was missed is up to this number. */
  upTo: number
}

/** Told of what is appended, and of what can not be told any more. */
export type Follower = (events: LogEvent[], missed?: Missed) => void

/** The contract. One suite of tests is run by every driver: `test/unit/log.test.ts`. */
export interface Log {
  /** For messages: `sqlite`. */
  readonly name: string
  /** The identity of this numbering. Cursors of another epoch mean nothing here. */
  readonly epoch: string
  /** The newest number. Whoever follows has been given everything up to it when this returns. */
  head(): number
  /**
   * Whether a reader can have been given that number: not in a future that a restored backup took back.
   * @default every number up to the head
   */
  knows?(seq: number): boolean
  /**
   * Appends all or none, in order, durably against the death of the process.
   *
   * @param tx a transaction of the same database that they become part of at once. Then the promise is kept
   * after its commit, and broken when it is rolled back
   * @throws TypeError when the driver has no transactions.
   */
  append(entries: readonly Entry[], tx?: Tx): Awaitable<Appended[]>
  /** Events of the topics with `after < seq`, oldest first; never signals. */
  read(query: ReadQuery): Awaitable<LogEvent[]>
  /** How many events {@link read} would give, if that is less than the limit; else the limit. */
  count(query: Omit<ReadQuery, 'size'>): Awaitable<number>
  /** The newest `count` kept events of one topic, oldest first; never signals or marks. */
  last(topic: Topic, count: number): Awaitable<LogEvent[]>
  /** The topics with kept events that a pattern names. */
  topics(pattern: Pattern): Awaitable<Topic[]>
  /** Those of the topics whose newest kept event is an `end`. */
  ended(topics: readonly Topic[]): Awaitable<Topic[]>
  /** The topics that were forgotten after that number, or of which events of kind `log` with `after < seq` were given up. */
  trimmed(topics: readonly Pattern[], after: number): Awaitable<Topic[]>
  /**
   * The topics with pieces of a text with `after < seq`: these mean nothing to who has not all before them. Those too of
   * which such were given up.
   */
  texts(topics: readonly Pattern[], after: number): Awaitable<Topic[]>
  /** Has the pieces of texts replaced, of all or none. */
  compact(texts: readonly Compacted[]): Awaitable<void>
  /**
   * Gives up the oldest events of a topic of kind `log`, and of every topic the signals over ten seconds. Of a text
   * all pieces go together, when its newest is too old.
   *
   * @param most events to give up at a time @default any number
   * @returns whether it was as many, so that there may be more
   */
  trim(topic: Topic, keep: Keep, most?: number): Awaitable<boolean>
  /**
   * Deletes all that is kept of a topic, its signals and its end too; marks that others may not have heard stay. It
   * takes a number of its own: whoever follows is told of it as missed, and no cursor before it is good for the topic.
   */
  forget(topic: Topic): Awaitable<void>
  /**
   * Calls back with every event appended from now on, by any process, in order. Returns the way to stop.
   *
   * @param listener is also told what it missed: what was forgotten, or given up before it could be told
   * @param onError told when the appends of others can not be looked for; it is tried again
   */
  follow(listener: Follower, onError?: (error: unknown) => void): () => void
  /** Ends all following and frees what was opened. Closing again does nothing. */
  close(): Awaitable<void>
}

/** The key that it is kept under. A signal supersedes nothing. */
export function keyOf({ kind, key }: Entry): string | null {
  return kind === 'signal' ? null : key
}

/** A topic and key as one text: what a newer state of it supersedes. */
export function nameOf({ topic, key }: Pick<Entry, 'topic' | 'key'>): string {
  return `${topic}\n${key}`
}

/** An entry with its number. Written out, for each event comes through here. */
export function eventOf(entry: Entry, seq: number): LogEvent {
  const { topic, kind, form, key, data, at, audience = null } = entry
  return { topic, kind, form, key, data, at, audience, seq }
}

/** Where in a list in their order the events after a number begin, by halving. */
export function firstAfter(events: readonly { seq: number }[], seq: number): number {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((events[middle] as { seq: number }).seq > seq) high = middle
    else low = middle + 1
  }
  return low
}

/** Whether it is a mark, which no reader is sent. */
export function isMark({ form }: Pick<Entry, 'form'>): boolean {
  return form === 'end' || form === 'begin' || form === 'stop'
}

/** The key of the row that marks the end of a topic, or that it goes on. */
export const endKey = 'hw:end'

/** How long a signal is kept, in milliseconds: long enough for the other processes to hear it. */
export const signalAge = 10_000
