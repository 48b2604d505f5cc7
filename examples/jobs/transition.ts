import { nameOf } from './folders'
import type { FileResult, Line, StoredJob } from './job'
import { hasEnded } from './job'
import type { End, Report } from './protocol'
import { aboutFile, aboutFinish } from './say'
import type { Change } from './store'
import type { Upload } from './upload'

/** A line that has no number yet. */
export type Words = Pick<Line, 'level' | 'text'>

/** A job that was just added. */
export function added(id: string, folder: string): StoredJob {
  const name = nameOf(folder)
  const at = { createdAt: Date.now(), finishedAt: null, receivedAt: null, waitingSince: null }
  return { id, folder, kind: 'folder', name, state: 'queued', lastLine: 0, ...at, ...untouched }
}

/** A job whose files begin to come in; `size` is 0 if nobody knows it. */
export function uploading(
  row: StoredJob,
  { name, size }: Pick<Upload, 'name' | 'size'>,
): StoredJob {
  const startedAt = Date.now()
  return { ...row, kind: 'upload', name, state: 'uploading', startedAt, bytesTotal: size }
}

/** The job whose files are all there: it waits for a worker, and its figures are those of the work from now on. */
export function received(row: StoredJob): StoredJob {
  const now = Date.now()
  return { ...row, ...untouched, state: 'waiting', receivedAt: now, waitingSince: now }
}

/** The job whose files did not come in. */
export function broken(row: StoredJob, error: string): StoredJob {
  return { ...ended(row, 'failed'), error }
}

/** The job in the row of those that wait for a worker; one that had ended begins from scratch. */
export function started(row: StoredJob): Change {
  const job = { ...row, state: 'waiting' as const, waitingSince: Date.now() }
  if (!hasEnded(row.state)) return { job }
  return { job: { ...job, ...untouched, finishedAt: null }, fresh: true }
}

/** The job of a worker or process that is no more: it waits again, before all others. */
export function orphaned(row: StoredJob): StoredJob {
  return { ...row, state: 'waiting', currentFile: null, waitingSince: null }
}

/** The job at its end. */
export function ended(row: StoredJob, state: 'done' | 'failed' | 'cancelled'): StoredJob {
  return { ...row, state, currentFile: null, waitingSince: null, finishedAt: Date.now() }
}

/** The job after the results of a report. */
export function counted(row: StoredJob, { results, left }: Report): StoredJob {
  const filesDone = row.filesDone + results.length
  const bytesDone = row.bytesDone + results.reduce((sum, { size }) => sum + (size ?? 0), 0)
  const failedFiles = row.failedFiles + results.filter(({ error }) => error !== null).length
  const total = left && { filesTotal: filesDone + left.files, bytesTotal: bytesDone + left.bytes }
  return { ...row, filesDone, bytesDone, failedFiles, ...total }
}

/** The job after its worker let go of it, and the line that says so; `lastWords` are those of a pause. */
export function settled(row: StoredJob, end: End, lastWords?: string): [StoredJob, ...Words[]] {
  if (end.reason === 'failed') {
    return [
      { ...ended(row, 'failed'), error: end.error },
      { level: 'error', text: end.error },
    ]
  }
  if (end.reason === 'done') {
    const level = row.failedFiles > 0 ? 'warn' : 'info'
    return [ended(row, 'done'), { level, text: aboutFinish(row) }]
  }
  const words = lastWords === undefined ? [] : [{ level: 'info' as const, text: lastWords }]
  // Still running and yet stopped: the process ends.
  return [row.state === 'running' ? orphaned(row) : row, ...words]
}

/** The line of a file. */
export function wordsOf(result: FileResult): Words {
  return { level: result.error === null ? 'info' : 'warn', text: aboutFile(result) }
}

/** A change that also adds lines, under the next numbers of the job. */
export function withLines(row: StoredJob, words: readonly Words[]): Change & { lines: Line[] } {
  const at = Date.now()
  const lines = words.map((word, i) => ({ n: row.lastLine + 1 + i, ...word, at }))
  return { job: { ...row, lastLine: row.lastLine + lines.length }, lines }
}

const untouched = {
  bytesTotal: 0,
  bytesDone: 0,
  filesTotal: 0,
  filesDone: 0,
  failedFiles: 0,
  currentFile: null,
  error: null,
  startedAt: null,
  activeMs: 0,
  rates: [],
}
