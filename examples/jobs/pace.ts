/** Calls at most once per interval and key; what comes too soon is called at the interval's end, so the last one is never lost. */
export class Pace {
  readonly #interval: number
  readonly #call: (key: string) => void
  readonly #last = new Map<string, number>()
  readonly #due = new Map<string, ReturnType<typeof setTimeout>>()

  /** @param interval milliseconds */
  constructor(interval: number, call: (key: string) => void) {
    this.#interval = interval
    this.#call = call
  }

  /** Calls now or at the end of the interval. */
  soon(key: string): void {
    if (this.#due.has(key)) return
    const wait =
      (this.#last.get(key) ?? Number.NEGATIVE_INFINITY) + this.#interval - performance.now()
    if (wait <= 0) this.now(key)
    else
      this.#due.set(
        key,
        setTimeout(() => this.now(key), wait),
      )
  }

  /** Calls at once, in place of what was due. */
  now(key: string): void {
    clearTimeout(this.#due.get(key))
    this.#due.delete(key)
    this.#last.set(key, performance.now())
    this.#call(key)
  }

  /** Calls what is still due. */
  flush(): void {
    for (const key of [...this.#due.keys()]) this.now(key)
  }
}
