import type { Job, StoredJob } from './job'
import { Meter } from './meter'
import type { Report } from './protocol'

/** Milliseconds of measuring before the sliding window says more about the time left than the job's whole run does. */
const ENOUGH = 1000

/** What is known of a job only while a worker has it: the place in the current file, the rate, the time since the last save. */
export class Live {
  /** What the worker still reports is of no interest: the job was cancelled. */
  isDropped = false
  /** Said once the worker has let go of the job. */
  lastWords: string | undefined
  readonly #meter = new Meter()
  #since = performance.now()
  #isCounting = true
  #done = 0
  #report: Report = { left: null, results: [], current: null, read: 0 }

  constructor() {
    this.#meter.add(this.#since, 0)
  }

  /** The file in work. */
  get current(): string | null {
    return this.#report.current
  }

  /** Takes in a report. */
  heard(report: Report): void {
    this.#report = report
    for (const { size } of report.results) this.#done += size ?? 0
    this.#meter.add(performance.now(), this.#done + report.read)
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
      throughput: rate,
      msLeft: this.#report.left && likely > 0 ? ((bytesTotal - bytesDone) / likely) * 1000 : null,
    }
  }
}
