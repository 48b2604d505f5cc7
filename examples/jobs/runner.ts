import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { checkFolder } from './folders'
import {
  hasEnded,
  isStartable,
  type Job,
  JobError,
  type JobResult,
  type JobState,
  type Line,
  type StoredJob,
} from './job'
import { Live } from './live'
import { Pace } from './pace'
import type { Pool, Run } from './pool'
import type { Report } from './protocol'
import { type Received, tooLarge } from './receive'
import { aboutBroken, aboutEnded, aboutFailed, aboutStart, aboutUpload } from './say'
import type { Change, Store } from './store'
import {
  added,
  broken,
  counted,
  ended,
  orphaned,
  received,
  settled,
  started,
  uploading,
  withLines,
  wordsOf,
} from './transition'
import { type Incoming, Upload } from './upload'

export interface RunnerOptions {
  store: Store
  /** Closed by the runner's `close`. */
  pool: Pool
  /** Where uploads are kept, each in a folder of its own; made when the first one comes. @default none are taken */
  uploads?: string
  /** Bytes of one upload. @default 4 GB */
  uploadLimit?: number
  /** The whole job as it now is: at once when its state changes, else at most each 50 ms; the last value always comes. */
  onChange?: (job: Job) => void
  /** A new line of a job, after it was stored and before the change that it belongs to. */
  onLine?: (job: Job, line: Line) => void
  /** A callback that threw, or results that could not be stored. @default console.error */
  onError?: (error: unknown, id: string) => void
}

/** Milliseconds between two changes of a running job. */
const INTERVAL = 50
/** Uploads at the same time. A browser has six connections to a host: one is the stream's, one is left for clicks. */
const UPLOADS = 4
/** Bytes that a form may have beside its files. */
const BESIDE = 1_048_576

/**
 * Runs jobs over a pool of workers. What is true of a job is in the store; here is only what a worker has in hand.
 *
 * Call `open()` once everything that listens is ready: it takes up what was running when the last process ended, also one
 * that was killed; what was being uploaded has failed. One runner per database file: it takes the running jobs of another one for those of a dead process.
 *
 * @example
 * const runner = new Runner({ store: new Store(database), pool: new Pool(), onChange: (job) => show(job) })
 * runner.open()
 * const { id } = await runner.add('/usr/share/doc')
 * runner.start(id)
 */
export class Runner {
  readonly #store: Store
  readonly #pool: Pool
  readonly #options: RunnerOptions
  readonly #live = new Map<string, { live: Live; run: Run }>()
  readonly #pace = new Pace(INTERVAL, (id) => this.#tell(id))
  #isOpen = false
  #isClosed = false
  /** Uploads that come in. */
  #incoming = 0

  constructor(options: RunnerOptions) {
    this.#store = options.store
    this.#pool = options.pool
    this.#options = options
  }

  /** Goes on with the jobs that were running or waiting; jobs that are started run from now on. */
  open(): void {
    this.#isOpen = true
    const left = (state: JobState) =>
      this.#store.inState(state).filter(({ id }) => !this.#live.has(id))
    this.#save(...left('running').map((row) => ({ job: orphaned(row) })))
    for (const row of left('uploading')) {
      void this.#remove(row.id)
      this.#break(row, aboutEnded)
    }
    this.#next()
  }

