import type { Awaitable, Keep, Kind } from './log'
import type { Snapshot } from './replay'
import { asPattern, matches, type Pattern, type Topic } from './topic'

/** Who may follow a topic: holders of a signed address, everybody, or whom the function says. */
export type Guard<Subject extends string = string> =
  | 'signed'
  | 'public'
  | ((request: Request, subject: Subject) => Awaitable<boolean | undefined>)

/** What is declared of the topics that a pattern names. */
export interface TopicOptions {
  /** @default 'log' */
  kind?: Kind | undefined
  /** For kind `log`. @default { count: 1000, age: 86_400_000 } */
  keep?: Partial<Keep> | undefined
  /** @default 'signed' */
  guard?: Guard<Topic> | undefined
  /**
   * Makes the topic as it stands, for who can not be given what was missed.
   * @default the newest state of each key; of kind `log` the newest 200
   */
  snapshot?: Snapshot | undefined
  /** @internal Counts before the app's own declarations. */
  first?: boolean
}

/** What holds for a topic. */
export interface Declaration {
  pattern: Pattern
  kind: Kind
  keep: Keep
  guard: Guard<Topic>
  snapshot: Snapshot | undefined
}

const keepDefault: Keep = { count: 1_000, age: 24 * 60 * 60 * 1_000 }

/** What was declared; that of a manager counts before the app's, and of these the first that fits. */
export class Declarations {
  #all: Declaration[] = []
  #found = new Map<Topic, Declaration>()

  /**
   * @param options.first for the topics of a manager, which no wider pattern may open
   * @throws TypeError for a pattern that is none.
   */
  add(pattern: string, options: TopicOptions): void {
    const at = options.first ? 0 : this.#all.length
    this.#all.splice(at, 0, {
      pattern: asPattern(pattern),
      kind: options.kind ?? 'log',
      keep: { ...keepDefault, ...options.keep },
      guard: options.guard ?? 'signed',
      snapshot: options.snapshot,
    })
    this.#found.clear()
  }

  /** What holds for a topic; of kind `log` and signed where nothing was declared. */
  of(topic: Topic): Declaration {
    let found = this.#found.get(topic)
    if (!found) {
      found = this.#all.find(({ pattern }) => matches(pattern, topic)) ?? {
        pattern: topic,
        kind: 'log',
        keep: keepDefault,
        guard: 'signed',
        snapshot: undefined,
      }
      if (this.#found.size > 10_000) this.#found.clear()
      this.#found.set(topic, found)
    }
    return found
  }
}
