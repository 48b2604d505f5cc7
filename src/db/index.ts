/**
 * The database: opened with pragmas that suit many writers, brought up to date under a lock.
 */
import { Database } from 'bun:sqlite'
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/bun-sqlite'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import * as schema from './schema'

/** An open database and its Drizzle instance. */
export interface Store {
  client: Database
  db: ReturnType<typeof drizzle<typeof schema, Database>>
  /** Closes it, unless the app opened it. */
  close(): void
}

const migrations = readMigrationFiles({
  migrationsFolder: fileURLToPath(new URL('../../drizzle', import.meta.url)),
})

/**
 * Opens a file, `:memory:`, or takes a database that the app has opened.
 *
 * @throws Error that names the file when it can not be opened or brought up to date.
 */
export function openStore(database: string | Database): Store {
  const own = typeof database === 'string'
  try {
    const client = own ? new Database(database, { create: true, strict: true }) : database
    // The order matters: without a busy timeout, turning on the write-ahead log fails when raced.
    client.run('pragma busy_timeout = 5000')
    client.run('pragma journal_mode = wal')
    client.run('pragma synchronous = normal')
    client.run('pragma foreign_keys = on')
    migrate(client)
    return {
      client,
      db: drizzle(client, { schema }),
      close: () => {
        if (own) client.close()
      },
    }
  } catch (cause) {
    const name = own ? `"${database}"` : 'given to the hub'
    throw new Error(`Could not open the database ${name}: ${(cause as Error).message}`, { cause })
  }
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
