import { type Subscription, type Subscriptions, topicsOf } from './subscriptions'
import type { Pattern } from './topic'

/** Addresses of a page that are read from the same number on. */
export interface Stage {
  from: number
  subscriptions: Subscription[]
  /** Whether the number is their own cursor; else they need snapshots. */
  isKnown: boolean
  /** Whether they take part already, and have what was before. */
  isBack: boolean
}

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

  /** What these name together. */
  get topics(): Pattern[] {
    return topicsOf(this.#active)
  }

  /** The number at which others begin, if there are others. */
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
    // Who needs snapshots anyway is taken up last.
    const last = this.#stages.at(-1)?.from ?? at
    const byNumber = Map.groupBy(asked, ({ from }) => from)
    for (const [from, beginnings] of byNumber) {
      const subscriptions = beginnings.map(({ subscription }) => subscription)
      const isKnown = from !== undefined
      this.#stages.push({ from: from ?? last, subscriptions, isKnown, isBack: false })
    }
    const first = Math.min(at, ...this.#stages.map(({ from }) => from))
    if (first < at && this.#active.size > 0) {
      const subscriptions = [...this.#active]
      this.#stages.push({ from: at, subscriptions, isKnown: true, isBack: true })
      this.#active.clear()
    }
    this.#stages.sort((a, b) => a.from - b.from)
    return first
  }

  /** The next that begin at that number, which are read from now on. */
  enter(at: number): Stage | undefined {
    const [stage] = this.#stages
    if (!stage || stage.from > at) return undefined
    this.#stages.shift()
    stage.subscriptions = stage.subscriptions.filter((one) => this.#all.has(one))
    for (const one of stage.subscriptions) this.#active.add(one)
    return stage
  }

  /** Leaves those out that were dropped, and says whether there were any. */
  leave(): boolean {
    if (this.#dropped === this.#all.dropped) return false
    this.#dropped = this.#all.dropped
    for (const one of this.#active) if (!this.#all.has(one)) this.#active.delete(one)
    return true
  }
}
