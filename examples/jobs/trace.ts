/** Points at most. */
const MOST = 40

/** What a {@link Trace} goes on from. */
export interface Kept {
  points: readonly number[]
  /** Milliseconds that the points cover together. */
  span: number
}

/**
 * Bytes a second over the whole time of a job, in equal steps. When there are too many points, each two become one and
 * the steps twice as long: a job of hours has as many as one of seconds.
 */
export class Trace {
  #points: readonly number[]
  #step: number
  #at: number
  #bytes = 0

  /**
   * @param at milliseconds: now
   * @param step milliseconds between two points at first. @default 250
   */
  constructor(at: number, kept: Kept = { points: [], span: 0 }, step = 250) {
    this.#at = at
    this.#points = kept.points
    this.#step = Math.max(step, kept.points.length > 0 ? kept.span / kept.points.length : 0)
  }

  /** Oldest first; another array whenever there is something new. */
  get points(): readonly number[] {
    return this.#points
  }

  /** At the time `at` (milliseconds), `bytes` were done since the trace began. */
  add(at: number, bytes: number): void {
    const steps = Math.floor((at - this.#at) / this.#step)
    if (steps < 1) return
    // What is given up of a file is no speed below 0.
    const rate = Math.max(0, Math.round(((bytes - this.#bytes) / (at - this.#at)) * 1000))
    this.#at = at
    this.#bytes = bytes
    this.#points = [...this.#points, ...Array.from({ length: Math.min(steps, MOST) }, () => rate)]
    while (this.#points.length > MOST) this.#halve()
  }

  /** The job lets go: what is left of a step is a point if there is none. */
  end(at: number, bytes: number): void {
    if (this.#points.length > 0 || at <= this.#at) return this.add(at, bytes)
    this.#points = [Math.max(0, Math.round(((bytes - this.#bytes) / (at - this.#at)) * 1000))]
  }

  #halve(): void {
    const points = this.#points
    this.#step *= 2
    this.#points = Array.from({ length: Math.ceil(points.length / 2) }, (_, i) => {
      const pair = points.slice(2 * i, 2 * i + 2)
      return Math.round(pair.reduce((sum, rate) => sum + rate, 0) / pair.length)
    })
  }
}
