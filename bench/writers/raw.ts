/** A prepared insert of the same rows into the same table with the same indexes, one transaction for all callers. */
import { Database } from 'bun:sqlite'
import { join } from 'node:path'
import { Hub } from 'headwater'
import type { BenchOptions } from '../serving/bench-hub'
import { writer } from './write'

const { folder } = JSON.parse(process.argv[2] as string) as BenchOptions
const file = join(folder, 'raw.db')
// It makes the tables.
new Hub({ database: file }).close()
const database = new Database(file)
database.run('pragma journal_mode = wal')
database.run('pragma synchronous = normal')
const insert = database.prepare(
  `insert into hw_event (topic, kind, form, key, data, at) values ('bench', 'log', 'slot', null, ?, ?)`,
)
const insertAll = database.transaction((data: string[]) => {
  for (const each of data) insert.run(each, Date.now())
})

writer((data) => insertAll.immediate(data))
