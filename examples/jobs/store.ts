import type { Database } from 'bun:sqlite'
import { and, asc, eq, getTableColumns, gt, isNotNull, lte, notInArray, sql } from 'drizzle-orm'
import { type BunSQLiteDatabase, drizzle } from 'drizzle-orm/bun-sqlite'
import type { FileResult, Line, StoredJob } from './job'
import { migrate } from './migrate'
import { job, jobFile, jobLine } from './schema'

/** What is written about one job; all changes of one `record` are one transaction. */
export interface Change {
  /** The whole job as it is now. */
  job: StoredJob
  /** Results to add. */
  files?: readonly FileResult[]
  /** Lines to add. */
  lines?: readonly Line[]
  /** Drop the job's results first. @default false */
  fresh?: boolean
}

/** How many lines of its earlier runs a job keeps when it starts again. */
const KEPT_LINES = 1000

/**
 * The jobs, their results and their lines in SQLite, over the `Database` that the hub uses too.
 *
 * Everything is synchronous, so that no transaction is ever open over an `await`.
 */
export class Store {
  readonly #database: Database
  readonly #statements: Statements

  /** Creates or migrates the tables. A `busy_timeout` of 0 is raised to 5 s, else another process' write would be an error. */
  constructor(database: Database) {
    const busy = database.query<{ timeout: number }, []>('pragma busy_timeout').get()
    if (!busy?.timeout) database.run('pragma busy_timeout = 5000')
    migrate(database)
    this.#database = database
    this.#statements = prepare(drizzle({ client: database }))
  }

  /** All jobs, oldest first. */
  jobs(): StoredJob[] {
    return this.#statements.jobs.all()
  }

  get(id: string): StoredJob | undefined {
    return this.#statements.job.get({ id })
  }

  /** The jobs in one state; those that wait are in the order in which they began to. */
  inState(state: StoredJob['state']): StoredJob[] {
    return this.#statements.inState.all({ state })
  }

  /** The job of a folder that has not ended. */
  notEnded(folder: string): StoredJob | undefined {
    return this.#statements.notEnded.get({ folder })
  }

  /** The results of a job, ordered by the bytes of the path as `LC_ALL=C sort` does. */
  files(id: string): FileResult[] {
    return this.#statements.files.all({ id })
  }

  /** The paths that have a result. */
  paths(id: string): string[] {
    return this.#statements.paths.all({ id }).map(({ path }) => path)
  }

  /** The first file that could not be read. */
  firstFailed(id: string): FileResult | undefined {
    return this.#statements.failed.get({ id })
  }

  /** Lines after number `after`, at most `count` of them. */
  lines(id: string, after: number, count: number): Line[] {
    return this.#statements.lines.all({ id, after, count })
  }

  /** Writes all changes in one transaction. */
  record(...changes: readonly Change[]): void {
    this.#database
      .transaction(() => {
        for (const change of changes) this.#write(change)
      })
      .immediate()
  }

  #write({ job: row, files = [], lines = [], fresh = false }: Change): void {
    const { save, addFile, addLine, dropFiles, dropLines } = this.#statements
    if (fresh) {
      dropFiles.run({ id: row.id })
      dropLines.run({ id: row.id, upTo: row.lastLine - KEPT_LINES })
    }
    save.run(row)
    for (const file of files) addFile.run({ ...file, jobId: row.id })
    for (const line of lines) addLine.run({ ...line, jobId: row.id })
  }
}

type Statements = ReturnType<typeof prepare>

function prepare(db: BunSQLiteDatabase) {
  const id = sql.placeholder('id')
  const { jobId: _file, ...fileColumns } = getTableColumns(jobFile)
  const { jobId: _line, ...lineColumns } = getTableColumns(jobLine)
  return {
    jobs: db.select().from(job).orderBy(asc(job.createdAt), sql`rowid`).prepare(),
    job: db.select().from(job).where(eq(job.id, id)).prepare(),
    inState: db
      .select()
      .from(job)
      .where(eq(job.state, sql.placeholder('state')))
      .orderBy(asc(job.waitingSince), sql`rowid`)
      .prepare(),
    notEnded: db
      .select()
      .from(job)
      .where(
        and(
          eq(job.folder, sql.placeholder('folder')),
          notInArray(job.state, ['done', 'failed', 'cancelled']),
        ),
      )
      .prepare(),
    files: db
      .select(fileColumns)
      .from(jobFile)
      .where(eq(jobFile.jobId, id))
      .orderBy(asc(jobFile.path))
      .prepare(),
    paths: db.select({ path: jobFile.path }).from(jobFile).where(eq(jobFile.jobId, id)).prepare(),
    failed: db
      .select(fileColumns)
      .from(jobFile)
      .where(and(eq(jobFile.jobId, id), isNotNull(jobFile.error)))
      .orderBy(asc(jobFile.path))
      .limit(1)
      .prepare(),
    lines: db
      .select(lineColumns)
      .from(jobLine)
      .where(and(eq(jobLine.jobId, id), gt(jobLine.n, sql.placeholder('after'))))
      .orderBy(asc(jobLine.n))
      .limit(sql.placeholder('count'))
      .prepare(),
    save: db
      .insert(job)
      .values(placeholders(job))
      .onConflictDoUpdate({ target: job.id, set: excluded() })
      .prepare(),
    addFile: db.insert(jobFile).values(placeholders(jobFile)).prepare(),
    addLine: db.insert(jobLine).values(placeholders(jobLine)).prepare(),
    dropFiles: db.delete(jobFile).where(eq(jobFile.jobId, id)).prepare(),
    dropLines: db
      .delete(jobLine)
      .where(and(eq(jobLine.jobId, id), lte(jobLine.n, sql.placeholder('upTo'))))
      .prepare(),
  }
}

/** A placeholder for each column, under the column's name in the schema. */
function placeholders<T extends typeof job | typeof jobFile | typeof jobLine>(table: T) {
  const names = Object.keys(getTableColumns(table))
  // Drizzle's type asks for the literal keys of the table; these are exactly them.
  return Object.fromEntries(
    names.map((name) => [name, sql.placeholder(name)]),
  ) as unknown as T['$inferInsert']
}

/** `set column = excluded.column` for each column. */
function excluded() {
  return Object.fromEntries(
    Object.entries(getTableColumns(job)).map(([key, column]) => [
      key,
      sql`excluded.${sql.identifier(column.name)}`,
    ]),
  )
}