  /** Stops all workers and uploads; what ran goes on at the next `open`. Resolves when no worker is left. */
  async close(): Promise<void> {
    this.#isOpen = false
    this.#isClosed = true
    const runs = [...this.#live.values()].map(({ run }) => run)
    for (const run of runs) run.stop()
    await Promise.all(runs.map((run) => run.ended))
    await this.#pool.close()
    this.#pace.flush()
  }

  /** All jobs, oldest first. */
  jobs(): Job[] {
    return this.#store.jobs().map((row) => this.#whole(row))
  }

  /** One job as it stands, or `undefined` when there is none of this id. */
  get(id: string): Job | undefined {
    const row = this.#store.get(id)
    return row && this.#whole(row)
  }

  /**
   * A job and the result of every file, ordered by path.
   *
   * @throws JobError 404
   */
  result(id: string): JobResult {
    return { ...this.#whole(this.#row(id)), files: this.#store.files(id) }
  }

  /**
   * Lines after the number `after`, oldest first.
   *
   * @throws JobError 404
   */
  lines(id: string, { after = 0, count = 1000 } = {}): Line[] {
    this.#row(id)
    return this.#store.lines(id, after, count)
  }

  /**
   * Adds a folder as a `queued` job.
   *
   * @throws JobError 404 when it is not there, 400 when it is no readable folder, 409 when a job of it has not ended.
   */
  async add(folder: string): Promise<Job> {
    const path = await checkFolder(folder)
    this.#expectFree(path)
    const row = added(this.#newId(), path)
    this.#save({ job: row })
    return this.#whole(row)
  }

  /**
   * Takes in files as a job, which then works through them like any other. Resolves when all of them are there. An upload
   * that is cancelled or breaks off has ended as that job, and nothing of its files is kept.
   *
   * @throws JobError 400, 404 where none are taken, 409 when it was cancelled, 413 above the limit, 503 when there are too
   * many, 507 when they cannot be written.
   */
  async receive(incoming: Incoming): Promise<Job> {
    const { uploads, uploadLimit: limit = 4e9 } = this.#options
    if (uploads === undefined) throw new JobError(404, 'No uploads are taken here.')
    if ((incoming.size ?? 0) > limit + BESIDE) throw tooLarge(limit)
    if (this.#isClosed) throw new JobError(503, 'The program ends.')
    if (this.#incoming >= UPLOADS) {
      throw new JobError(503, `There are ${UPLOADS} uploads already: wait for one to end.`)
    }
    this.#incoming++
    try {
      const upload = await Upload.begin(incoming)
      const id = this.#newId()
      return await this.#receive(id, upload, { folder: join(uploads, id), limit })
    } finally {
      this.#incoming--
    }
  }

  /**
   * Starts a job; one that has ended starts from scratch, a paused one goes on.
   *
   * @throws JobError 404, or 409 when it is started already, another job of its folder has not ended, or it is an upload
   * whose files are not there.
   */
  start(id: string): Job {
    const row = this.#row(id, 'start', 'queued', 'paused', 'done', 'failed', 'cancelled')
    if (hasEnded(row.state) && !isStartable(row)) {
      throw new JobError(409, `Cannot start the job ${row.name}: it was not uploaded whole.`)
    }
    if (hasEnded(row.state)) this.#expectFree(row.folder)
    this.#save(started(row))
    this.#next()
    return this.#whole(this.#row(id))
  }

  /** Starts all jobs that are `queued`, and returns them. */
  startAll(): Job[] {
    const rows = this.#store.inState('queued')
    this.#save(...rows.map(started))
    this.#next()
    return rows.map(({ id }) => this.#whole(this.#row(id)))
  }

  /**
   * Pauses a job that runs or waits. It keeps the files that are done; the file in work is begun again when it goes on.
   *
   * @throws JobError 404, 409
   */
  pause(id: string): Job {
    const row = this.#row(id, 'pause', 'running', 'waiting')
    const paused = { ...row, state: 'paused' as const, currentFile: null, waitingSince: null }
    const held = this.#live.get(id)
    if (held && !held.live.isDropped) {
      paused.activeMs += held.live.stopTime()
      paused.rates = held.live.rates
      // The files that the worker still reports come before it.
      held.live.lastWords = 'Paused'
      held.run.stop()
      this.#save({ job: paused })
    } else {
      this.#save(withLines(paused, [{ level: 'info', text: 'Paused' }]))
    }
    return this.#whole(this.#row(id))
  }

  /**
   * Goes on with a paused job.
   *
   * @throws JobError 404, 409
   */
  resume(id: string): Job {
    const row = this.#row(id, 'resume', 'paused')
    this.#save(started(row))
    this.#next()
    return this.#whole(this.#row(id))
  }

  /**
   * Ends a job that has not ended; what is done of it stays to be seen.
   *
   * @throws JobError 404, 409
   */
  cancel(id: string): Job {
    const row = this.#row(id, 'cancel', 'queued', 'uploading', 'waiting', 'running', 'paused')
    const held = this.#live.get(id)
    if (held) {
      if (row.state === 'uploading') row.bytesDone = held.live.read
      row.activeMs += held.live.stopTime()
      row.rates = held.live.rates
      // An ended job changes no more: what its worker still reports is dropped.
      held.live.isDropped = true
      held.run.stop()
    }
    this.#save(withLines(ended(row, 'cancelled'), [{ level: 'info', text: 'Cancelled' }]))
    return this.#whole(this.#row(id))
  }

  /** The stored job, in one of the states that allow to `verb` it. */
  #row(id: string, verb?: string, ...states: readonly JobState[]): StoredJob {
    const row = this.#store.get(id)
    if (!row) throw new JobError(404, `There is no job ${JSON.stringify(id)}.`)
    if (verb !== undefined && !states.includes(row.state)) {
      throw new JobError(409, `Cannot ${verb} the job ${row.name}: it is ${row.state}.`)
    }
    return row
  }

  #expectFree(folder: string): void {
    const other = this.#store.notEnded(folder)
    if (!other) return
    throw new JobError(409, `The folder ${folder} is a job already (${other.id}, ${other.state}).`)
  }

  #newId(): string {
    const bytes = crypto.getRandomValues(new Uint8Array(8))
    const id = Array.from(bytes, (byte) => (byte % 36).toString(36)).join('')
    return this.#store.get(id) ? this.#newId() : id
  }

  /** Gives waiting jobs to free workers. */
  #next(): void {
    while (this.#isOpen && this.#pool.free > 0) {
      // A job that was paused and resumed at once is still with its worker, which calls here when it lets go.
      const row = this.#store.inState('waiting').find(({ id }) => !this.#live.has(id))
      if (!row) return
      this.#begin(row)
    }
  }

  async #receive(
    id: string,
    upload: Upload,
    where: { folder: string; limit: number },
  ): Promise<Job> {
    const row = uploading(added(id, where.folder), upload)
    const live = new Live(row)
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    this.#live.set(id, { live, run: { stop: () => upload.stop(), ended } })
    try {
      this.#save({ job: row })
      await mkdir(where.folder, { recursive: true })
      const files = await upload.receive(where, (report) => {
        live.heard(report)
        this.#pace.soon(id)
      })
      if (live.isDropped) throw new Error('Cancelled with its last byte')
      this.#live.delete(id)
      return this.#received(this.#row(id), files, live)
    } catch (error) {
      await this.#remove(id)
      throw this.#broke(id, live, error)
    } finally {
      this.#live.delete(id)
      resolve()
    }
  }

