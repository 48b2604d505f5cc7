/**
 * What the connection of a page follows: many addresses, each taken up, ended and dropped by itself.
 *
 * A page with a hundred live elements has one connection. Each of its addresses was signed and guarded apart, begins
 * at a cursor of its own, and is told when it is over; the page names it by an id that it has chosen.
 */
import type { Form } from './log/contract'
import { frame } from './sse'
import type { Pattern, Topic } from './topic'

/** One address that a page follows, access having been granted. */
export interface Subscription {
  readonly id: string
  readonly topics: readonly Pattern[]
  /** Topics that have ended by the app's word, whatever the log says. */
  readonly ended: readonly Topic[]
  /** Topics that have not, by the same. */
  readonly open: readonly Topic[]
  /** Topics that do not keep it from being over. */
  readonly aside: readonly Topic[]
  /** Frames that it is sent first. */
  readonly first: readonly string[]
  /** The event id up to which the page has everything of it. */
  readonly cursor: string | undefined
}

/** An address that may not be followed, and why. */
export interface Refused {
  id: string
  status: number
  /** One sentence that says what to do. */
  reason: string
}

/** The addresses of one connection. */
export class Subscriptions {
  #all = new Map<string, Subscription>()
  #asked: Subscription[] = []
  /** Those that take part, and have had everything once. */
  #settled = new Set<Subscription>()
  /** Topics that have ended. */
  #ended = new Set<Pattern>()
  /** Counts the times that some were dropped. */
  dropped = 0

  get size(): number {
    return this.#all.size
  }

  /** All that they name together. */
  get topics(): Pattern[] {
    return topicsOf(this.#all.values())
  }

  /** What the others name together. */
  topicsBut(some: readonly Subscription[]): Pattern[] {
    const without = new Set(some)
    return topicsOf([...this.#all.values()].filter((one) => !without.has(one)))
  }

  /** Those of their topics that may still change; a pattern always may. */
  get open(): Pattern[] {
    return this.topics.filter((topic) => !this.#ended.has(topic))
  }

  /** Those that take part, and have had everything once. */
  get settled(): ReadonlySet<Subscription> {
    return this.#settled
  }

  /** Those of their topics that have ended. */
  get ended(): ReadonlySet<Pattern> {
    return this.#ended
  }

  /** Whether some were added that nobody has taken yet. */
  get isAsked(): boolean {
    return this.#asked.length > 0
  }

  /** Adds some; they take part once they are {@link take}n. */
  add(subscriptions: readonly Subscription[]): void {
    for (const one of subscriptions) {
      this.#all.set(one.id, one)
      // The app's word is of now: what is appended from here on counts more.
      for (const topic of one.topics) {
        if (includes(one.ended, topic)) this.#ended.add(topic)
        else if (includes(one.open, topic)) this.#ended.delete(topic)
      }
    }
    this.#asked.push(...subscriptions)
  }

  /** Those that were added since the last time, and are still there. */
  take(): Subscription[] {
    const asked = this.#asked.filter((one) => this.has(one))
    this.#asked = []
    return asked
  }

  has(subscription: Subscription): boolean {
    return this.#all.get(subscription.id) === subscription
  }

  /** Whether an id is in use. */
  knows(id: string): boolean {
    return this.#all.has(id)
  }

  /** Drops those with these ids; of others it knows nothing. */
  drop(ids: readonly string[]): void {
    for (const id of ids) {
      const one = this.#all.get(id)
      if (!one) continue
      this.#all.delete(id)
      this.#settled.delete(one)
      this.dropped++
    }
    if (this.#ended.size > 0) this.#ended = this.#ended.intersection(new Set(this.topics))
  }

  /** Drops those for which there is a reason to refuse them. */
  refuse(reasonFor: (subscription: Subscription) => string | undefined): Refused[] {
    const refused: Refused[] = []
    for (const one of this.#all.values()) {
      const reason = reasonFor(one)
      if (reason) refused.push({ id: one.id, status: 403, reason })
    }
    this.drop(refused.map(({ id }) => id))
    return refused
  }

  /**
   * Some have had everything up to now.
   *
   * @param ended those of the topics that have ended by the log; where the app has said something that counts more
   */
  settle(subscriptions: Iterable<Subscription>, ended: ReadonlySet<Pattern>): void {
    const known = new Set(topicsOf(this.#settled))
    for (const one of subscriptions) {
      if (!this.has(one) || this.#settled.has(one)) continue
      this.#settled.add(one)
      for (const topic of one.topics) {
        const isSaid = includes(one.ended, topic) || includes(one.open, topic)
        if (isSaid || known.has(topic)) continue
        if (ended.has(topic)) this.#ended.add(topic)
        else this.#ended.delete(topic)
      }
    }
  }

  /** Notes that a topic has ended, or that it goes on. */
  mark(topic: Topic, form: Form): void {
    if (form === 'end') this.#ended.add(topic)
    else this.#ended.delete(topic)
  }

  /** The ids of those whose every topic has ended; they are dropped. */
  over(): string[] {
    const isOver = ({ topics, aside }: Subscription) =>
      topics.every((topic) => this.#ended.has(topic) || includes(aside, topic))
    const ids = [...this.#settled].filter(isOver).map(({ id }) => id)
    this.drop(ids)
    return ids
  }
}

function includes(topics: readonly Topic[], topic: Pattern): boolean {
  return (topics as readonly string[]).includes(topic)
}

/** What some name together. */
export function topicsOf(subscriptions: Iterable<Subscription>): Pattern[] {
  const topics = new Set<Pattern>()
  for (const one of subscriptions) for (const topic of one.topics) topics.add(topic)
  return [...topics]
}

/** Tells the page its connection, and after how many milliseconds without a word it is cut off. */
export function openFrame(connection: string, heartbeat: number): string {
  return frame({ event: 'hw:open', data: JSON.stringify({ connection, heartbeat }) })
}

/** Tells the page which addresses take part from here on. */
export function followFrame(ids: readonly string[]): string {
  return frame({ event: 'hw:follow', data: JSON.stringify(ids) })
}

/** Tells the page of which addresses every topic has ended. */
export function doneFrame(ids: readonly string[]): string {
  return frame({ event: 'hw:done', data: JSON.stringify(ids) })
}

/** Tells the page which addresses it may not follow. */
export function refusedFrame(refused: readonly Refused[]): string {
  return frame({ event: 'hw:refused', data: JSON.stringify(refused) })
}
