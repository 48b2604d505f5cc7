/**
 * The database: opened with pragmas that suit many writers, brought up to date under a lock.
 *
 * A file is opened twice, for the app and for Headwater: a transaction that the app holds open over an `await`
 * would otherwise take events with it that were published meanwhile, and lose them when it is rolled back.
 */
import { Database } from 'bun:sqlite'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/bun-sqlite'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import * as schema from './schema'
import { endingStatements } from './statements'

type Drizzle = ReturnType<typeof drizzle<typeof schema, Database>>

/** Whether what was confirmed outlives the death of the process, or a power cut too, for a sync of the disk each. */
export type Durability = 'normal' | 'full'

/** Headwater's own connection to a database. */
export interface Ground {
  client: Database
  /** From now on the event loop is not held up by the locks of others: see {@link patiently}. */
  hurry(): void
  /** From now on it is: for what nobody would try again. */
  wait(): void
  /** Closes it, unless it is the app's. */
  close(): void
}

/** An open database: Headwater's connection with its Drizzle instance, and the app's. */
export interface Store extends Ground {
  own: Drizzle
  db: Drizzle
}

const migrations = readMigrationFiles({
  migrationsFolder: fileURLToPath(new URL('../../drizzle', import.meta.url)),
})

/** How long the locks of others are waited for, in milliseconds. */
const patience = 5_000
/** How long of that in one go: the event loop stands still meanwhile. */
const hurried = 5

/**
 * Opens a file, `:memory:`, or takes a database that the app has opened.
 *
 * @throws Error that names the file when it can not be opened or brought up to date.
 */
export function openStore(
  database: string | Database,
  { durability = 'normal' }: { durability?: Durability | undefined } = {},
): Store {
  return naming(database, () => {
    const given = typeof database === 'string' ? undefined : database
    const ground = openGround(database, { durability })
    const shared = ground.client === given || ground.client.filename === ':memory:'
    const app = shared ? ground.client : (given ?? open(database as string, durability))
    if (app === given) setUp(app, durability)
    const own = drizzle(ground.client, { schema })
    return {
      ...ground,
      own,
      db: shared ? own : drizzle(app, { schema }),
      close: () => {
        ground.close()
        if (app !== given && app !== ground.client) app.close()
      },
    }
  })
}

/**
 * Opens Headwater's own connection; to a database in memory there is only the app's.
 *
 * @throws Error that names the file when it can not be opened or brought up to date.
 */
export function openGround(
  database: string | Database,
  { durability = 'normal' }: { durability?: Durability | undefined } = {},
): Ground {
  return naming(database, () => {
    const name = typeof database === 'string' ? database : database.filename
    const isShared = typeof database !== 'string' && (name === '' || name === ':memory:')
    const client = isShared ? setUp(database, durability) : open(name, durability)
    migrate(client)
    // Of the 2 MB that are usual little is looked at twice.
    if (!isShared) client.run('pragma cache_size = -512')
    return {
      client,
      hurry: () => {
        if (!isShared) client.run(`pragma busy_timeout = ${hurried}`)
      },
      wait: () => {
        if (!isShared) client.run(`pragma busy_timeout = ${patience}`)
      },
      close: () => {
        if (!isShared) client.close()
      },
    }
  })
}

/**
 * Does what needs the write lock: at once if it is free, else later, until it has been tried for five seconds.
 *
 * @throws SQLiteError as `run` does.
 */
export function patiently<T>(run: () => T): T | Promise<T> {
  try {
    return run()
  } catch (error) {
    if (!isBusy(error)) throw error
    return retry(run, performance.now() + patience)
  }
}

/** Whether somebody else has the lock. */
export function isBusy(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && code.startsWith('SQLITE_BUSY')
}

async function retry<T>(run: () => T, until: number): Promise<T> {
  for (;;) {
    await Bun.sleep(hurried)
    try {
      return run()
    } catch (error) {
      if (!isBusy(error) || performance.now() > until) throw error
    }
  }
}

function open(name: string, durability: Durability): Database {
  // It is opened twice, wherever the process has gone to meanwhile.
  const file = name === '' || name === ':memory:' ? name : resolve(name)
  const client = endingStatements(
    new Database(file, { create: true, readwrite: true, strict: true }),
  )
  try {
    // Overwrites what is deleted or replaced, else it can be read in the file. What that costs stands in docs/routing.md.
    client.run('pragma secure_delete = on')
    return setUp(client, durability)
  } catch (error) {
    client.close()
    throw error
  }
}

function setUp(client: Database, durability: Durability): Database {
  // The order matters: without a busy timeout, turning on the write-ahead log fails when raced.
  client.run(`pragma busy_timeout = ${patience}`)
  client.run('pragma journal_mode = wal')
  client.run(`pragma synchronous = ${durability}`)
  client.run('pragma foreign_keys = on')
  return client
}

/** Drizzle's own `migrate` fails when two processes race it; one immediate transaction does not. */
function migrate(client: Database): void {
  client
    .transaction(() => {
      client.run('create table if not exists hw_migration (created_at integer primary key)')
      const newest = client
        .query<{ at: number | null }, []>('select max(created_at) as at from hw_migration')
        .get()
      for (const migration of migrations) {
        if (migration.folderMillis <= (newest?.at ?? 0)) continue
        for (const statement of migration.sql) client.run(statement)
        client.run('insert into hw_migration values (?)', [migration.folderMillis])
      }
    })
    .immediate()
}

function naming<T>(database: string | Database, act: () => T): T {
  try {
    return act()
  } catch (cause) {
    if (cause instanceof OpeningError) throw cause
    const name = typeof database === 'string' ? `"${database}"` : 'given to the hub'
    throw new OpeningError(`Could not open the database ${name}: ${(cause as Error).message}`, {
      cause,
    })
  }
}

class OpeningError extends Error {}
