import type { Database } from 'bun:sqlite'
import { join } from 'node:path'
import { readMigrationFiles } from 'drizzle-orm/migrator'

/**
 * Brings the tables of the chat up to date with the generated migrations in `drizzle/`.
 *
 * Drizzle's own `migrate()` looks for what is missing before its transaction begins, so two processes that start together
 * fail with "table already exists". Here the look and the change are one immediate transaction. The table of what was applied
 * is the chat's own: Drizzle compares dates only, and a table shared with the hub's migrations would skip some.
 */
export function migrate(database: Database): void {
  const migrations = readMigrationFiles({ migrationsFolder: join(import.meta.dir, 'drizzle') })
  database
    .transaction(() => {
      database.run(
        'create table if not exists chat_migration (created_at integer primary key, hash text not null)',
      )
      const newest = database
        .query<{ at: number | null }, []>('select max(created_at) as at from chat_migration')
        .get()?.at
      for (const { folderMillis, hash, sql } of migrations) {
        if (folderMillis <= (newest ?? 0)) continue
        for (const statement of sql) database.run(statement)
        database.run('insert into chat_migration values (?, ?)', [folderMillis, hash])
      }
    })
    .immediate()
}
