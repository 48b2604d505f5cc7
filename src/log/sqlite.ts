import type { Database, Statement } from 'bun:sqlite'
import { type Ground, isBusy, openGround, patiently } from '../db'
import { bootId } from '../db/boot'
import { isPattern, matches, type Pattern, type Topic } from '../topic'
import { then } from './awaitable'
import {
  type Appended,
  type Awaitable,
  type Compacted,
  type Entry,
  endKey,
  eventOf,
  type Follower,
  type Keep,
  keyOf,
  type Log,
  type LogEvent,
  type Missed,
  type ReadQuery,
  signalAge,
  type Tx,
} from './contract'
import { Staged } from './staged'

/** How often the appends of other processes are looked for, in milliseconds. */
const look = 20

/** Up to so many new events are looked through for those of a pattern. */
const fewEvents = 2_000

/** How many events are told at a time. */
const most = 1_000

/** How many topics are known to be marked; then it is learnt anew. */
const mostMarked = 10_000

/** How many skipped ranges of numbers are kept: that many restarts ago nobody's cursor is. */
const gapsKept = 1_000

const columns = 'seq, topic, kind, form, key, data, at, audience'

/** The newest number that was given out. Rows alone do not say: the newest may have been given up. */
const newestPlace = newestOf('last')
/** The number after which to go on. */
const lastTaken = newestOf('next')

/**
 * A log in a SQLite file, shared by the processes that open it. It opens the file for itself, if it is one.
 *
 * The epoch is renewed when the machine was started anew: a power cut may have taken the newest events,
 * and their numbers would be given again. After each opening numbers go on with one that is made of the time: the
 * file may be a backup, and readers may know numbers of a future that it took back.
 */
export function sqliteLog(database: string | Database): Log {
  const ground = openGround(database)
  const log = new SqliteLog(ground, ground.close)
  ground.hurry()
  return log
}

/** A log on a connection that is closed by whoever opened it. */
export function sqliteLogOn(ground: Ground): Log {
  return new SqliteLog(ground, () => {})
}

/** The logs on one connection: it does not see its own appends as those of another, so they tell each other. */
const siblings = new WeakMap<Database, Set<SqliteLog>>()

/** Up to where a topic's events were given up or forgotten. */
interface Floor {
  topic: Topic
  seq: number
}

class SqliteLog implements Log {
  readonly name = 'sqlite'
  readonly epoch: string
  #client: Database
  #release: () => void
  #begin: Statement
  #commit: Statement
  #rollback: Statement
  #insert: Record<'keep' | 'replace' | 'ignore', Statement<unknown, Row>>
  #taken: Statement<{ seq: number }, []>
  #kept: Statement<{ seq: number }, [string, string]>
  #version: Statement<{ data_version: number }, []>
  #since: Statement<LogEvent, [number, number]>
  #ofTopic: Statement<LogEvent, [string, number, number]>
  #inGap: Statement<unknown, [number, number]>
  #textsNamed: Statement<{ topic: Topic }, [number, string]>
  #textsBetween: Statement<{ topic: Topic }, [number, string, string]>
  #markText: Statement<unknown, [string]>
  /** Topics that are known to be marked as texts. */
  #marked = new Set<Topic>()
  #skippedAt = Number.NEGATIVE_INFINITY
  #listeners = new Map<Follower, (error: unknown) => void>()
  #news: (position: number) => { events: LogEvent[]; missed: Floor[] }
  #staged: Staged
  #telling = false
  /** Whether it was asked meanwhile. */
  #asked = false
  #isClosed = false
  #position: number
  #seen = -1
  #timer: Timer | undefined

