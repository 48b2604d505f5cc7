import type { Delivery } from './delivery'
import type { Interest } from './interest'
import type { Limits } from './limits'
import type { Awaitable, Log } from './log'
import { all, then } from './log/awaitable'
import type { Declared } from './snapshots'
import type { Topic } from './topic'
import { seqOf } from './wire'

/** Says what a cursor is good for, and for which topics it is not. */
export class Missing {
  #log: Log
  #delivery: Delivery
  #limits: Limits
  #declared: Declared

  constructor(options: { log: Log; delivery: Delivery; limits: Limits; declared: Declared }) {
    this.#log = options.log
    this.#delivery = options.delivery
    this.#limits = options.limits
    this.#declared = options.declared
  }

  /** The number that a cursor stands for; nothing if there is no going on from it. */
  numberOf(cursor: string | undefined): number | undefined {
    const number = seqOf(cursor, this.#log.epoch)
    if (number === undefined) return undefined
    // Heard now: what another process has appended may be on the page already, and must not come as if it were new.
    const newest = this.#log.head()
    return (this.#log.knows?.(number) ?? number <= newest) ? number : undefined
  }

  /** The topics whose snapshot a reader needs that goes on from there, or begins. */
  of(interest: Interest, cursor: number | undefined): Awaitable<readonly Topic[]> {
    if (cursor === undefined) return this.#everyTopic(interest)
    return this.#beyondReplay(interest, cursor)
  }

  /** States last: what was added to a page, as it was then, must not stand over the state of today. */
  inOrder(topics: readonly Topic[]): Topic[] {
    const rank = (topic: Topic) => (this.#declared(topic).kind === 'state' ? 1 : 0)
    return topics.toSorted((a, b) => rank(a) - rank(b))
  }

  /** The topics that a cursor is no help for: texts, trimmed behind it, or with too many events after it. */
  #beyondReplay(interest: Interest, cursor: number): Awaitable<Topic[]> {
    const limit = this.#limits.replay
    return then(this.#unreplayable(interest, cursor), (trimmed) => {
      // There are not more events than numbers.
      if (this.#delivery.position - cursor <= limit) return trimmed
      return then(this.#count(interest, cursor), (count) => {
        if (count <= limit) return trimmed
        return then(this.#everyTopic(interest), async (all) => {
          const long = [...trimmed]
          for (const topic of all) {
            if (this.#declared(topic).kind === 'state') continue
            if ((await this.#count(interest, cursor, topic)) > limit) long.push(topic)
          }
          return long
        })
      })
    })
  }

  /** Trimmed, or a text, whose pieces are no use to who may have another one on the page. */
  #unreplayable({ topics }: Interest, cursor: number): Awaitable<Topic[]> {
    return then(this.#log.trimmed(topics, cursor), (trimmed) =>
      then(this.#log.texts(topics, cursor), (texts) =>
        texts.length > 0 ? [...new Set([...trimmed, ...texts])] : trimmed,
      ),
    )
  }

  /** How many events a reader lacks, in one topic or all; one more than are replayed at the most. */
  #count(interest: Interest, after: number, topic?: Topic): Awaitable<number> {
    const limit = this.#limits.replay + 1
    const { ring } = this.#delivery
    if (ring.covers(after)) return ring.count(interest, after, limit, topic)
    return this.#log.count({ topics: topic ? [topic] : interest.topics, after, limit })
  }

  #everyTopic({ exact, patterns }: Interest): Awaitable<readonly Topic[]> {
    if (patterns.length === 0) return exact
    return then(all(patterns.map((pattern) => this.#log.topics(pattern))), (found) => [
      ...new Set([...exact, ...found.flat()]),
    ])
  }
}
