import type { FileResult } from './job'

/** A folder to work through. */
export interface Task {
  folder: string
  /** Paths that have a result and are not done again. */
  skip: readonly string[]
}

/** What a worker is told. It works on one task at a time; `stop` ends the task after the current chunk. */
export type Order = ({ type: 'run' } & Task) | { type: 'stop' }

/** The one message of a worker: what is new since its last one. */
export interface Report {
  /** Files and bytes without a result, the current one included; `null` until the folder is listed. */
  left: { files: number; bytes: number } | null
  /** Results since the last report. */
  results: FileResult[]
  /** The file in work. */
  current: string | null
  /** Bytes read of the file in work. */
  read: number
  /** Set in the last report of a task. */
  end?: End
}

/** How a task ended. */
export type End = { reason: 'done' | 'stopped' } | { reason: 'failed'; error: string }
