import type { Hub } from './hub'
import type { Compacted } from './log/contract'

/** A text whose pieces are to become one. */
export interface Compactable {
  /** Gives what takes the place of its pieces; nothing where there is nothing to gain. */
  compacted(): Promise<Compacted | undefined>
}

/** How long it may wait, and how long others have their turn in between, in milliseconds. */
const soon = 50
const pause = 5
/** How many texts are compacted in one transaction: some milliseconds of work. */
const portion = 8

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
    const texts = [...this.#due].slice(0, portion)
    for (const text of texts) this.#due.delete(text)
    try {
      if (this.#hub.isClosed) return
      const made = await Promise.all(texts.map((text) => text.compacted()))
      await this.#hub.log.compact(made.filter((one) => one !== undefined))
    } catch (error) {
      if (!this.#hub.isClosed) this.#hub.report(error)
    }
    this.#timer = undefined
    if (this.#due.size > 0) this.#wait(pause)
  }
}
