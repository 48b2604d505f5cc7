import type { Connection } from './connection'
import type { Interest } from './interest'
import { type Framed, joined } from './ring'
import type { Pattern } from './topic'

/**
 * The live connections with the same interest.
 *
 * They all stand at one place in the log, so none needs a queue or cursor of its own: what is due is joined
 * once and written to each in one write.
 */
export class Group {
  readonly live = new Set<Connection>()
  readonly interest: Interest
  /** What it is found by. */
  readonly name: string
  /** Those of its topics that may still change; a pattern always may. */
  readonly #open: Set<Pattern>
  /** Those that have ended; publishing to one opens it again. */
  readonly #ended: Set<Pattern>
  /** Whether its connections are of pages, whose addresses are over one by one. */
  readonly #isOfPages: boolean
  #due: Framed[] = []
  #bytes = 0

  /** @param aside topics that neither keep it from being over nor begin it again */
  constructor(
    name: string,
    interest: Interest,
    open: readonly Pattern[],
    { aside = [], isOfPages = false }: { aside?: readonly Pattern[]; isOfPages?: boolean } = {},
  ) {
    this.name = name
    this.interest = interest
    this.#isOfPages = isOfPages
    this.#open = new Set(open)
    const counted = interest.topics.filter((topic) => !aside.includes(topic))
    this.#ended = new Set(counted.filter((topic) => !this.#open.has(topic)))
  }

  get idle(): boolean {
    return this.#due.length === 0
  }

  /** Whether each of its topics has ended, and nothing is left to be written. */
  get over(): boolean {
    return !this.#isOfPages && this.idle && this.#open.size === 0
  }

  /** Bytes that are due. */
  get due(): number {
    return this.#bytes
  }

  /** The number before the first event that is due. */
  get reached(): number | undefined {
    const [first] = this.#due
    return first && first.seq - 1
  }

  /** Those of its topics that have ended, but for what is due. */
  get ended(): ReadonlySet<Pattern> {
    return this.#ended
  }

  /** How many of the events that are due are signals. */
  get signals(): number {
    return this.#due.filter(({ kind }) => kind === 'signal').length
  }

  push(framed: Framed): void {
    this.#due.push(framed)
    this.#bytes += framed.to - framed.from
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
    const now = this.#take(budget)
    let events = 0
    for (const framed of now) {
      this.mark(framed)
      if (framed.to > framed.from) events++
    }
    if (events === 0) return
    const chunk = joined(now)
    const reached = this.idle ? position : (now.at(-1)?.seq ?? position)
    for (const connection of this.live) {
      const drained = connection.write(chunk, events)
      if (!drained) continue
      connection.cursor = reached
      this.live.delete(connection)
      lag(connection, drained)
    }
  }

  /** The first events within the budget, and always one at least. */
  #take(budget: number): Framed[] {
    if (this.#bytes <= budget) {
      const all = this.#due
      this.#due = []
      this.#bytes = 0
      return all
    }
    let size = 0
    const end = this.#due.findIndex(({ from, to }) => {
      const isOver = size > 0 && size + to - from > budget
      size += to - from
      return isOver
    })
    const some = this.#due.splice(0, end < 0 ? this.#due.length : end)
    for (const { from, to } of some) this.#bytes -= to - from
    return some
  }

  /** Notes that a topic has ended, or goes on. */
  mark({ topic, form }: Framed): void {
    if (form === 'end') {
      if (this.#open.delete(topic)) this.#ended.add(topic)
    } else if (form !== 'stop' && this.#ended.delete(topic)) this.#open.add(topic)
  }
}
