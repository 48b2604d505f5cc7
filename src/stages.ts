import { type Subscription, type Subscriptions, topicsOf } from './subscriptions'
import type { Pattern } from './topic'

/** Addresses of a page that are read from the same number on. */
export interface Stage {
  /** Their own cursor; without end for those that need snapshots. */
  from: number
  subscriptions: Subscription[]
  /** Whether they take part already, and have what was before. */
  isBack: boolean
}

/** How many stages are made of what is asked for at once, beside the last one. */
const most = 32
/** Where those begin that need snapshots. */
const end = Number.POSITIVE_INFINITY

/** An address, and the number that its cursor stands for, if it is one that can be gone on from. */
export interface Beginning {
  subscription: Subscription
  from: number | undefined
}

/**
 * In what order the addresses of a page are read.
 *
 * Each begins at a cursor of its own. The reader goes through the log once, from the earliest cursor on, and takes
 * each up where it begins; for one that is asked for later it goes back, and the others wait where they stand. So
 * the page has everything, of all that it was told take part, up to each event id that it is sent.
 */
export class Stages {
  #all: Subscriptions
  #active: Set<Subscription>
  #stages: Stage[] = []
  #dropped: number

  constructor(all: Subscriptions) {
    this.#all = all
    this.#active = new Set(all.settled)
    this.#dropped = all.dropped
  }

  /** Those that are read now. */
  get active(): Iterable<Subscription> {
    return this.#active
  }

  /** Whether there are any. */
  get isReading(): boolean {
    return this.#active.size > 0
  }

  /** What these name together. */
  get topics(): Pattern[] {
    return topicsOf(this.#active)
  }

  /** The number at which others begin, if there are others; without end where that is the end of the log. */
  get next(): number | undefined {
    return this.#stages[0]?.from
  }

  /**
   * Takes up what was asked for.
   *
   * @param at where the reader stands
   * @returns where it goes on from
   */
  plan(at: number, asked: readonly Beginning[]): number {
    // Who needs snapshots is taken up last, at the end: others show the same topics, and have all that is in them then.
    const byNumber = Map.groupBy(asked, ({ from }) => from ?? end)
    const late = byNumber.get(end)
    if (late) this.#push(end, late)
    byNumber.delete(end)
    const numbers = [...byNumber.keys()].sort((a, b) => a - b)
    // Who begins a little earlier is sent again what it has, and the page knows that: each stage costs.
    const together = Math.ceil(numbers.length / most)
    for (let i = 0; i < numbers.length; i += together) {
      const some = numbers.slice(i, i + together)
      const beginnings = some.flatMap((one) => byNumber.get(one) ?? [])
      this.#push(Math.min(...some), beginnings)
    }
    const first = Math.min(at, ...this.#stages.map(({ from }) => from))
    if (first < at && this.#active.size > 0) {
      const subscriptions = [...this.#active]
      this.#stages.push({ from: at, subscriptions, isBack: true })
      this.#active.clear()
    }
    this.#stages.sort((a, b) => a.from - b.from)
    return first
  }

  #push(from: number, beginnings: readonly Beginning[]): void {
    const subscriptions = beginnings.map(({ subscription }) => subscription)
    this.#stages.push({ from, subscriptions, isBack: false })
  }

  /**
   * The next that begin there, which are read from now on.
   *
   * @param at where the reader stands
   * @param head the end of the log
   */
  enter(at: number, head: number): Stage | undefined {
    const [stage] = this.#stages
    if (!stage || (stage.from > at && (Number.isFinite(stage.from) || at < head))) return undefined
    this.#stages.shift()
    stage.subscriptions = stage.subscriptions.filter((one) => this.#all.has(one))
    for (const one of stage.subscriptions) this.#active.add(one)
    return stage
  }

  /** Has a stage that was entered wait until the end. */
  delay(stage: Stage): void {
    for (const one of stage.subscriptions) this.#active.delete(one)
    this.#stages.push({ ...stage, from: end })
  }

  /** Leaves those out that were dropped, and says whether there were any. */
  leave(): boolean {
    if (this.#dropped === this.#all.dropped) return false
    this.#dropped = this.#all.dropped
    for (const one of this.#active) if (!this.#all.has(one)) this.#active.delete(one)
    return true
  }
}
