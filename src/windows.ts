import { longestTimer } from './timers'

/** How long after some windows have ended others do not, in milliseconds: they end together. */
const pause = 4

/** What comes within a time, and is then flushed as one. The first after a pause goes in the next turn. */
export class Window {
  /** When it ends, in the time of `performance.now`. */
  end = Number.NEGATIVE_INFINITY
  #all: Windows
  #length: number
  #flush: () => void
  #flushedAt = Number.NEGATIVE_INFINITY

  /**
   * @param length in milliseconds
   * @param flush must not throw: others wait behind it
   * @throws TypeError for a length that is no number of milliseconds.
   */
  constructor(all: Windows, length: number, flush: () => void) {
    if (!(length >= 0 && length <= longestTimer)) {
      throw new TypeError(
        `Expected milliseconds from 0 to ${longestTimer} as window, got ${length}`,
      )
    }
    this.#all = all
    this.#length = length
    this.#flush = flush
  }

  /** Something waits for its end. */
  open(): void {
    if (this.#all.has(this)) return
    this.end = Math.max(performance.now(), this.#flushedAt + this.#length)
    this.#all.add(this)
  }

  /** Ends it now. */
  flush(): void {
    if (this.#all.delete(this)) this.#flushedAt = performance.now()
    this.#flush()
  }
}

/**
 * The open windows of a hub. Those that are due are flushed in one turn, so that the tokens of a hundred texts are one
 * transaction.
 */
export class Windows {
  #open = new Set<Window>()
  #timer: Timer | undefined
  #next = Number.POSITIVE_INFINITY
  #flushedAt = Number.NEGATIVE_INFINITY

  has(window: Window): boolean {
    return this.#open.has(window)
  }

  add(window: Window): void {
    this.#open.add(window)
    if (window.end < this.#next) this.#wait(window.end)
  }

  delete(window: Window): boolean {
    return this.#open.delete(window)
  }

  /** Ends all now. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#next = Number.POSITIVE_INFINITY
    for (const window of [...this.#open]) window.flush()
  }

  #wait(end: number): void {
    clearTimeout(this.#timer)
    this.#next = end
    const at = Math.max(end, this.#flushedAt + pause)
    this.#timer = setTimeout(() => this.#flushDue(), Math.max(0, at - performance.now()))
  }

  #flushDue(): void {
    const now = performance.now()
    this.#flushedAt = now
    this.#next = Number.POSITIVE_INFINITY
    const due: Window[] = []
    let next = Number.POSITIVE_INFINITY
    for (const window of this.#open) {
      if (window.end <= now) due.push(window)
      else next = Math.min(next, window.end)
    }
    if (Number.isFinite(next)) this.#wait(next)
    for (const window of due) window.flush()
  }
}
