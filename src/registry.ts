/**
 * The registry: who is and was connected, which nodes live, and who holds a lease.
 *
 * Rows of connections are written behind, joined in one transaction, never one by one on the way of an
 * event. A node says every third of its lease that it lives; the connections of a node that stopped saying
 * so are marked lost by whichever node notices first.
 */

import { hostname } from 'node:os'
import { and, eq, inArray, lt, notInArray, sql } from 'drizzle-orm'
import { isBusy, patiently, type Store } from './db'
import { bootId } from './db/boot'
import { connection, lease, meta, node } from './db/schema'
import type { Awaitable } from './log'

/** A connection as it stands in the database. */
export type ConnectionRecord = typeof connection.$inferSelect

/** A node's lease, and when it was first seen to end then. */
interface Sign {
  leaseUntil: number
  at: number
}

type NodeRecord = typeof node.$inferSelect

/** What becomes of the connections of a node that died. */
const lost = { state: 'lost', reason: 'the node died' } as const
/** How long somebody else may have the lock until that is reported, in milliseconds. */
const patience = 1_000
/** How long rows wait for others before they are written, in milliseconds. */
const behind = 50
/** How long it is waited at the most until what the database refuses is tried again, in milliseconds. */
const longestPause = 5_000
/** Records that wait at the most; of more the oldest never get a row. */
const mostWaiting = 100_000
/** How many rows are written in one turn, some milliseconds of work. */
const portion = 500
/** How long rows of ended connections are kept, in milliseconds. */
const kept = 24 * 60 * 60 * 1_000
/** How often older ones are looked for, in milliseconds. */
const forgetting = 60 * 60 * 1_000

/** The registry of one process, its node in the database. */
export class Registry {
  /** The id of this node. */
  readonly node: string = crypto.randomUUID()
  #store: Store
  #lease: number
  #onError: (error: unknown) => void
  #changed = new Set<ConnectionRecord>()
  #writing: Timer | undefined
  #living: Timer
  #livingAgain: Timer | undefined
  #failingSince: number | undefined
  #pause = behind
  #signs = new Map<string, Sign>()
  #closed = false
  #held = new Map<string, () => void>()
  #forgetAt = 0
  #startedAt = Date.now()
  #insert
  #update
  /** Of those that changed: whose topics are others now. */
  #moved = new Set<ConnectionRecord>()
  #fresh = new Set<ConnectionRecord>()

  /**
   * @param options.lease how long this node counts as living without a sign, in milliseconds
   * @param options.onError told when the database refuses what is written behind; it is tried again
   */
  constructor(store: Store, options: { lease: number; onError: (error: unknown) => void }) {
    this.#store = store
    this.#lease = options.lease
    this.#onError = options.onError
    this.#insert = store.own
      .insert(connection)
      .values({
        id: sql.placeholder('id'),
        node: sql.placeholder('node'),
        kind: sql.placeholder('kind'),
        topics: sql.placeholder('topics'),
        entity: sql.placeholder('entity'),
        viewer: sql.placeholder('viewer'),
        address: sql.placeholder('address'),
        agent: sql.placeholder('agent'),
        openedAt: sql.placeholder('openedAt'),
        seenAt: sql.placeholder('seenAt'),
        events: sql.placeholder('events'),
        bytes: sql.placeholder('bytes'),
        state: sql.placeholder('state'),
        reason: sql.placeholder('reason'),
      })
      .prepare()
    this.#update = store.own
      .update(connection)
      .set({
        seenAt: sql`${sql.placeholder('seenAt')}`,
        events: sql`${sql.placeholder('events')}`,
        bytes: sql`${sql.placeholder('bytes')}`,
        state: sql`${sql.placeholder('state')}`,
        reason: sql`${sql.placeholder('reason')}`,
      })
      .where(eq(connection.id, sql.placeholder('id')))
      .prepare()
    this.#live()
    this.#living = setInterval(() => this.#goOnLiving(), this.#lease / 3)
    this.#living.unref()
  }

  /** The connection with that id, if it is open, here or at another process. */
  find(id: string): ConnectionRecord | undefined {
    this.flush()
    const found = this.#store.own.select().from(connection).where(eq(connection.id, id)).get()
    return found && (found.state === 'open' || found.state === 'lagging') ? found : undefined
  }

