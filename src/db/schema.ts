/**
 * All tables of Headwater. Times are milliseconds since 1970.
 */
import { sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** The log: what was published and is kept. A key has one row a topic. */
export const event = sqliteTable(
  'hw_event',
  {
    seq: integer().primaryKey(),
    topic: text().notNull(),
    kind: text({ enum: ['log', 'state', 'signal'] }).notNull(),
    form: text({ enum: ['slot', 'item', 'text', 'patch', 'end', 'begin', 'stop'] }).notNull(),
    key: text(),
    data: text().notNull(),
    at: integer().notNull(),
    audience: text(),
  },
  (table) => [
    index('hw_event_topic').on(table.topic, table.seq),
    index('hw_event_signal').on(table.at).where(sql`${table.kind} = 'signal'`),
    uniqueIndex('hw_event_key').on(table.topic, table.key).where(sql`${table.key} is not null`),
  ],
)

/**
 * Up to where the events of a topic were given up or forgotten; a cursor before it needs the snapshot. That of a topic
 * with pieces of a text always does.
 */
export const floor = sqliteTable(
  'hw_floor',
  {
    topic: text().primaryKey(),
    seq: integer().notNull(),
    text: integer({ mode: 'boolean' }).notNull().default(false),
  },
  (table) => [index('hw_floor_seq').on(table.seq)],
)

/**
 * Numbers that were skipped when the file was opened again, beyond `last` up to `next`.
 * They may have been given out all the same, in a future that a restored backup took back. With both the same it is a
 * number that was given out, and that no event has any more.
 */
export const gap = sqliteTable('hw_gap', {
  next: integer().primaryKey(),
  last: integer().notNull(),
})

/** Single values: the epoch, the boot it belongs to, the secret. */
export const meta = sqliteTable('hw_meta', {
  name: text().primaryKey(),
  value: text().notNull(),
})

/** A process with a hub. Dead when its lease is over, or its pid is gone on the same boot of the same host. */
export const node = sqliteTable('hw_node', {
  id: text().primaryKey(),
  host: text().notNull(),
  boot: text().notNull(),
  pid: integer().notNull(),
  startedAt: integer('started_at').notNull(),
  leaseUntil: integer('lease_until').notNull(),
})

/** Who is and was connected. */
export const connection = sqliteTable(
  'hw_connection',
  {
    id: text().primaryKey(),
    node: text().notNull(),
    kind: text().notNull(),
    topics: text({ mode: 'json' }).$type<string[]>().notNull(),
    entity: text(),
    viewer: text(),
    address: text(),
    agent: text(),
    openedAt: integer('opened_at').notNull(),
    seenAt: integer('seen_at').notNull(),
    events: integer().notNull().default(0),
    bytes: integer().notNull().default(0),
    state: text({ enum: ['open', 'lagging', 'closed', 'lost'] }).notNull(),
    reason: text(),
  },
  (table) => [
    index('hw_connection_node').on(table.state, table.node),
    index('hw_connection_seen').on(table.seenAt).where(sql`${table.state} in ('closed', 'lost')`),
  ],
)

/** Who may do a thing that only one process does at a time, such as running a source. */
export const lease = sqliteTable('hw_lease', {
  name: text().primaryKey(),
  node: text().notNull(),
  until: integer().notNull(),
})

/** Who may no longer follow what: a missing viewer is everybody, a missing topic everything. */
export const revocation = sqliteTable(
  'hw_revocation',
  {
    viewer: text(),
    topic: text(),
    until: integer(),
  },
  (table) => [
    index('hw_revocation_whose').on(table.viewer, table.topic),
    index('hw_revocation_until').on(table.until),
  ],
)
