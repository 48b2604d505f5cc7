import { sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** A conversation. Times are milliseconds since 1970. */
export const conversation = sqliteTable('conversation', {
  /** Ten characters of `a-z0-9`. */
  id: text('id').primaryKey(),
  /** The beginning of its first question. */
  title: text('title').notNull(),
  createdAt: integer('created_at').notNull(),
})

/** What a message can be: of a question always `done`; an answer that is `stopped` or `failed` keeps what came. */
export const messageStates = ['running', 'done', 'stopped', 'failed'] as const

/** The questions and answers of the conversations, in the order of their numbers. */
export const message = sqliteTable(
  'message',
  {
    /** Never given twice: it is part of a topic. */
    id: integer('id').primaryKey({ autoIncrement: true }),
    conversationId: text('conversation_id')
      .notNull()
      .references(() => conversation.id, { onDelete: 'cascade' }),
    role: text('role', { enum: ['user', 'assistant'] }).notNull(),
    state: text('state', { enum: messageStates }).notNull(),
    /** Of a question as it was typed, of an answer markdown: all of it, or what has come so far. */
    text: text('text').notNull(),
    /** A sentence: why the answer failed. */
    error: text('error'),
    /** What answers. */
    model: text('model'),
    createdAt: integer('created_at').notNull(),
    finishedAt: integer('finished_at'),
  },
  (table) => [
    index('message_conversation').on(table.conversationId, table.id),
    uniqueIndex('message_running').on(table.conversationId).where(sql`state = 'running'`),
  ],
)