  /** All files of an upload are there: they wait for a worker. */
  #received(row: StoredJob, files: readonly Received[], live: Live): Job {
    const text = aboutUpload(files, live.takeTime())
    this.#save(withLines(received(row), [{ level: 'info', text }]))
    this.#next()
    return this.#whole(this.#row(row.id))
  }

  /** An upload did not come in: says so of its job, unless that has ended already, and returns the refusal. */
  #broke(id: string, live: Live, error: unknown): JobError {
    const row = this.#store.get(id)
    if (row && live.isDropped) {
      return new JobError(409, `The upload of ${row.name} was cancelled.`, { cause: error })
    }
    const text = this.#isClosed ? aboutEnded : aboutBroken(error, live.read)
    if (row) {
      const activeMs = live.takeTime()
      this.#live.delete(id)
      this.#break({ ...row, bytesDone: live.read, activeMs, rates: live.rates }, text)
    }
    return error instanceof JobError ? error : new JobError(400, text, { cause: error })
  }

  #break(row: StoredJob, text: string): void {
    this.#save(withLines(broken(row, text), [{ level: 'error', text }]))
  }

  /** Removes what was received of an upload. */
  async #remove(id: string): Promise<void> {
    const { uploads } = this.#options
    if (uploads === undefined) return
    await rm(join(uploads, id), { recursive: true, force: true }).catch((error: unknown) =>
      this.#error(error, id),
    )
  }

  #begin(row: StoredJob): void {
    // Before the worker is asked for: to make one takes time, which is the job's.
    const startedAt = row.startedAt ?? Date.now()
    const live = new Live(row)
    const task = { folder: row.folder, skip: this.#store.paths(row.id) }
    const run = this.#pool.run(task, (report) => this.#heard(row.id, live, report))
    this.#live.set(row.id, { live, run })
    const running = { ...row, state: 'running' as const, startedAt, waitingSince: null }
    try {
      this.#save(withLines(running, [{ level: 'info', text: aboutStart(row) }]))
    } catch (error) {
      this.#lose(row.id, live, error)
    }
  }

  /** A report of the worker that has the job. */
  #heard(id: string, live: Live, report: Report): void {
    const held = this.#live.get(id)
    if (report.end) this.#live.delete(id)
    try {
      if (!live.isDropped) this.#take(id, live, report)
    } catch (error) {
      held?.run.stop()
      this.#lose(id, live, error)
    }
    if (report.end) this.#next()
  }

  #take(id: string, live: Live, report: Report): void {
    live.heard(report)
    const before = this.#row(id)
    const { results, end } = report
    const row = counted(before, report)
    // Only the place in the current file moved: nothing to store.
    if (results.length === 0 && !end && row.filesTotal === before.filesTotal) {
      this.#pace.soon(id)
      return
    }
    row.activeMs += live.takeTime()
    row.rates = live.rates
    row.currentFile = row.state === 'running' ? live.current : null
    row.error = this.#errorOf(row, report)
    const [last, ...words] = end ? settled(row, end, live.lastWords) : [row]
    const change = withLines(last, [...results.map(wordsOf), ...words])
    this.#save({ ...change, files: results })
  }

  /** What the job's row says of files that could not be read. */
  #errorOf(row: StoredJob, { results }: Report): string | null {
    const failed = results.find(({ error }) => error !== null)
    if (!failed) return row.error
    return aboutFailed(row.failedFiles, this.#store.firstFailed(row.id) ?? failed)
  }

  /** Results that cannot be stored (a full disk) fail the job, not the process. */
  #lose(id: string, live: Live, error: unknown): void {
    this.#error(error, id)
    live.isDropped = true
    this.#live.get(id)?.run.stop()
    const reason = error instanceof Error ? error.message : String(error)
    const text = `The results could not be stored: ${reason}.`
    try {
      const failed = { ...ended(this.#row(id), 'failed'), error: text }
      this.#save(withLines(failed, [{ level: 'error', text }]))
    } catch (again) {
      // Nothing can be stored: begin no more, else the same job would fail again and again. `open` tries anew.
      this.#isOpen = false
      this.#error(again, id)
    }
  }

  /** Stores the changes, then says them: lines first, so that "finished" never overtakes a job's last line. */
  #save(...changes: readonly Change[]): void {
    const states = changes.map(({ job }) => this.#store.get(job.id)?.state)
    this.#store.record(...changes)
    for (const [i, { job, lines = [] }] of changes.entries()) {
      if (lines.length > 0) this.#say(this.#whole(job), lines)
      if (states[i] === job.state) this.#pace.soon(job.id)
      else this.#pace.now(job.id)
    }
  }

  #say(job: Job, lines: readonly Line[]): void {
    for (const line of lines) this.#call(job.id, () => this.#options.onLine?.(job, line))
  }

  #tell(id: string): void {
    const job = this.get(id)
    if (job) this.#call(id, () => this.#options.onChange?.(job))
  }

  /** A callback that throws must not stop the job. */
  #call(id: string, callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.#error(error, id)
    }
  }

  #error(error: unknown, id: string): void {
    const { onError = (fault: unknown, of: string) => console.error(`job ${of}:`, fault) } =
      this.#options
    onError(error, id)
  }

  #whole(row: StoredJob): Job {
    const held = this.#live.get(row.id)
    const isLive = row.state === 'running' || row.state === 'uploading'
    if (isLive && held && !held.live.isDropped) return held.live.over(row)
    const seconds = row.activeMs / 1000
    const throughput = row.state === 'done' && seconds > 0 ? row.bytesDone / seconds : 0
    return { ...row, throughput, msLeft: null }
  }
}
