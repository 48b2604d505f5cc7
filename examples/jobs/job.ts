import type { JobState, job, jobFile, jobLine } from './schema'

export type { JobState } from './schema'

/** A job as it is stored; each field is described in `schema.ts`. */
export type StoredJob = typeof job.$inferSelect

/** A whole job as it stands: what is stored, and while it runs also what is read of the current file. */
export interface Job extends StoredJob {
  /** Bytes a second: of the last 3 s while it runs, over all of its time once it is done, else 0. */
  throughput: number
  /** Milliseconds left as far as can be said, only while it runs. */
  msLeft: number | null
}

/** The result of one file. */
export type FileResult = Omit<typeof jobFile.$inferSelect, 'jobId'>

/** One line of a job's log; `n` increases by one per job for ever. */
export type Line = Omit<typeof jobLine.$inferSelect, 'jobId'>

/** A job and the result of every file, for `GET /jobs/<id>.json`. */
export interface JobResult extends Job {
  files: FileResult[]
}

type Status = 400 | 404 | 408 | 409 | 413 | 415 | 503 | 507

/** Why a request about a job is refused, in one sentence, and the HTTP status that says so. */
export class JobError extends Error {
  override name = 'JobError'
  readonly status: Status

  constructor(status: Status, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

/** Whether a job in this state has ended; it may be started again from scratch. */
export function hasEnded(state: JobState): state is 'done' | 'failed' | 'cancelled' {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}

/** Whether a job may be started: not while its upload goes on, nor when that has failed. */
export function isStartable({ state, kind, receivedAt }: StoredJob): boolean {
  const isThere = kind === 'folder' || receivedAt !== null
  return isThere && (state === 'queued' || hasEnded(state))
}
