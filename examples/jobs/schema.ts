import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/**
 * What a job can be: `queued` is added only, `uploading` still gets its files, `waiting` is started and waits for a
 * free worker.
 */
export const jobStates = [
  'queued',
  'uploading',
  'waiting',
  'running',
  'paused',
  'done',
  'failed',
  'cancelled',
] as const

/** One state of a job. */
export type JobState = (typeof jobStates)[number]

/** A job is one folder whose files are worked through, be it of this machine or of an upload. Times are milliseconds, sizes are bytes. */
export const job = sqliteTable(
  'job',
  {
    /** Eight characters of `a-z0-9`. */
    id: text('id').primaryKey(),
    /** The real path. */
    folder: text('folder').notNull(),
    /** An `upload` has a folder of its own, which it fills first. */
    kind: text('kind', { enum: ['folder', 'upload'] })
      .notNull()
      .default('folder'),
    /** The last part of the path, with the scope before it for a scoped package; of an upload its first file. */
    name: text('name').notNull(),
    state: text('state', { enum: jobStates }).notNull(),
    /** Of the readable files; 0 until the folder has been listed. */
    bytesTotal: integer('bytes_total').notNull(),
    bytesDone: integer('bytes_done').notNull(),
    /** 0 until the folder has been listed. */
    filesTotal: integer('files_total').notNull(),
    /** Files with a result, failed ones too. */
    filesDone: integer('files_done').notNull(),
    failedFiles: integer('failed_files').notNull(),
    /** Set while the job runs, relative to the folder. */
    currentFile: text('current_file'),
    /** A sentence: why the job failed, or which files could not be read. */
    error: text('error'),
    createdAt: integer('created_at').notNull(),
    startedAt: integer('started_at'),
    finishedAt: integer('finished_at'),
    /** When all files of an upload were there; without it there is nothing to work on. */
    receivedAt: integer('received_at'),
    /** The time really worked, without waiting and pauses. */
    activeMs: integer('active_ms').notNull(),
    /** Bytes a second over that time, in equal steps, oldest first; 40 at most. */
    rates: text('rates', { mode: 'json' }).$type<readonly number[]>().notNull().default([]),
    /** Since when it waits for a worker: the first to wait is the first to run. */
    waitingSince: integer('waiting_since'),
    /** The number of the job's newest line; never set back, so that a line's number is its key. */
    lastLine: integer('last_line').notNull(),
  },
  (table) => [
    index('job_state').on(table.state),
    uniqueIndex('job_folder_not_ended')
      .on(table.folder)
      .where(sql`state not in ('done', 'failed', 'cancelled')`),
  ],
)

/** The result of one file; a file that could not be read has an `error` and no figures. */
export const jobFile = sqliteTable(
  'job_file',
  {
    jobId: text('job_id')
      .notNull()
      .references(() => job.id, { onDelete: 'cascade' }),
    /** Relative to the job's folder. */
    path: text('path').notNull(),
    /** Bytes that were read. */
    size: integer('size'),
    /** Hexadecimal, as `sha256sum` prints it. */
    sha256: text('sha256'),
    /** Bytes after gzip at level 6. */
    gzip: integer('gzip'),
    /** Newline bytes, as `wc -l` counts them. */
    lines: integer('lines'),
    error: text('error'),
  },
  (table) => [primaryKey({ columns: [table.jobId, table.path] })],
)

/** What happened in a job, one line each. */
export const jobLine = sqliteTable(
  'job_line',
  {
    jobId: text('job_id')
      .notNull()
      .references(() => job.id, { onDelete: 'cascade' }),
    n: integer('n').notNull(),
    level: text('level', { enum: ['info', 'warn', 'error'] }).notNull(),
    text: text('text').notNull(),
    at: integer('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.jobId, table.n] })],
)
