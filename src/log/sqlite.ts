import type { Database, Statement } from 'bun:sqlite'
import { readFileSync } from 'node:fs'
import { openStore } from '../db'
import { isPattern, matches, type Pattern, type Topic } from '../topic'
import {
  type Appended,
  type Entry,
  endKey,
  type Keep,
  type Log,
  type LogEvent,
  type ReadQuery,
  signalAge,
} from './contract'

/** How often the appends of other processes are looked for, in milliseconds. */
const look = 20

/** Up to so many new events are looked through for those of a pattern. */
const fewEvents = 2_000

const columns = 'seq, topic, kind, form, key, data, at'

/**
 * A log in a SQLite file, shared by the processes that open it.
 *
 * The epoch is renewed when the machine was started anew: a power cut may have taken the newest events,
 * and their numbers would be given again.
 */
export function sqliteLog(database: string | Database): Log {
  return new SqliteLog(database)
}

/** The logs on one connection: it does not see its own appends as those of another, so they tell each other. */
const siblings = new WeakMap<Database, Set<SqliteLog>>()

class SqliteLog implements Log {
  readonly name = 'sqlite'
  readonly epoch: string
  #client: Database
  #release: () => void
  #insert: Record<'keep' | 'replace' | 'ignore', Statement<{ seq: number }, Row>>
  #appendAll: Transaction<(entries: readonly Entry[]) => Appended[]>
  #kept: Statement<{ seq: number }, [string, string]>
  #version: Statement<{ data_version: number }, []>
  #since: Statement<LogEvent, [number, number]>
  #listeners = new Set<(events: LogEvent[]) => void>()
  #position: number
  #seen = -1
  #timer: Timer | undefined

  constructor(database: string | Database) {
    const { client, close } = openStore(database)
    this.#client = client
    this.#release = close
    const insert = (or: string) =>
      client.prepare<{ seq: number }, Row>(
        `insert ${or} into hw_event (topic, kind, form, key, data, at)
         values (?, ?, ?, ?, ?, ?) returning seq`,
      )
    this.#insert = {
      keep: insert(''),
      replace: insert('or replace'),
      ignore: insert('or ignore'),
    }
    this.#appendAll = client.transaction((entries) => entries.map((entry) => this.#append(entry)))
    this.#kept = client.prepare('select seq from hw_event where topic = ? and key = ?')
    this.#version = client.prepare('pragma data_version')
    this.#since = client.prepare(
      `select ${columns} from hw_event where seq > ? order by seq limit ?`,
    )
    this.epoch = epochOf(client)
    // In this order: what is appended in between is then looked for, not missed.
    this.#seen = this.#dataVersion()
    this.#position = newest(client)
    siblings.set(client, (siblings.get(client) ?? new Set()).add(this))
  }

  head(): number {
    this.#hear()
    return this.#position
  }

  append(entries: readonly Entry[]): Appended[] {
    const places = this.#appendAll.immediate(entries)
    this.#tell(entries, places)
    for (const log of siblings.get(this.#client) ?? []) if (log !== this) log.#catchUp()
    return places
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
    const from = isPattern(pattern) ? pattern.slice(0, pattern.indexOf('*')) : pattern
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
      .all({ from, to: `${from}\u{10ffff}` })
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
    return this.#client
      .query<{ topic: Topic }, [number]>('select topic from hw_floor where seq > ?')
      .all(after)
      .map(({ topic }) => topic)
      .filter((topic) => topics.some((pattern) => matches(pattern, topic)))
  }

  trim(topic: Topic, { count, age }: Keep): void {
    const now = Date.now()
    this.#client
      .transaction(() => {
        this.#client
          .query("delete from hw_event where kind = 'signal' and at < ?")
          .run(now - signalAge)
        const { seq } = this.#client
          .query<{ seq: number | null }, [string, number, string, number]>(
            `select max(seq) as seq from (
               select seq from (
                 select seq from hw_event where topic = ? and kind = 'log'
                 order by seq desc limit 1 offset ?
               )
               union all
               select max(seq) from hw_event where topic = ? and kind = 'log' and at < ?
             )`,
          )
          .get(topic, count, topic, now - age) ?? { seq: null }
        if (seq === null) return
        this.#client
          .query("delete from hw_event where topic = ? and kind = 'log' and seq <= ?")
          .run(topic, seq)
        // Else an end that was followed by other events would be the newest again.
        this.#client
          .query('delete from hw_event where topic = ? and key = ? and seq < ?')
          .run(topic, endKey, seq)
        this.#client
          .query(
            `insert into hw_floor values (?, ?)
             on conflict do update set seq = max(seq, excluded.seq)`,
          )
          .run(topic, seq)
      })
      .immediate()
  }

  follow(
    listener: (events: LogEvent[]) => void,
    onError: (error: unknown) => void = () => {},
  ): () => void {
    this.#listeners.add(listener)
    this.#timer ??= setInterval(() => {
      try {
        this.#hear()
      } catch (error) {
        onError(error)
      }
    }, look)
    this.#timer.unref()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.#rest()
    }
  }

  close(): void {
    siblings.get(this.#client)?.delete(this)
    this.#listeners.clear()
    this.#rest()
    this.#release()
    this.#release = () => {}
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

  /** Numbers first, then row by row: what is not taken is not read. */
  #rows(topics: Topic[], after: number, limit: number): Iterable<LogEvent> {
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

  #append(entry: Entry): Appended {
    const { topic, kind, form, data, at } = entry
    // A signal supersedes nothing.
    const key = kind === 'signal' ? null : entry.key
    const way = key === null ? 'keep' : kind === 'log' ? 'ignore' : 'replace'
    const row = this.#insert[way].get(topic, kind, form, key, data, at)
    if (row) return { seq: row.seq, fresh: true }
    const kept = this.#kept.get(topic, key as string)
    return { seq: kept?.seq as number, fresh: false }
  }

  /** What this process appended is told from memory, unless another process appended in between. */
  #tell(entries: readonly Entry[], places: Appended[]): void {
    const fresh: LogEvent[] = []
    for (let i = 0; i < places.length; i++) {
      const place = places[i] as Appended
      if (place.fresh) fresh.push({ ...(entries[i] as Entry), seq: place.seq })
    }
    if (fresh.length === 0) return
    const whole = fresh.every((event, i) => event.seq === this.#position + 1 + i)
    if (!whole) return this.#catchUp()
    this.#position += fresh.length
    this.#emit(fresh)
  }

  #hear(): void {
    const version = this.#dataVersion()
    if (version === this.#seen) return
    this.#seen = version
    this.#catchUp()
  }

  #catchUp(): void {
    for (;;) {
      const events = this.#since.all(this.#position, 1_000)
      const newest = events.at(-1)
      if (!newest) return
      this.#position = newest.seq
      this.#emit(events)
    }
  }

  #emit(events: LogEvent[]): void {
    for (const listener of this.#listeners) listener(events)
  }

  #dataVersion(): number {
    return this.#version.get()?.data_version ?? 0
  }

  #rest(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

type Transaction<Run extends (...values: never[]) => unknown> = Run & { immediate: Run }

type Row = [string, string, string, string | null, string, number]

function newest(client: Database): number {
  const row = client
    .query<{ seq: number }, []>("select seq from sqlite_sequence where name = 'hw_event'")
    .get()
  return row?.seq ?? 0
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

/** The identity of this start of the machine; where there is none, one that never changes. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return 'unknown'
  }
}