  constructor(ground: Ground, release: () => void) {
    const { client } = ground
    this.#client = client
    this.#release = release
    this.#begin = client.prepare('begin immediate')
    this.#commit = client.prepare('commit')
    this.#rollback = client.prepare('rollback')
    const insert = (or: string) =>
      client.prepare<unknown, Row>(
        `insert ${or} into hw_event (${columns}) values (?, ?, ?, ?, ?, ?, ?, ?)`,
      )
    this.#insert = {
      keep: insert(''),
      replace: insert('or replace'),
      ignore: insert('or ignore'),
    }
    this.#taken = client.prepare(lastTaken)
    this.#kept = client.prepare('select seq from hw_event where topic = ? and key = ?')
    this.#version = client.prepare('pragma data_version')
    this.#since = client.prepare(
      `select ${columns} from hw_event where seq > ? order by seq limit ?`,
    )
    this.#ofTopic = client.prepare(
      `select ${columns} from hw_event
       where topic = ? and seq > ? and kind <> 'signal' order by seq limit ?`,
    )
    const textsOf = (named: string) =>
      `select topic from hw_floor where ${named} and text and (seq > ?1 or exists (
         select 1 from hw_event where topic = hw_floor.topic and seq > ?1 and form = 'text'
       ))`
    this.#textsNamed = client.prepare(textsOf('topic in (select value from json_each(?2))'))
    this.#textsBetween = client.prepare(textsOf('topic >= ?2 and topic < ?3'))
    this.#markText = client.prepare(
      'insert into hw_floor (topic, seq, text) values (?, 0, 1) on conflict do update set text = 1',
    )
    const givenUp = client.prepare<Floor, [number, number]>(
      'select topic, seq from hw_floor where seq > ? and seq <= ?',
    )
    // In one transaction, so that nothing is given up in between.
    this.#news = client.transaction((position: number) => {
      const events = this.#since.all(position, most)
      const upTo = events.length < most ? Number.MAX_SAFE_INTEGER : (events.at(-1)?.seq as number)
      return { events, missed: givenUp.all(position, upTo) }
    })
    this.#staged = new Staged(client, lastTaken, () => this.#catchUp())
    this.epoch = epochOf(client)
    this.#inGap = client.prepare('select 1 from hw_gap where next >= ? and last < ? limit 1')
    client.transaction(() => skip(client)).immediate()
    // In this order: what is appended in between is then looked for, not missed.
    this.#seen = this.#dataVersion()
    this.#position = client.query<{ seq: number }, []>(newestPlace).get()?.seq ?? 0
    siblings.set(client, (siblings.get(client) ?? new Set()).add(this))
  }

  head(): number {
    this.#hear()
    return this.#position
  }

  knows(seq: number): boolean {
    if (seq <= this.#position || seq <= this.head()) return this.#inGap.get(seq, seq) === null
    this.#skipBeyond(seq)
    return false
  }

  append(entries: readonly Entry[], tx?: Tx): Awaitable<Appended[]> {
    // Those of a transaction that is over are older.
    this.#staged.settle()
    if (tx) return this.#staged.add(entries, tx)
    const written = patiently(() => this.#locked(() => this.#writeAll(entries)))
    if (!(written instanceof Promise)) return this.#tell(entries, written)
    return written.then((all) => this.#tell(entries, all))
  }

  read({ topics, after, limit, size = Number.POSITIVE_INFINITY }: ReadQuery): LogEvent[] {
    const exact = this.#exact(topics, after)
    const found: LogEvent[] = []
    let read = 0
    for (const row of exact ? this.#rows(exact, after, limit) : this.#newRows(topics, after)) {
      found.push(row)
      read += row.data.length
      if (found.length >= limit || read >= size) break
    }
    return found
  }

  count({ topics, after, limit }: Omit<ReadQuery, 'size'>): number {
    const exact = this.#exact(topics, after)
    if (!exact) return this.#countFew(topics, after, limit)
    const row = this.#client
      .query<{ count: number }, [string, number, number]>(
        `select count(*) as count from (
           select 1 from hw_event where topic in (select value from json_each(?)) and seq > ?
           and kind <> 'signal' limit ?
         )`,
      )
      .get(JSON.stringify(exact), after, limit)
    return row?.count ?? 0
  }

  last(topic: Topic, count: number): LogEvent[] {
    return this.#client
      .query<LogEvent, [string, number]>(
        `select ${columns} from hw_event
         where topic = ? and kind <> 'signal' and form not in ('end', 'begin') order by seq desc limit ?`,
      )
      .all(topic, count)
      .reverse()
  }

  topics(pattern: Pattern): Topic[] {
    const [from, to] = rangeOf(pattern)
    // From one topic of the index to the next, however many events each has.
    return this.#client
      .query<{ topic: Topic }, { from: string; to: string }>(
        `with recursive found(topic) as (
           select min(topic) from hw_event where topic >= $from and topic < $to
           union all
           select (select min(topic) from hw_event where topic > found.topic and topic < $to)
           from found where found.topic is not null
         )
         select topic from found where topic is not null and exists (
           select 1 from hw_event where topic = found.topic and kind <> 'signal'
         )`,
      )
      .all({ from, to })
      .map(({ topic }) => topic)
      .filter((topic) => matches(pattern, topic))
  }

  ended(topics: readonly Topic[]): Topic[] {
    return this.#client
      .query<{ topic: Topic }, [string, string]>(
        `select topic from hw_event as mark
         where topic in (select value from json_each(?)) and key = ? and form = 'end'
           and not exists (
           select 1 from hw_event where topic = mark.topic and seq > mark.seq and kind <> 'signal'
         )`,
      )
      .all(JSON.stringify(topics), endKey)
      .map(({ topic }) => topic)
  }

  trimmed(topics: readonly Pattern[], after: number): Topic[] {
    const exact = topics.filter((topic) => !isPattern(topic))
    const found = this.#client
      .query<{ topic: Topic }, [string, number]>(
        'select topic from hw_floor where topic in (select value from json_each(?)) and seq > ?',
      )
      .all(JSON.stringify(exact), after)
    for (const pattern of topics.filter(isPattern)) {
      const [from, to] = rangeOf(pattern)
      // Whether by topic or by number is better is for SQLite to say, but that `**` gives no topic.
      const some = this.#client
        .query<{ topic: Topic }, { from: string; to: string; after: number }>(
          from === ''
            ? 'select topic from hw_floor where seq > $after'
            : 'select topic from hw_floor where topic >= $from and topic < $to and seq > $after',
        )
        .all({ from, to, after })
      found.push(...some.filter(({ topic }) => matches(pattern, topic)))
    }
    return [...new Set(found.map(({ topic }) => topic))]
  }

  texts(topics: readonly Pattern[], after: number): Topic[] {
    const exact = topics.filter((topic) => !isPattern(topic))
    const found = this.#textsNamed.all(after, JSON.stringify(exact))
    for (const pattern of topics.filter(isPattern)) {
      const [from, to] = rangeOf(pattern)
      const some = this.#textsBetween.all(after, from, to)
      found.push(...some.filter(({ topic }) => matches(pattern, topic)))
    }
    return [...new Set(found.map(({ topic }) => topic))]
  }

  compact(texts: readonly Compacted[]): Awaitable<void> {
    const replace = this.#client.query(
      "update hw_event set data = ? where seq = ? and form = 'text'",
    )
    const remove = this.#client.query(
      "delete from hw_event where topic = ? and form = 'text' and seq < ?",
    )
    return patiently(() =>
      this.#locked(() => {
        for (const { topic, upTo, data } of texts) {
          // Of one that was given up meanwhile nothing is left to set.
          if (replace.run(data, upTo).changes > 0) remove.run(topic, upTo)
        }
      }),
    )
  }

  trim(topic: Topic, keep: Keep, most = Number.POSITIVE_INFINITY): Awaitable<boolean> {
    return patiently(() => this.#locked(() => this.#trim(topic, keep, most)))
  }

  forget(topic: Topic): Awaitable<void> {
    const forgotten = patiently(() => this.#locked(() => this.#forget(topic)))
    return then(forgotten, () => {
      this.#catchUp()
      this.#tellSiblings()
    })
  }

  follow(listener: Follower, onError: (error: unknown) => void = () => {}): () => void {
    this.#listeners.set(listener, onError)
    let failing = false
    this.#timer ??= setInterval(() => {
      try {
        this.#hear()
        failing = false
      } catch (error) {
        // Once, not fifty times a second until somebody comes.
        if (!failing) onError(error)
        failing = true
      }
    }, look)
    this.#timer.unref()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.#rest()
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#staged.close()
    siblings.get(this.#client)?.delete(this)
    this.#listeners.clear()
    this.#rest()
    this.#release()
  }

  #countFew(topics: readonly Pattern[], after: number, limit: number): number {
    let count = 0
    for (const _ of this.#newPlaces(topics, after)) if (++count >= limit) break
    return count
  }

  /** The topics by name; nothing where reading what is new and choosing from it is quicker. */
  #exact(topics: readonly Pattern[], after: number): Topic[] | undefined {
    const isWide = topics.some(isPattern)
    if (isWide && this.#position - after < fewEvents) return undefined
    return isWide
      ? topics.flatMap((topic) => this.topics(topic))
      : ([...topics] as string[] as Topic[])
  }

  /** Where the events of the patterns stand, looked for among all that are new. */
  *#newPlaces(topics: readonly Pattern[], after: number): Generator<number> {
    const rows = this.#client.query<{ seq: number; topic: Topic }, [number]>(
      "select seq, topic from hw_event where seq > ? and kind <> 'signal' order by seq",
    )
    for (const { seq, topic } of rows.iterate(after)) {
      if (topics.some((pattern) => matches(pattern, topic))) yield seq
    }
  }

  *#newRows(topics: readonly Pattern[], after: number): Generator<LogEvent> {
    const row = this.#client.query<LogEvent, [number]>(
      `select ${columns} from hw_event where seq = ?`,
    )
    for (const seq of this.#newPlaces(topics, after)) {
      const event = row.get(seq)
      if (event) yield event
    }
  }

  /** Numbers first, then row by row: what is not taken is not read. Those of one topic are in order already. */
  #rows(topics: Topic[], after: number, limit: number): Iterable<LogEvent> {
    const [topic] = topics
    if (topics.length === 1 && topic) return this.#ofTopic.iterate(topic, after, limit)
    return this.#client
      .query<LogEvent, [string, number, number]>(
        `select ${columns} from hw_event where seq in (
           select seq from hw_event
           where topic in (select value from json_each(?)) and seq > ? and kind <> 'signal'
           order by seq limit ?
         ) order by seq`,
      )
      .iterate(JSON.stringify(topics), after, limit)
  }

  #writeAll(entries: readonly Entry[]): Written {
    const before = this.#taken.get()?.seq ?? 0
    let seq = before
    const texts = new Set<Topic>()
    for (const { form, topic } of entries) {
      if (form === 'text' && !this.#marked.has(topic)) texts.add(topic)
    }
    for (const topic of texts) this.#markText.run(topic)
    const places = entries.map((entry) => {
      const place = this.#write(entry, seq + 1)
      if (place.fresh) seq = place.seq
      return place
    })
    return { before, places, texts }
  }

  /** Runs it in a transaction that has the write lock from the start. */
  #locked<T>(act: () => T): T {
    if (this.#client.inTransaction) throw new HeldError()
    this.#begin.run()
    try {
      const result = act()
      this.#commit.run()
      return result
    } catch (error) {
      if (this.#client.inTransaction) this.#rollback.run()
      throw error
    }
  }

  #write(entry: Entry, seq: number): Appended {
    const { topic, kind, form, data, at, audience = null } = entry
    const key = keyOf(entry)
    const way = key === null ? 'keep' : kind === 'log' ? 'ignore' : 'replace'
    const { changes } = this.#insert[way].run(seq, topic, kind, form, key, data, at, audience)
    if (changes > 0) return { seq, fresh: true }
    const kept = this.#kept.get(topic, key as string)
    return { seq: kept?.seq as number, fresh: false }
  }

  /**
   * A reader who knows a number of the future says that the file was put back while it was open. Anybody can say so:
   * it costs the others nothing, and is listened to once a minute.
   */
  #skipBeyond(seq: number): void {
    const now = performance.now()
    if (seq > Date.now() * 1_000 || now - this.#skippedAt < 60_000) return
    this.#skippedAt = now
    try {
      this.#locked(() => skip(this.#client))
    } catch (error) {
      if (!isBusy(error)) throw error
      this.#skippedAt = Number.NEGATIVE_INFINITY
    }
  }

  #trim(topic: Topic, { count, age }: Keep, most: number): boolean {
    const now = Date.now()
    const before = this.#taken.get()?.seq ?? 0
    this.#client.query("delete from hw_event where kind = 'signal' and at < ?").run(now - signalAge)
    const { seq } = this.#client
      .query<{ seq: number | null }, [string, number, string, number, number]>(
        // Of the aged only the oldest are looked at: in a topic that has grown by much it would take long.
        `select max(seq) as seq from (
           select seq from (
             select seq from hw_event where topic = ? and kind = 'log' and form <> 'text'
             order by seq desc limit 1 offset ?
           )
           union all
           select max(seq) from (
             select seq, at from hw_event where topic = ? and kind = 'log' and form <> 'text'
             order by seq limit ?
           ) where at < ?
         )`,
      )
      .get(topic, count, topic, Number.isFinite(most) ? most : -1, now - age) ?? { seq: null }
    const gone = seq === null ? 0 : this.#giveUp(topic, seq, most)
    this.#giveUpText(topic, now - age)
    // Else the number of the newest would be given out again.
    if ((this.#taken.get()?.seq ?? 0) < before) this.#take(before)
    return gone >= most
  }

  /** Up to a number, but not more than so many; says how many. */
  #giveUp(topic: Topic, upTo: number, most: number): number {
    const last = Number.isFinite(most)
      ? this.#client
          .query<{ seq: number }, [string, number]>(
            `select seq from hw_event where topic = ? and kind = 'log' and form <> 'text'
             order by seq limit 1 offset ?`,
          )
          .get(topic, most - 1)?.seq
      : undefined
    const seq = Math.min(upTo, last ?? upTo)
    const { changes } = this.#client
      .query(
        "delete from hw_event where topic = ? and kind = 'log' and form <> 'text' and seq <= ?",
      )
      .run(topic, seq)
    // Else an end that was followed by other events would be the newest again.
    this.#client
      .query('delete from hw_event where topic = ? and key = ? and seq < ?')
      .run(topic, endKey, seq)
    this.#raiseFloor(topic, seq)
    return changes
  }

  /** All pieces or none: each means something only after those before it. */
  #giveUpText(topic: Topic, before: number): void {
    const newest = this.#client
      .query<{ seq: number; at: number }, [string]>(
        `select seq, at from hw_event
         where topic = (select topic from hw_floor where topic = ? and text) and form = 'text'
         order by seq desc limit 1`,
      )
      .get(topic)
    if (!newest || newest.at >= before) return
    this.#client.query("delete from hw_event where topic = ? and form = 'text'").run(topic)
    this.#raiseFloor(topic, newest.seq)
  }

  /** Under a number of its own, which is beyond what anybody has heard: so all processes learn of it by the floor. */
  #forget(topic: Topic): void {
    const seq = (this.#taken.get()?.seq ?? 0) + 1
    // In its place: deleting moves rows to other pages, where what they were stays until something else is written there.
    this.#client
      .query('update hw_event set data = zeroblob(length(cast(data as blob))) where topic = ?')
      .run(topic)
    // Signals that are marks hold no words, and others may not have heard them.
    this.#client
      .query(
        `delete from hw_event
         where topic = ? and not (kind = 'signal' and form in ('end', 'begin', 'stop'))`,
      )
      .run(topic)
    this.#raiseFloor(topic, seq)
    this.#take(seq)
  }

  /** Has a number not given out again, though no event has it. */
  #take(seq: number): void {
    this.#client.query('delete from hw_gap where next = last').run()
    this.#client.query('insert or ignore into hw_gap values (?, ?)').run(seq, seq)
  }

  #raiseFloor(topic: Topic, seq: number): void {
    this.#client
      .query(
        `insert into hw_floor (topic, seq) values (?, ?)
         on conflict do update set seq = max(seq, excluded.seq)`,
      )
      .run(topic, seq)
  }

  /** What this process appended is told from memory, unless another process appended in between. */
  #tell(entries: readonly Entry[], { before, places, texts }: Written): Appended[] {
    if (this.#marked.size > mostMarked) this.#marked.clear()
    for (const topic of texts) this.#marked.add(topic)
    const fresh: LogEvent[] = []
    for (let i = 0; i < places.length; i++) {
      const place = places[i] as Appended
      const entry = entries[i] as Entry
      if (!place.fresh) continue
      fresh.push(eventOf(entry, place.seq))
    }
    const newest = fresh.at(-1)
    if (!newest) return places
    if (before === this.#position && !this.#telling) {
      this.#position = newest.seq
      this.#emit(fresh)
    } else this.#catchUp()
    this.#tellSiblings()
    return places
  }

  #tellSiblings(): void {
    for (const log of siblings.get(this.#client) ?? []) if (log !== this) log.#catchUp()
  }

  #hear(): void {
    // On a connection that is shared with the app, what it has not committed would be seen.
    if (this.#client.inTransaction || this.#telling) return
    const version = this.#dataVersion()
    if (version === this.#seen) return
    this.#catchUp()
    this.#seen = version
  }

  #catchUp(): void {
    // Whoever asks while it is told, or appends, would be told the newer first.
    if (this.#telling) {
      this.#asked = true
      return
    }
    for (;;) {
      const { events, missed } = this.#news(this.#position)
      if (events.length === 0 && missed.length === 0) return
      this.#position = Math.max(events.at(-1)?.seq ?? 0, ...missed.map(({ seq }) => seq))
      const topics = missed.map(({ topic }) => topic)
      this.#emit(events, topics.length > 0 ? { topics, upTo: this.#position } : undefined)
    }
  }

  /** One that fails is told of it, and costs neither the others nor whoever appended. */
  #emit(events: LogEvent[], missed?: Missed): void {
    this.#telling = true
    for (const [listener, onError] of this.#listeners) {
      try {
        listener(events, missed)
      } catch (error) {
        onError(error)
      }
    }
    this.#telling = false
    if (!this.#asked) return
    this.#asked = false
    this.#catchUp()
  }

  #dataVersion(): number {
    return this.#version.get()?.data_version ?? 0
  }

  #rest(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** What was written, and the number after which. */
