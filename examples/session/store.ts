import type { Database } from 'bun:sqlite'
import { asc, count, eq, gt, lte } from 'drizzle-orm'
import { type BunSQLiteDatabase, drizzle } from 'drizzle-orm/bun-sqlite'
import { note, session, tables } from './schema'

/** A row of who is signed in. */
export type Session = typeof session.$inferSelect

/** A row of what people have written down. */
export type Note = typeof note.$inferSelect

/** How long one stays signed in, in milliseconds. */
export const lasts = 30 * 24 * 60 * 60 * 1_000

/** Sessions and notes in the database that the hub uses too. */
export class Store {
  readonly #db: BunSQLiteDatabase

  constructor(database: Database) {
    for (const table of tables) database.run(table)
    this.#db = drizzle({ client: database })
  }

  /** Signs a user in; the cookie is the only copy of the secret. */
  signIn(user: string): { session: Session; cookie: string } {
    const cookie = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')
    const row = { id: idOf(cookie), user, until: Date.now() + lasts }
    this.#db.insert(session).values(row).run()
    return { session: row, cookie }
  }

  /** Whose cookie that is. */
  find(cookie: string): Session | undefined {
    const found = this.#db
      .select()
      .from(session)
      .where(eq(session.id, idOf(cookie)))
      .get()
    return found && found.until > Date.now() ? found : undefined
  }

  /** Signs out. */
  end(id: string): void {
    this.#db.delete(session).where(eq(session.id, id)).run()
  }

  /** The sessions whose time is over. */
  over(): Session[] {
    return this.#db.select().from(session).where(lte(session.until, Date.now())).all()
  }

  /** How many sessions there are. */
  count(): number {
    const now = Date.now()
    const [row] = this.#db
      .select({ sessions: count() })
      .from(session)
      .where(gt(session.until, now))
      .all()
    return row?.sessions ?? 0
  }

  /** Writes a note down. */
  add(user: string, text: string): Note {
    return this.#db.insert(note).values({ user, text }).returning().get()
  }

  /** A user's notes, oldest first. */
  notes(user: string): Note[] {
    return this.#db.select().from(note).where(eq(note.user, user)).orderBy(asc(note.id)).all()
  }
}

function idOf(cookie: string): string {
  return new Bun.CryptoHasher('sha256').update(cookie).digest('base64url')
}
