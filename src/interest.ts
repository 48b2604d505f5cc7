import { isPattern, matches, type Pattern, type Topic } from './topic'

/** Answers that are remembered of patterns. */
const remembered = 256

/** What a connection follows. Connections that follow the same share one. */
export class Interest {
  /** All of it as one text; the same text is the same interest. */
  readonly name: string
  readonly topics: readonly Pattern[]
  readonly exact: readonly Topic[]
  readonly patterns: readonly Pattern[]
  readonly #exact: ReadonlySet<string>
  readonly #known = new Map<Topic, boolean>()

  constructor(topics: readonly Pattern[]) {
    this.topics = [...new Set(topics)].sort()
    this.name = this.topics.join('\n')
    this.exact = this.topics.filter((topic) => !isPattern(topic)) as string[] as Topic[]
    this.patterns = this.topics.filter(isPattern)
    this.#exact = new Set(this.exact)
  }

  /** Whether a topic or pattern is one of its own. */
  has(topic: Pattern): boolean {
    return this.#exact.has(topic) || this.patterns.includes(topic)
  }

  /** Whether these are its topics, in its order. */
  is(topics: readonly string[]): boolean {
    return (
      topics.length === this.topics.length && topics.every((topic, i) => topic === this.topics[i])
    )
  }

  /** Whether an event of that topic is to be sent. */
  wants(topic: Topic): boolean {
    if (this.#exact.has(topic)) return true
    if (this.patterns.length === 0) return false
    let wanted = this.#known.get(topic)
    if (wanted === undefined) {
      wanted = this.patterns.some((pattern) => matches(pattern, topic))
      if (this.#known.size >= remembered) this.#known.clear()
      this.#known.set(topic, wanted)
    }
    return wanted
  }
}
