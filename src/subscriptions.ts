/**
 * What the connection of a page follows: many addresses, each taken up, ended and dropped by itself.
 *
 * A page with a hundred live elements has one connection. Each of its addresses was signed and guarded apart, begins
 * at a cursor of its own, and is told when it is over; the page names it by an id that it has chosen.
 */
import type { Form } from './log/contract'
import { frame } from './sse'
import { expressionOf, matches, type Pattern, type Topic } from './topic'

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
  #asked = new Set<Subscription>()
  #settled = new Set<Subscription>()
  /** How many of them name a topic. */
  #counts = new Map<Pattern, number>()
  /** Topics that have ended by the log. */
  #ended = new Set<Pattern>()
  /** Whether a topic of one of them has ended by the app's word, until something is appended that counts more. */
  #words = new Map<Subscription, Map<Pattern, boolean>>()
  /** Counts the times that some were dropped. */
  dropped = 0

  get size(): number {
    return this.#all.size
  }

  /** Whether some were added that nobody has taken yet. */
  get isAsked(): boolean {
    return this.#asked.size > 0
  }

  /** Those that take part, and have had everything once. */
  get settled(): ReadonlySet<Subscription> {
    return this.#settled
  }

  /** All that they name together. */
  topics(): Pattern[] {
    return [...this.#counts.keys()]
  }

  /** What the others name together. */
  topicsBut(some: readonly Subscription[]): Pattern[] {
    const counts = new Map(this.#counts)
    for (const one of some) for (const topic of one.topics) count(counts, topic, -1)
    return [...counts.keys()]
  }

  /** Those of their topics that may still change, for one of them at least; a pattern always may. */
  open(): Pattern[] {
    if (this.#words.size === 0) return this.topics().filter((topic) => !this.#ended.has(topic))
    const open = new Set<Pattern>()
    for (const one of this.#all.values()) {
      for (const topic of one.topics) if (!this.#hasEnded(one, topic)) open.add(topic)
    }
    return [...open]
  }

  /** Topics that one of them may know as ended. */
  *ended(): Generator<Pattern> {
    yield* this.#ended
    for (const words of this.#words.values()) yield* words.keys()
  }

  /** Adds some; they take part once they are {@link take}n. */
  add(subscriptions: readonly Subscription[]): void {
    for (const one of subscriptions) {
      this.#all.set(one.id, one)
      this.#asked.add(one)
      for (const topic of one.topics) count(this.#counts, topic, 1)
      const words = new Map<Pattern, boolean>()
      for (const topic of one.topics) {
        if (includes(one.ended, topic)) words.set(topic, true)
        else if (includes(one.open, topic)) words.set(topic, false)
      }
      if (words.size > 0) this.#words.set(one, words)
    }
  }

  /** Those that were added since the last time, and are still there. */
  take(): Subscription[] {
    const asked = [...this.#asked]
    this.#asked.clear()
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
  drop(ids: Iterable<string>): void {
    for (const id of ids) {
      const one = this.#all.get(id)
      if (!one) continue
      this.#all.delete(id)
      this.#asked.delete(one)
      this.#settled.delete(one)
      this.#words.delete(one)
      for (const topic of one.topics) {
        count(this.#counts, topic, -1)
        if (!this.#counts.has(topic)) this.#ended.delete(topic)
      }
      this.dropped++
    }
  }

  /** Drops those for which there is a reason to refuse them. */
  refuse(status: number, reasonFor: (subscription: Subscription) => string | undefined): Refused[] {
    const refused: Refused[] = []
    for (const one of this.#all.values()) {
      const reason = reasonFor(one)
      if (reason) refused.push({ id: one.id, status, reason })
    }
    this.drop(refused.map(({ id }) => id))
    return refused
  }

  /**
   * Some take part and have everything up to now.
   *
   * @param ended those of all topics that have ended by the log
   */
  settle(subscriptions: Iterable<Subscription>, ended: ReadonlySet<Pattern>): void {
    for (const one of subscriptions) if (this.has(one)) this.#settled.add(one)
    this.#ended = new Set(this.topics().filter((topic) => ended.has(topic)))
  }

  /** Whether one that takes part names a topic. */
  isSettled(topic: Topic): boolean {
    for (const { topics } of this.#settled) {
      if (topics.some((one) => matches(one, topic))) return true
    }
    return false
  }

  /** Notes that a topic has ended, or that it goes on. */
  mark(topic: Topic, form: Form): void {
    if (!this.#counts.has(topic)) return
    if (form === 'end') this.#ended.add(topic)
    else this.#ended.delete(topic)
    for (const words of this.#words.values()) words.delete(topic)
  }

  /** The ids of those whose every topic has ended; they are dropped. */
  over(): string[] {
    const isOver = (one: Subscription) =>
      one.topics.every((topic) => this.#hasEnded(one, topic) || includes(one.aside, topic))
    const ids = [...this.#settled].filter(isOver).map(({ id }) => id)
    this.drop(ids)
    return ids
  }

  #hasEnded(one: Subscription, topic: Pattern): boolean {
    return this.#words.get(one)?.get(topic) ?? this.#ended.has(topic)
  }
}

function count(counts: Map<Pattern, number>, topic: Pattern, by: 1 | -1): void {
  const next = (counts.get(topic) ?? 0) + by
  if (next > 0) counts.set(topic, next)
  else counts.delete(topic)
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

/** Tells the page which addresses take part from here on, and what each is sent, as a regular expression of topics. */
export function followFrame(subscriptions: readonly Subscription[]): string {
  const list = subscriptions.map(({ id, topics, ended }) => {
    return [id, expressionOf([...topics, ...(ended as readonly string[] as Pattern[])])]
  })
  return frame({ event: 'hw:follow', data: JSON.stringify(list) })
}

/** Tells the page of which addresses every topic has ended. */
export function doneFrame(ids: readonly string[]): string {
  return frame({ event: 'hw:done', data: JSON.stringify(ids) })
}

/** Tells the page which addresses it may not follow. */
export function refusedFrame(refused: readonly Refused[]): string {
  return frame({ event: 'hw:refused', data: JSON.stringify(refused) })
}
