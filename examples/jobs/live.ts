import type { Job, StoredJob } from './job'
import { Meter } from './meter'
import type { Report } from './protocol'
import { Trace } from './trace'

/** Milliseconds of measuring before the sliding window says more about the time left than the job's whole run does. */
const ENOUGH = 1000

/** What is known of a job only while it is worked on or comes in: the place in the current file, the rate, the time since the last save. */
export class Live {
  /** What the worker still reports is of no interest: the job was cancelled. */
  isDropped = false
  /** Said once the worker has let go of the job. */
  lastWords: string | undefined
  readonly #meter = new Meter()
  readonly #trace: Trace
  #since = performance.now()
  #isCounting = true
  #done = 0
  #report: Report = { left: null, results: [], current: null, read: 0 }

  /** @param row the job that goes on */
  constructor({ rates, activeMs }: Pick<StoredJob, 'rates' | 'activeMs'>) {
    this.#meter.add(this.#since, 0)
    this.#trace = new Trace(this.#since, { points: rates, span: activeMs })
  }

  /** The file in work. */
  get current(): string | null {
    return this.#report.current
  }

  /** Bytes of what is in work that were read, or received. */
  get read(): number {
    return this.#report.read
  }

  /** Bytes a second until now, in equal steps; another array whenever there is something new. */
  get rates(): readonly number[] {
    return this.#trace.points
  }

  /** Takes in a report. */
  heard(report: Report): void {
    this.#report = report
    for (const { size } of report.results) this.#done += size ?? 0
    const [at, bytes] = [performance.now(), this.#done + report.read]
    this.#meter.add(at, bytes)
    // What is given up of a file when the work is stopped is no change of its speed.
    if (report.end?.reason === 'done') this.#trace.end(at, bytes)
    else if (!report.end) this.#trace.add(at, bytes)
  }

  /** Whole milliseconds of work since the last call. */
  takeTime(): number {
    if (!this.#isCounting) return 0
    const passed = Math.round(performance.now() - this.#since)
    this.#since += passed
    return passed
  }

  /** The job is paused; what the worker still does to its current chunk is not counted. */
  stopTime(): number {
    const passed = this.takeTime()
    this.#isCounting = false
    return passed
  }

  /** The running job as it stands this moment. */
  over(row: StoredJob): Job {
    const bytesDone = row.bytesDone + this.#report.read
    const bytesTotal = Math.max(row.bytesTotal, bytesDone)
    const activeMs = row.activeMs + Math.round(performance.now() - this.#since)
    const { rate, span } = this.#meter
    const likely = span >= ENOUGH ? rate : (bytesDone / Math.max(1, activeMs)) * 1000
    return {
      ...row,
      bytesDone,
      bytesTotal,
      activeMs,
      currentFile: this.current,
      rates: this.rates,
      throughput: rate,
      msLeft: this.#report.left && likely > 0 ? ((bytesTotal - bytesDone) / likely) * 1000 : null,
    }
  }
}
