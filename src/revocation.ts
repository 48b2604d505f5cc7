/**
 * Revocation: who may no longer follow what, whatever an address or a guard says.
 *
 * The rows lie in the database, so they hold for every process on it and after a restart. The door asks
 * memory only; it is read anew when another process has changed the rows, which the stamp beside them shows.
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

interface Revoked {
  topic: Pattern | null
  until: number
}

/** The topic of the mark that tells other processes to look; nobody can follow it. */
export const revocations = 'hw:revoked' as Topic

const stamp = 'revocations'

/** What was revoked on one database. */
export class Revocation {
  #db: Store['own']
  #stamp: string | undefined
  #byViewer = new Map<string | null, Revoked[]>()

  constructor({ own }: Store) {
    this.#db = own
    this.load()
  }

  /** Reads the rows if they have changed, and says whether they had. */
  load(): boolean {
    const found = this.#db.select().from(meta).where(eq(meta.name, stamp)).get()?.value
    if (found === this.#stamp) return false
    this.#stamp = found
    this.#byViewer.clear()
    for (const { viewer, topic, until } of this.#db.select().from(revocation).all()) {
      const revoked = this.#byViewer.get(viewer) ?? []
      this.#byViewer.set(viewer, revoked)
      revoked.push({ topic: topic as Pattern | null, until: until ?? Number.POSITIVE_INFINITY })
    }
    return true
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
   * Takes access. It counts from the next {@link load} on, in each process.
   *
   * @param expires until when, in milliseconds from now or as a point in time; for ever when left out
   * @throws TypeError for neither a viewer nor a topic, and for a topic that is none; SQLiteError when the database is
   * locked for more than five seconds, or takes nothing.
   */
  async add(access: Access, expires: number | Date | undefined): Promise<void> {
    const { viewer, topic } = checked(access)
    const until = expires === undefined ? null : expiryOf(expires, 0)
    await this.#change((tx) => {
      // Else those of each session that ever ended would stay.
      tx.delete(revocation).where(lt(revocation.until, Date.now())).run()
      tx.delete(revocation).where(same(viewer, topic)).run()
      tx.insert(revocation).values({ viewer, topic, until }).run()
    })
  }

  /**
   * Gives access back that was taken with the same viewer and topic, from the next {@link load} on.
   *
   * @throws TypeError as {@link add}.
   */
  async remove(access: Access): Promise<void> {
    const { viewer, topic } = checked(access)
    await this.#change((tx) => tx.delete(revocation).where(same(viewer, topic)).run())
  }

  #hit(viewer: string | null, topics: readonly Pattern[]): boolean {
    const now = Date.now()
    return (this.#byViewer.get(viewer) ?? []).some(
      ({ topic, until }) =>
        until > now && (topic === null || topics.some((one) => overlap(topic, one))),
    )
  }

  #change(act: (tx: Pick<Store['own'], 'delete' | 'insert'>) => void): Awaitable<void> {
    const value = crypto.randomUUID()
    const write = (tx: Pick<Store['own'], 'delete' | 'insert'>) => {
      act(tx)
      tx.insert(meta)
        .values({ name: stamp, value })
        .onConflictDoUpdate({ target: meta.name, set: { value } })
        .run()
    }
    return patiently(() => this.#db.transaction(write, { behavior: 'immediate' }))
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

/** `is`, because nothing equals null. */
function same(viewer: string | null, topic: string | null): SQL {
  return sql`${revocation.viewer} is ${viewer} and ${revocation.topic} is ${topic}`
}
