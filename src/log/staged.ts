import type { Database } from 'bun:sqlite'
import { and, eq, sql } from 'drizzle-orm'
import { isBusy } from '../db'
import { event, meta } from '../db/schema'
import { type Appended, type Entry, keyOf, type Tx } from './contract'

/** How long the mark of a transaction may outlive the process that made it, in milliseconds. */
const forgotten = 60_000
/** How often it is looked whether a transaction is over that is held open, in milliseconds. */
const look = 5

interface Pending {
  tx: Tx
  mark: string
  places: Appended[]
  settled: PromiseWithResolvers<Appended[]>
}

/**
 * What was made part of the app's own transactions, until they are over.
 *
 * With it a mark is written, which is there afterwards if and only if the transaction, and each savepoint around it,
 * was committed: the events themselves may have been superseded or given up meanwhile.
 */
export class Staged {
  #client: Database
  #next: string
  #onKept: () => void
  #pending: Pending[] = []
  #timer: Timer | undefined

  /**
   * @param next SQL of the number after which to go on
   * @param onKept called when something was committed, before its promise is kept
   */
  constructor(client: Database, next: string, onKept: () => void) {
    this.#client = client
    this.#next = next
    this.#onKept = onKept
    client
      .query("delete from hw_meta where name like 'tx:%' and cast(value as integer) < ?")
      .run(Date.now() - forgotten)
  }

  /** Writes entries through a transaction; it may be over at the end of this turn, or later. */
  add(entries: readonly Entry[], tx: Tx): Promise<Appended[]> {
    const places = entries.map((entry) => this.#write(tx, entry))
    const mark = `tx:${crypto.randomUUID()}`
    tx.insert(meta)
      .values({ name: mark, value: String(Date.now()) })
      .run()
    const settled = Promise.withResolvers<Appended[]>()
    this.#pending.push({ tx, mark, places, settled })
    queueMicrotask(() => this.settle())
    return settled.promise
  }

  /** Keeps or breaks the promises of those that are over. */
  settle(): void {
    const over = this.#pending.filter(({ tx }) => !isOpen(tx))
    if (over.length > 0) {
      this.#pending = this.#pending.filter((one) => !over.includes(one))
      const kept = over.filter(({ mark }) => this.#take(mark))
      // On a connection that is shared with the app, its commit is no news of another.
      if (kept.length > 0) this.#onKept()
      for (const one of over) {
        if (kept.includes(one)) one.settled.resolve(one.places)
        else one.settled.reject(new Error('its transaction was rolled back'))
      }
    }
    if (this.#pending.length === 0) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.settle()
    }, look)
  }

  /** Settles what is over; of the rest nobody will hear. */
  close(): void {
    this.settle()
    clearTimeout(this.#timer)
    for (const { settled } of this.#pending.splice(0)) {
      settled.reject(new Error('the log was closed before its transaction was over'))
    }
  }

  #take(mark: string): boolean {
    const isKept = this.#client.query('select 1 from hw_meta where name = ?').get(mark) !== null
    try {
      if (isKept) this.#client.query('delete from hw_meta where name = ?').run(mark)
    } catch (error) {
      // Then it is forgotten at one of the next openings.
      if (!isBusy(error)) throw error
    }
    return isKept
  }

  #write(tx: Tx, entry: Entry): Appended {
    const { topic, kind } = entry
    const key = keyOf(entry)
    if (key !== null && kind === 'log') {
      const own = and(eq(event.topic, topic), eq(event.key, key))
      const kept = tx.select({ seq: event.seq }).from(event).where(own).get()
      if (kept) return { seq: kept.seq, fresh: false }
    }
    const seq = sql<number>`(${sql.raw(this.#next)}) + 1`
    const { seq: place } = tx
      .insert(event)
      .values({ ...entry, key, seq })
      // In its place, and not after a deletion: of the newest event the number would be given out again.
      .onConflictDoUpdate({
        target: [event.topic, event.key],
        targetWhere: sql`${event.key} is not null`,
        set: { ...entry, audience: entry.audience ?? null, seq: sql`excluded.seq` },
      })
      .returning({ seq: event.seq })
      .get()
    return { seq: place, fresh: true }
  }
}

/** Drizzle does not say whether a transaction is over; its connection does. */
function isOpen(tx: Tx): boolean {
  const { session } = tx as unknown as { session?: { client?: Partial<Database> } }
  return session?.client?.inTransaction === true
}
