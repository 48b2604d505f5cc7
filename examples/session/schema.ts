import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Who is signed in. Times are milliseconds since 1970. */
export const session = sqliteTable('session', {
  /** The SHA-256 of its cookie: who reads this table or a page can not be taken for its owner. */
  id: text().primaryKey(),
  user: text().notNull(),
  until: integer().notNull(),
})

/** What people have written down. */
export const note = sqliteTable('note', {
  id: integer().primaryKey({ autoIncrement: true }),
  user: text().notNull(),
  text: text().notNull(),
})

/** For a database that is new. */
export const tables = [
  'create table if not exists session (id text primary key, user text not null, until integer not null)',
  'create table if not exists note (id integer primary key autoincrement, user text not null, text text not null)',
  'create index if not exists note_user on note (user, id)',
]
