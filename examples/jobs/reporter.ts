import type { FileResult } from './job'
import type { End, Report } from './protocol'

/** Milliseconds between two reports of a worker. */
const INTERVAL = 30
/** Milliseconds after which a worker reports though nothing moved, so that a stalled disk shows as 0 bytes a second. */
const IDLE = 1000

/** Collects what a worker has done and posts it at most every 30 ms; the last report goes at once. */
export class Reporter {
  readonly #post: (report: Report) => void
  readonly #idle: ReturnType<typeof setInterval>
  #timer: ReturnType<typeof setTimeout> | undefined
  #last = 0
  #results: FileResult[] = []
  #left: Report['left'] = null
  #current: string | null = null
  #listed = 0
  #read = 0

  constructor(post: (report: Report) => void) {
    this.#post = post
    this.#idle = setInterval(() => this.#flush(), IDLE)
  }

  /** The folder is listed. */
  total(files: number, bytes: number): void {
    this.#left = { files, bytes }
    this.#soon()
  }

  /** A file is begun; `size` as it was listed. */
  begin(path: string, size: number): void {
    this.#current = path
    this.#listed = size
    this.#read = 0
    this.#soon()
  }

  /** So many bytes of the file are read. */
  read(bytes: number): void {
    this.#read = bytes
    this.#soon()
  }

  /** The file that was begun has its result. */
  result(result: FileResult): void {
    this.#results.push(result)
    if (this.#left) {
      this.#left.files--
      this.#left.bytes -= this.#listed
    }
    this.#current = null
    this.#listed = 0
    this.#read = 0
    this.#soon()
  }

  /** The task has ended: the last report. */
  end(end: End): void {
    clearInterval(this.#idle)
    this.#current = null
    this.#read = 0
    this.#flush(end)
  }

  #soon(): void {
    const wait = this.#last + INTERVAL - performance.now()
    if (wait <= 0) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), wait)
  }

  #flush(end?: End): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#last = performance.now()
    const results = this.#results
    this.#results = []
    // A file may have grown since it was listed.
    const grown = Math.max(0, this.#read - this.#listed)
    const left = this.#left && { ...this.#left, bytes: this.#left.bytes + grown }
    const report = { left, results, current: this.#current, read: this.#read }
    this.#post(end ? { ...report, end } : report)
  }
}
