import type { Hub } from './hub'
import type { Compacted } from './log/contract'

/** A text whose pieces are to become one. */
export interface Compactable {
  /** Gives what takes the place of its pieces; nothing where there is nothing to gain. */
  compacted(): Promise<Compacted | undefined>
  /** Told that it was done. */
  wasCompacted(): void
}

/** How long it may wait, and how long others have their turn in between, in milliseconds. */
const soon = 50
const pause = 5
/** How many texts are compacted in one transaction, and for how long it is begun with another, in milliseconds. */
const portion = 8
const turn = 4

/** Has the pieces of texts replaced beside the work, some texts at a time: those that begin together are due together. */
export class Compactions {
  #hub: Hub
  #due = new Set<Compactable>()
  #timer: Timer | undefined

  constructor(hub: Hub) {
    this.#hub = hub
  }

  /** Has a text compacted soon. */
  add(text: Compactable): void {
    this.#due.add(text)
    this.#wait(soon)
  }

  #wait(delay: number): void {
    this.#timer ??= setTimeout(() => this.#next(), delay)
    this.#timer.unref()
  }

  async #next(): Promise<void> {
    const made = new Map<Compactable, Compacted>()
    const until = performance.now() + turn
    for (const text of this.#due) {
      if (this.#hub.isClosed) return
      this.#due.delete(text)
      const one = await this.#orReport(() => text.compacted())
      if (one) made.set(text, one)
      if (made.size === portion || performance.now() > until) break
    }
    // One that failed is tried again when the text has grown.
    if (made.size > 0) {
      await this.#orReport(async () => {
        await this.#hub.log.compact([...made.values()])
        for (const text of made.keys()) text.wasCompacted()
      })
    }
    this.#timer = undefined
    if (this.#due.size > 0) this.#wait(pause)
  }

  /** One that fails costs the others nothing. */
  async #orReport<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!this.#hub.isClosed) this.#hub.report(error)
      return undefined
    }
  }
}
