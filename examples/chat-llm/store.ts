import type { Database } from 'bun:sqlite'
import { and, asc, desc, eq, gte } from 'drizzle-orm'
import { type BunSQLiteDatabase, drizzle } from 'drizzle-orm/bun-sqlite'
import { migrate } from './migrate'
import { conversation, message } from './schema'

/** A row of the conversations. */
export type Conversation = typeof conversation.$inferSelect

/** A row of the messages. */
export type Message = typeof message.$inferSelect

/** How an answer ends. */
export type Outcome = Pick<Message, 'text' | 'error'> & { state: 'done' | 'stopped' | 'failed' }

/** How many characters of the first question are the title. */
const titleLength = 60

/**
 * The conversations in SQLite, over the `Database` that the hub uses too.
 *
 * Everything is synchronous: between looking whether an answer is running and beginning one, nobody comes in between.
 */
export class Store {
  readonly #db: BunSQLiteDatabase

  /** Creates or migrates the tables. */
  constructor(database: Database) {
    // Another process' write would be an error at once.
    database.run('pragma busy_timeout = 5000')
    database.run('pragma foreign_keys = on')
    migrate(database)
    this.#db = drizzle({ client: database })
  }

  /** All conversations, newest first. */
  conversations(): Conversation[] {
    return this.#db
      .select()
      .from(conversation)
      .orderBy(desc(conversation.createdAt), desc(conversation.id))
      .all()
  }

  conversation(id: string): Conversation | undefined {
    return this.#db.select().from(conversation).where(eq(conversation.id, id)).get()
  }

  /** Adds a conversation, named by its first question. */
  begin(question: string): Conversation {
    const row = { id: newId(), title: titleOf(question), createdAt: Date.now() }
    this.#db.insert(conversation).values(row).run()
    return row
  }

  /** Names a conversation anew. */
  rename(id: string, question: string): Conversation | undefined {
    return this.#db
      .update(conversation)
      .set({ title: titleOf(question) })
      .where(eq(conversation.id, id))
      .returning()
      .get()
  }

  /** Deletes a conversation with its messages. */
  remove(id: string): void {
    this.#db.delete(conversation).where(eq(conversation.id, id)).run()
  }

  /** The messages of a conversation, oldest first. */
  messages(id: string): Message[] {
    return this.#db
      .select()
      .from(message)
      .where(eq(message.conversationId, id))
      .orderBy(asc(message.id))
      .all()
  }

  /** The last message of a conversation. */
  newest(id: string): Message | undefined {
    return this.#db
      .select()
      .from(message)
      .where(eq(message.conversationId, id))
      .orderBy(desc(message.id))
      .limit(1)
      .get()
  }

  /** Adds a question. */
  question(conversationId: string, text: string): Message {
    const now = Date.now()
    return this.#db
      .insert(message)
      .values({
        conversationId,
        role: 'user',
        state: 'done',
        text,
        createdAt: now,
        finishedAt: now,
      })
      .returning()
      .get()
  }

  /**
   * Adds an answer that begins.
   *
   * @throws an error of SQLite while another one of the conversation is running.
   */
  answer(conversationId: string, model: string): Message {
    return this.#db
      .insert(message)
      .values({
        conversationId,
        role: 'assistant',
        state: 'running',
        text: '',
        model,
        createdAt: Date.now(),
      })
      .returning()
      .get()
  }

  /** Keeps what has come of an answer so far, unless it is over. */
  keep(id: number, text: string): void {
    const isRunning = and(eq(message.id, id), eq(message.state, 'running'))
    this.#db.update(message).set({ text }).where(isRunning).run()
  }

  /** Keeps how an answer ended; nothing when it was deleted meanwhile. */
  finish(id: number, outcome: Outcome): Message | undefined {
    return this.#db
      .update(message)
      .set({ ...outcome, finishedAt: Date.now() })
      .where(eq(message.id, id))
      .returning()
      .get()
  }

  /** Changes the text of a question. */
  edit(id: number, text: string): Message | undefined {
    return this.#db.update(message).set({ text }).where(eq(message.id, id)).returning().get()
  }

  /** Deletes the messages of a conversation from a number on, and gives them. */
  removeFrom(conversationId: string, id: number): Message[] {
    const later = and(eq(message.conversationId, conversationId), gte(message.id, id))
    return this.#db.delete(message).where(later).returning().all()
  }

  /** The answers that are not over. */
  running(): Message[] {
    return this.#db.select().from(message).where(eq(message.state, 'running')).all()
  }

  /** Does all of it, or nothing. */
  atOnce<T>(work: () => T): T {
    return this.#db.transaction(work, { behavior: 'immediate' })
  }
}

function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10))
  return Array.from(bytes, (byte) => (byte % 36).toString(36)).join('')
}

/** The first line, as far as it goes, cut between words. */
function titleOf(question: string): string {
  const line = question.trim().split(/\s*\n/, 1)[0] ?? ''
  const characters = Array.from(line)
  if (characters.length <= titleLength) return line
  const part = characters.slice(0, titleLength).join('')
  return `${part.replace(/\s+\S{0,15}$/, '')}…`
}
