import type { Keep, Log, LogEvent } from './log'
import { asPattern, type Topic } from './topic'

/** How long after a topic has grown too long it is trimmed, in milliseconds. */
const soon = 200
/** How many are given up at a time, about a millisecond of work, and the pause after it, in milliseconds. */
const portion = 500
const pause = 10
/** How often topics are looked through for events that have grown too old, in milliseconds. */
const often = 10 * 60 * 1_000

/**
 * Gives up old events beside the work: a topic that has grown by a quarter soon afterwards, and the aged
 * now and then, some a turn: it takes a tenth of the time at the most.
 */
export class Trim {
  #log: Log
  #keep: (topic: Topic) => Keep
  #onError: (error: unknown, topic?: Topic) => void
  #grown = new Map<Topic, number>()
  #due = new Set<Topic>()
  #timer: Timer | undefined
  #aging: Timer
  #isClosed = false

  constructor(
    log: Log,
    keep: (topic: Topic) => Keep,
    onError: (error: unknown, topic?: Topic) => void,
  ) {
    this.#log = log
    this.#keep = keep
    this.#onError = onError
    this.#aging = setInterval(() => this.#age(), often)
    this.#aging.unref()
  }

  /** Counts what was appended. */
  count(events: readonly LogEvent[]): void {
    for (const { topic, kind, form } of events) {
      // A text is compacted by who writes it.
      if (kind === 'state' || form === 'text') continue
      const grown = (this.#grown.get(topic) ?? 0) + 1
      const { count } = this.#keep(topic)
      if (grown < Math.max(16, count / 4)) this.#grown.set(topic, grown)
      else {
        this.#grown.delete(topic)
        this.#plan([topic])
      }
    }
    if (this.#grown.size > 10_000) this.#plan(this.#grown.keys())
  }

  /** Ends it. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    clearInterval(this.#aging)
  }

  #plan(topics: Iterable<Topic>): void {
    if (this.#isClosed) return
    for (const topic of topics) this.#due.add(topic)
    if (this.#grown.size > 10_000) this.#grown.clear()
    this.#timer ??= setTimeout(() => this.#next(), soon)
    this.#timer.unref()
  }

  async #next(): Promise<void> {
    this.#timer = undefined
    for (const topic of this.#due) {
      this.#due.delete(topic)
      try {
        if (await this.#log.trim(topic, this.#keep(topic), portion)) this.#due.add(topic)
      } catch (error) {
        if (!this.#isClosed) this.#onError(error, topic)
      }
      break
    }
    if (this.#due.size === 0 || this.#isClosed) return
    this.#timer ??= setTimeout(() => this.#next(), pause)
    this.#timer.unref()
  }

  async #age(): Promise<void> {
    try {
      this.#plan(await this.#log.topics(asPattern('**')))
    } catch (error) {
      this.#onError(error)
    }
  }
}
