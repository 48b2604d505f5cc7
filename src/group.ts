import type { Connection } from './connection'
import type { Pattern, Topic } from './topic'

/** What is due to a group: bytes that all its connections share, or a mark. */
export interface Due {
  seq: number
  topic: Topic
  bytes: Uint8Array | undefined
  /** Whether it is the mark that the topic has ended; with anything else it goes on. */
  isEnd: boolean
}

/**
 * The live connections that follow the same topics.
 *
 * They all stand at one place in the log, so none needs a queue or cursor of its own: what is due is joined
 * once and written to each in one write.
 */
export class Group {
  readonly live = new Set<Connection>()
  readonly topics: readonly Pattern[]
  /** Those of its topics that may still change; a pattern always may. */
  readonly #open: Set<Pattern>
  /** Those that have ended; publishing to one opens it again. */
  readonly #ended: Set<Pattern>
  #due: Due[] = []

  /** @param aside topics that neither keep it from being over nor begin it again */
  constructor(
    topics: readonly Pattern[],
    open: readonly Pattern[],
    aside: readonly Pattern[] = [],
  ) {
    this.topics = topics
    this.#open = new Set(open)
    const counted = topics.filter((topic) => !aside.includes(topic))
    this.#ended = new Set(counted.filter((topic) => !this.#open.has(topic)))
  }

  get idle(): boolean {
    return this.#due.length === 0
  }

  /** Whether each of its topics has ended, and nothing is left to be written. */
  get over(): boolean {
    return this.idle && this.#open.size === 0
  }

  push(due: Due): void {
    this.#due.push(due)
  }

  /**
   * Writes what is due to all, at most so many bytes; the rest stays due.
   *
   * @param position up to where a connection has everything when nothing stays due
   * @param lag called for a connection that takes no more, with the promise that it drains
   */
  flush(
    budget: number,
    position: number,
    lag: (connection: Connection, drained: Promise<unknown>) => void,
  ): void {
    const { chunk, events, count } = this.#join(budget)
    const last = this.#due[count - 1]
    for (const { topic, isEnd } of this.#due.splice(0, count)) {
      if (isEnd) {
        if (this.#open.delete(topic)) this.#ended.add(topic)
      } else if (this.#ended.delete(topic)) this.#open.add(topic)
    }
    if (!chunk) return
    const reached = this.idle ? position : (last?.seq ?? position)
    for (const connection of this.live) {
      const drained = connection.write(chunk, events)
      if (!drained) continue
      connection.cursor = reached
      this.live.delete(connection)
      lag(connection, drained)
    }
  }

  /** One chunk out of the first events within the budget, and always one event at least. */
  #join(budget: number): { chunk: Uint8Array | undefined; events: number; count: number } {
    let size = 0
    let events = 0
    let count = 0
    let only: Uint8Array | undefined
    for (const { bytes } of this.#due) {
      if (bytes) {
        if (events > 0 && size + bytes.byteLength > budget) break
        size += bytes.byteLength
        only = bytes
        events++
      }
      count++
    }
    if (events <= 1) return { chunk: only, events, count }
    const chunk = new Uint8Array(size)
    let at = 0
    for (let i = 0; i < count; i++) {
      const bytes = this.#due[i]?.bytes
      if (!bytes) continue
      chunk.set(bytes, at)
      at += bytes.byteLength
    }
    return { chunk, events, count }
  }
}
