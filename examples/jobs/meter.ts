/** Bytes a second over a sliding window. */
export class Meter {
  readonly #window: number
  readonly #samples: { at: number; bytes: number }[] = []

  /** @param window milliseconds. @default 3000 */
  constructor(window = 3000) {
    this.#window = window
  }

  /** At the time `at` (milliseconds), `bytes` were done in all. */
  add(at: number, bytes: number): void {
    const samples = this.#samples
    samples.push({ at, bytes })
    // One sample at or before the window's begin stays, so that the window is always covered.
    while (samples[1] && samples[1].at <= at - this.#window) samples.shift()
  }

  /** Milliseconds between the first and the last sample of the window. */
  get span(): number {
    return (this.#samples.at(-1)?.at ?? 0) - (this.#samples[0]?.at ?? 0)
  }

  /** Bytes a second; 0 while too little is known. */
  get rate(): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (!first || !last || last.at <= first.at) return 0
    return Math.max(0, ((last.bytes - first.bytes) / (last.at - first.at)) * 1000)
  }
}
