import { asPattern, matches, type Pattern, type Topic } from './topic'

/** How many topics are remembered with what fits them. */
const most = 10_000

/** What counts before what else fits a topic. */
export interface Rank {
  /** The highest counts first, of the same the first declared. @default 0 */
  priority?: number | undefined
}

/** What is declared by pattern, and looked up by topic, in the order in which it counts. */
export class ByPattern<Value> {
  #all: { pattern: Pattern; priority: number; value: Value }[] = []
  #found = new Map<Topic, readonly Value[]>()

  /**
   * @param first before all that have a priority
   * @throws TypeError for a pattern or a priority that is none.
   */
  add(pattern: string, value: Value, { priority = 0 }: Rank = {}, first = false): void {
    if (!Number.isFinite(priority)) {
      throw new TypeError(`Expected a number as the priority of "${pattern}", got ${priority}`)
    }
    const own = first ? Number.POSITIVE_INFINITY : priority
    const lower = this.#all.findIndex((other) => other.priority < own)
    const at = lower < 0 ? this.#all.length : lower
    this.#all.splice(at, 0, { pattern: asPattern(pattern), priority: own, value })
    this.#found.clear()
  }

  /** What fits a topic, what counts most first. */
  of(topic: Topic): readonly Value[] {
    let found = this.#found.get(topic)
    if (!found) {
      found = this.#all.filter(({ pattern }) => matches(pattern, topic)).map(({ value }) => value)
      if (this.#found.size > most) this.#found.clear()
      this.#found.set(topic, found)
    }
    return found
  }
}