  /** Has a new record written with the next batch. */
  add(record: ConnectionRecord): void {
    if (this.#closed) return
    if (this.#fresh.size >= mostWaiting)
      for (const first of firstOf(this.#fresh, 1)) this.#fresh.delete(first)
    this.#fresh.add(record)
    this.#writing ??= setTimeout(() => this.#writeSome(), behind)
  }

  /** Has what changed of a record written with the next batch. */
  write(record: ConnectionRecord): void {
    if (this.#closed || this.#fresh.has(record)) return
    this.#changed.add(record)
    this.#writing ??= setTimeout(() => this.#writeSome(), behind)
  }

  /** Has the topics of a record written too, which are others now. */
  move(record: ConnectionRecord): void {
    if (!this.#fresh.has(record)) this.#moved.add(record)
    this.write(record)
  }

  /** Writes what waits, if nobody else has the lock; else it goes on waiting. */
  flush(): void {
    clearTimeout(this.#writing)
    this.#writeSome(Number.POSITIVE_INFINITY)
  }

  /**
   * Takes or keeps the lease of that name. False when another living node holds it.
   *
   * @param onLost called when this node was held up for so long that another one took it
   */
  take(name: string, onLost: () => void = () => {}): Awaitable<boolean> {
    return patiently(() => this.#take(name, onLost))
  }

  #take(name: string, onLost: () => void): boolean {
    if (this.#closed) return false
    const now = Date.now()
    const taken = this.#store.own.transaction(
      (tx) => {
        const held = tx.select().from(lease).where(eq(lease.name, name)).get()
        if (held && held.node !== this.node && held.until > now && this.#lives(held.node)) {
          return false
        }
        const until = now + this.#lease
        tx.insert(lease)
          .values({ name, node: this.node, until })
          .onConflictDoUpdate({ target: lease.name, set: { node: this.node, until } })
          .run()
        return true
      },
      { behavior: 'immediate' },
    )
    if (taken) this.#held.set(name, onLost)
    return taken
  }

  /** Gives the lease of that name back. */
  release(name: string): Awaitable<void> {
    this.#held.delete(name)
    return patiently(() => {
      // By then it may be held again, or the node be gone with all it held.
      if (this.#closed || this.#held.has(name)) return
      this.#store.own
        .delete(lease)
        .where(and(eq(lease.name, name), eq(lease.node, this.node)))
        .run()
    })
  }

  /** A value kept in the database, made by the first process that asks. */
  constant(name: string, make: () => string): string {
    this.#store.own.insert(meta).values({ name, value: make() }).onConflictDoNothing().run()
    return this.#store.own.select().from(meta).where(eq(meta.name, name)).get()?.value as string
  }

  /** Writes what waits and takes this node out. */
  close(): void {
    clearInterval(this.#living)
    clearTimeout(this.#livingAgain)
    clearTimeout(this.#writing)
    // Nobody comes after it to try again.
    this.#store.wait()
    this.#guarded(() => {
      this.#write(Number.POSITIVE_INFINITY)
      this.#remove([this.node])
    })
    this.#closed = true
  }

  /** A part, so that thousands of rows do not hold up the events. */
  #writeSome(most = portion): void {
    this.#writing = undefined
    this.#guarded(() => this.#write(most))
    const left = this.#fresh.size + this.#changed.size
    if (left > 0) this.#writing ??= setTimeout(() => this.#writeSome(), this.#pause)
  }

  #write(most: number): void {
    const fresh = firstOf(this.#fresh, most)
    const changed = firstOf(this.#changed, most - fresh.length)
    if (fresh.length + changed.length === 0) return
    this.#store.own.transaction(() => {
      for (const record of fresh) this.#insert.run({ ...record })
      for (const record of changed) {
        const { id, topics, seenAt, events, bytes, state, reason } = record
        this.#update.run({ id, seenAt, events, bytes, state, reason })
        if (!this.#moved.has(record)) continue
        this.#store.own.update(connection).set({ topics }).where(eq(connection.id, id)).run()
      }
    })
    for (const record of fresh) this.#fresh.delete(record)
    for (const record of changed) {
      this.#changed.delete(record)
      this.#moved.delete(record)
    }
  }

  /** In a timer nobody could catch it: a database that is locked for long must not end the process. */
  #guarded(act: () => void): boolean {
    try {
      act()
      this.#failingSince = undefined
      this.#pause = behind
      return true
    } catch (error) {
      // It is tried again, so short locks are nobody's concern; of what lasts each try is told, and they grow rare.
      this.#failingSince ??= performance.now()
      if (isBusy(error) && performance.now() - this.#failingSince < patience) return false
      this.#pause = Math.min(this.#pause * 2, longestPause)
      this.#onError(error)
      return false
    }
  }

  #goOnLiving(): void {
    if (this.#closed || this.#guarded(() => this.#live())) return
    this.#livingAgain ??= setTimeout(() => {
      this.#livingAgain = undefined
      this.#goOnLiving()
    }, this.#pause)
    this.#livingAgain.unref()
  }

  #live(): void {
    const until = Date.now() + this.#lease
    this.#store.own.transaction((tx) => {
      // Who was held up for longer than its lease was taken out, and is a node again.
      tx.insert(node)
        .values({
          id: this.node,
          host: hostname(),
          boot: bootId(),
          pid: process.pid,
          startedAt: this.#startedAt,
          leaseUntil: until,
        })
        .onConflictDoUpdate({ target: node.id, set: { leaseUntil: until } })
        .run()
      tx.update(lease).set({ until }).where(eq(lease.node, this.node)).run()
    })
    if (this.#held.size > 0) this.#notice()
    this.#sweep()
  }

  /** Who was held up may have lost leases to others. */
  #notice(): void {
    const own = this.#store.own.select().from(lease).where(eq(lease.node, this.node)).all()
    const names = new Set(own.map(({ name }) => name))
    for (const [name, onLost] of [...this.#held]) {
      if (names.has(name)) continue
      this.#held.delete(name)
      onLost()
    }
  }

  /** Marks the connections of dead nodes lost and forgets rows that ended long ago. */
  #sweep(): void {
    const { own: db } = this.#store
    const nodes = db.select().from(node).all()
    this.#watch(nodes)
    const dead = nodes.filter((one) => this.#isDead(one))
    if (dead.length > 0) this.#remove(dead.map(({ id }) => id))
    this.#forsake()
    const now = Date.now()
    if (now < this.#forgetAt) return
    this.#forgetAt = now + forgetting
    db.delete(connection)
      .where(and(inArray(connection.state, ['closed', 'lost']), lt(connection.seenAt, now - kept)))
      .run()
  }

  /** Rows of a node that was taken for dead, wrote them open again, and died before it was a node again. */
  #forsake(): void {
    const { own: db } = this.#store
    const nodes = db.select({ id: node.id }).from(node)
    const isOpen = inArray(connection.state, ['open', 'lagging'])
    db.update(connection)
      .set(lost)
      .where(and(isOpen, notInArray(connection.node, nodes)))
      .run()
  }

  /** Notes when each node has last given a sign of life, by this process's own clock. */
  #watch(nodes: readonly NodeRecord[]): void {
    const now = performance.now()
    const before = this.#signs
    this.#signs = new Map()
    for (const { id, leaseUntil } of nodes) {
      const sign = before.get(id)
      this.#signs.set(id, sign?.leaseUntil === leaseUntil ? sign : { leaseUntil, at: now })
    }
  }

  /** Its clock may be behind: where it can be seen that it lives, only the lack of a sign counts. */
  #isDead(one: NodeRecord): boolean {
    const life = lifeOf(one)
    if (life !== 'unknown') {
      const sign = this.#signs.get(one.id)
      const isSilent = sign !== undefined && performance.now() - sign.at > this.#lease
      return life === 'gone' || (one.leaseUntil < Date.now() && isSilent)
    }
    return one.leaseUntil < Date.now()
  }

  #remove(nodes: string[]): void {
    this.#store.own.transaction(
      (tx) => {
        tx.update(connection)
          .set(lost)
          .where(
            and(inArray(connection.node, nodes), inArray(connection.state, ['open', 'lagging'])),
          )
          .run()
        tx.delete(lease).where(inArray(lease.node, nodes)).run()
        tx.delete(node).where(inArray(node.id, nodes)).run()
      },
      { behavior: 'immediate' },
    )
  }

  #lives(id: string): boolean {
    const found = this.#store.own.select().from(node).where(eq(node.id, id)).get()
    return found !== undefined && !this.#isDead(found)
  }
}

function firstOf<T>(set: ReadonlySet<T>, most: number): T[] {
  const first: T[] = []
  for (const one of set) {
    if (first.length >= most) break
    first.push(one)
  }
  return first
}

/** Whether its process is there, as far as can be seen from here. */
function lifeOf({ host, boot, pid, startedAt }: NodeRecord): 'there' | 'gone' | 'unknown' {
  if (host !== hostname() || boot !== bootId()) return 'unknown'
  // A container that starts again has the same host, boot and pid as the process before it.
  const began = Date.now() - process.uptime() * 1_000
  if (pid === process.pid) return startedAt < began - 1_000 ? 'gone' : 'there'
  try {
    process.kill(pid, 0)
    return 'there'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'gone' : 'there'
  }
}
