/**
 * Revocation: who may no longer follow what, whatever an address or a guard says.
 *
 * The rows lie in the database, so they hold for every process on it and after a restart. The door asks
 * memory only; the rows are read anew when another process has changed them, which the stamp beside them shows.
 */
import { eq, lt, type SQL, sql } from 'drizzle-orm'
import { expiryOf } from './address'
import { patiently, type Store } from './db'
import { meta, revocation } from './db/schema'
import type { Awaitable } from './log'
import { asPattern, type Pattern, type Topic } from './topic'

/** Whose access, and to what: of everybody where no viewer is named, to everything where no topic is. */
export interface Access {
  viewer?: string | undefined
  /** A topic or pattern. It concerns each connection that may be sent one of the topics it names. */
  topic?: string | undefined
}

type Row = typeof revocation.$inferSelect

type Tx = Pick<Store['own'], 'select' | 'delete' | 'insert'>

/** The topic of the mark that tells other processes to look; nobody can follow it. */
export const revocations = 'hw:revoked' as Topic

/** What is said to whom access was taken from. */
export const revoked = 'Your access to this stream has ended; reload the page.'

const stamp = 'revocations'

/** What was revoked on one database. */
export class Revocation {
  #db: Store['own']
  #stamp: string | undefined
  /** Whether there is something that the last {@link load} has not told of. */
  #changed = false
  /** Until when, by viewer and topic. */
  #byViewer = new Map<string | null, Map<Pattern | null, number>>()

  constructor({ own }: Store) {
    this.#db = own
    this.load()
  }

  /** Reads the rows if another process has changed them, and says whether there are changes since the last time. */
  load(): boolean {
    const found = stampOf(this.#db)
    if (found !== this.#stamp) {
      const rows = this.#db.select().from(revocation).all()
      this.#byViewer.clear()
      for (const row of rows) this.#set(row)
      this.#stamp = found
      this.#changed = true
    }
    const changed = this.#changed
    this.#changed = false
    return changed
  }

  /**
   * Whether a connection of this viewer to these topics is refused.
   *
   * @param viewer nothing for nobody in particular
   * @param ended topics whose final content it is sent
   */
  refuses(
    viewer: string | null,
    topics: readonly Pattern[],
    ended: readonly Topic[] = [],
  ): boolean {
    if (this.#byViewer.size === 0) return false
    const all = [...topics, ...(ended as readonly string[] as readonly Pattern[])]
    return this.#hit(null, all) || (viewer !== null && this.#hit(viewer, all))
  }

  /**
   * Takes access, at once in this process and from the next {@link load} on in others. Access that was taken for longer
   * already stays so.
   *
   * @param expires until when, in milliseconds from now or as a point in time; for ever when left out
   * @throws TypeError for neither a viewer nor a topic, and for a topic that is none; SQLiteError when the database is
   * locked for more than five seconds, or takes nothing.
   */
  async add(access: Access, expires: number | Date | undefined): Promise<void> {
    const { viewer, topic } = checked(access)
    const asked = expires === undefined ? null : expiryOf(expires, 0)
    await this.#change((tx) => {
      // Else those of each session that ever ended would stay.
      const over = tx.delete(revocation).where(lt(revocation.until, Date.now())).returning().all()
      const held = tx.delete(revocation).where(same(viewer, topic)).returning().all()
      const row = {
        viewer,
        topic,
        until: held.reduce((until, one) => later(until, one.until), asked),
      }
      tx.insert(revocation).values(row).run()
      return [...over, row]
    })
  }

  /**
   * Gives access back that was taken with the same viewer and topic, as {@link add} takes it.
   *
   * @throws TypeError as {@link add}.
   */
  async remove(access: Access): Promise<void> {
    const { viewer, topic } = checked(access)
    await this.#change((tx) => {
      tx.delete(revocation).where(same(viewer, topic)).run()
      return [{ viewer, topic, until: 0 }]
    })
  }

  #hit(viewer: string | null, topics: readonly Pattern[]): boolean {
    const now = Date.now()
    for (const [topic, until] of this.#byViewer.get(viewer) ?? []) {
      if (until <= now) continue
      if (topic === null || topics.some((one) => overlap(topic, one))) return true
    }
    return false
  }

  #set({ viewer, topic, until }: Row): void {
    const own = this.#byViewer.get(viewer) ?? new Map<Pattern | null, number>()
    if (until !== null && until <= Date.now()) own.delete(topic as Pattern | null)
    else own.set(topic as Pattern | null, until ?? Number.POSITIVE_INFINITY)
    if (own.size > 0) this.#byViewer.set(viewer, own)
    else this.#byViewer.delete(viewer)
  }

  /** Changes rows and, where memory has all the others, memory too: reading them anew grows with their number. */
  #change(act: (tx: Tx) => readonly Row[]): Awaitable<void> {
    const value = crypto.randomUUID()
    const write = (tx: Tx) => {
      const before = stampOf(tx)
      const rows = act(tx)
      tx.insert(meta)
        .values({ name: stamp, value })
        .onConflictDoUpdate({ target: meta.name, set: { value } })
        .run()
      return { before, rows }
    }
    return patiently(() => {
      const { before, rows } = this.#db.transaction(write, { behavior: 'immediate' })
      if (before !== this.#stamp) return
      this.#stamp = value
      this.#changed = true
      for (const row of rows) this.#set(row)
    })
  }
}

/** Whether there is a topic that both name. */
export function overlap(one: Pattern, other: Pattern): boolean {
  const [a, b] = [one.split(':'), other.split(':')]
  // From the ends backwards, so that many `**` cost no more than the product of the lengths.
  let below: boolean[] = []
  for (let i = a.length; i >= 0; i--) {
    const row: boolean[] = []
    for (let j = b.length; j >= 0; j--) row[j] = from(i, j, row)
    below = row
  }
  return below[0] === true

  function from(i: number, j: number, row: boolean[]): boolean {
    const [x, y] = [a[i], b[j]]
    if (x === undefined && y === undefined) return true
    if (x === '**' || y === '**') {
      const skipped = (x === '**' && below[j]) || (y === '**' && row[j + 1])
      const taken = (x === '**' && y !== undefined && row[j + 1]) || (y === '**' && below[j])
      return Boolean(skipped || taken)
    }
    if (x === undefined || y === undefined) return false
    return (x === y || x === '*' || y === '*') && below[j + 1] === true
  }
}

function checked(access: Access): { viewer: string | null; topic: Pattern | null } {
  const { viewer, topic } = access ?? {}
  if (viewer === undefined && topic === undefined) {
    throw new TypeError('Expected a viewer or a topic, got neither')
  }
  if (viewer !== undefined && (typeof viewer !== 'string' || viewer === '')) {
    throw new TypeError(`Expected a viewer as text, got ${JSON.stringify(viewer)}`)
  }
  return { viewer: viewer ?? null, topic: topic === undefined ? null : asPattern(topic) }
}

function stampOf(db: Pick<Store['own'], 'select'>): string | undefined {
  return db.select().from(meta).where(eq(meta.name, stamp)).get()?.value
}

/** Nothing is for ever. */
function later(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : Math.max(one, other)
}

/** `is`, because nothing equals null. */
function same(viewer: string | null, topic: string | null): SQL {
  return sql`${revocation.viewer} is ${viewer} and ${revocation.topic} is ${topic}`
}