interface Written {
  before: number
  places: Appended[]
  /** Topics that were marked as texts. */
  texts: Set<Topic>
}

type Row = [number, string, string, string, string | null, string, number, string | null]

/** It is waited for like another process that has the lock. */
class HeldError extends Error {
  readonly code = 'SQLITE_BUSY'
  constructor() {
    super(
      'the app holds a transaction open on this connection; there may be no await inside of one',
    )
  }
}

function newestOf(column: 'last' | 'next'): string {
  return `select max(
    coalesce((select max(seq) from hw_event), 0), coalesce((select max(${column}) from hw_gap), 0)
  ) as seq`
}

/** Goes on with numbers that were never given out, whatever became of the file: so many microseconds have passed. */
function skip(client: Database): void {
  const last = client.query<{ seq: number }, []>(newestPlace).get()?.seq ?? 0
  const next = Date.now() * 1_000
  if (last > 0 && next > last) {
    client.query('insert or ignore into hw_gap values (?, ?)').run(next, last)
  }
  client
    .query(
      `delete from hw_gap
           where next <= (select next from hw_gap order by next desc limit 1 offset ?)`,
    )
    .run(gapsKept)
}

/** Where in the order of topics those of a pattern can be. */
function rangeOf(pattern: Pattern): [from: string, to: string] {
  // `job:**` is `job` too.
  const from = isPattern(pattern) ? pattern.replace(/:?\*.*$/s, '') : pattern
  return [from, `${from}\u{10ffff}`]
}

function epochOf(client: Database): string {
  const boot = bootId()
  const read = client.query<{ value: string }, [string]>('select value from hw_meta where name = ?')
  const write = client.query('insert or replace into hw_meta values (?, ?)')
  return client
    .transaction(() => {
      const epoch = read.get('epoch')?.value
      if (epoch && read.get('boot')?.value === boot) return epoch
      const renewed = crypto.randomUUID().slice(0, 8)
      write.run('epoch', renewed)
      write.run('boot', boot)
      return renewed
    })
    .immediate()
}
