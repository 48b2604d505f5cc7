import type { Awaitable, Keep, Kind } from './log'
import { ByPattern, type Rank } from './patterns'
import type { Snapshot } from './snapshots'
import type { Topic } from './topic'

/** Who may follow a topic: holders of a signed address, everybody, or whom the function says. */
export type Guard<Subject = string> =
  | 'signed'
  | 'public'
  | ((request: Request, subject: Subject) => Awaitable<boolean | undefined>)

/** What is declared of the topics that a pattern names. */
export interface TopicOptions extends Rank {
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
}

/** What holds for a topic. */
export interface Declaration {
  kind: Kind
  keep: Keep
  guard: Guard<Topic>
  snapshot: Snapshot | undefined
  /** What HTML is that is published to it: of a manager's kind `log` an item, which replaces itself in a replay. */
  form: 'slot' | 'item'
  /** The key of what is published without one. */
  key: string | null
}

/** The key of a manager's states: of each there is one value. */
export const stateKey = 'state'

const keepDefault: Keep = { count: 1_000, age: 24 * 60 * 60 * 1_000 }

const kinds: readonly Kind[] = ['log', 'state', 'signal']

const undeclared = declarationOf({}, false)

/**
 * What was declared: of several that fit a topic the one with the highest priority counts, then the first. A
 * manager's own counts before all, so that no wider pattern may open its topics.
 */
export class Declarations {
  #declared = new ByPattern<Declaration>()

  /**
   * @param own whether it is a manager's
   * @throws TypeError for a pattern, a priority or another option that is none.
   */
  add(pattern: string, options: TopicOptions, own = false): void {
    const fault = faultOf(options)
    if (fault) throw new TypeError(`Expected ${fault} for "${pattern}"`)
    this.#declared.add(pattern, declarationOf(options, own), options, own)
  }

  /** What holds for a topic; of kind `log` and signed where nothing was declared. */
  of(topic: Topic): Declaration {
    return this.#declared.of(topic)[0] ?? undeclared
  }
}

/**
 * The key that an app gives, as text.
 *
 * @throws TypeError for one that is Headwater's own: what is published with it would end the topic.
 */
export function keyOf(key: string | number | undefined): string | undefined {
  if (key === undefined) return undefined
  const text = String(key)
  if (!text.startsWith('hw:')) return text
  throw new TypeError(`Expected a key that does not begin with hw:, got "${text}"`)
}

function declarationOf(options: TopicOptions, own: boolean): Declaration {
  const { kind = 'log', keep, guard = 'signed', snapshot } = options
  return {
    kind,
    keep: { ...keepDefault, ...keep },
    guard,
    snapshot,
    form: own && kind === 'log' ? 'item' : 'slot',
    key: kind !== 'state' ? null : own ? stateKey : '',
  }
}

/** A guard with a typing error must not open what it was to close. */
function faultOf({ kind, keep, guard }: TopicOptions): string | undefined {
  const { count = 1, age = 1 } = keep ?? {}
  if (kind !== undefined && !kinds.includes(kind)) return `kind log, state or signal, got ${kind}`
  if (!Number.isSafeInteger(count) || count < 1) return `to keep a number of events, got ${count}`
  if (!(age > 0)) return `to keep events for milliseconds above 0, got ${age}`
  const isGuard = guard === undefined || guard === 'signed' || guard === 'public'
  if (!isGuard && typeof guard !== 'function')
    return `guard signed, public or a function, got ${guard}`
  return undefined
}
