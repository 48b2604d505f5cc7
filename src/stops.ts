import type { Topic } from './topic'

/** What is stopped at this process by a mark in the log, or when the hub closes. */
export class Stops {
  #all = new Map<Topic, Set<Stoppable>>()

  add(topic: Topic, stop: (isClosing: boolean) => void): Stoppable {
    const own = this.#all.get(topic) ?? new Set()
    const made = new Stoppable(stop, () => {
      if (own.delete(made) && own.size === 0) this.#all.delete(topic)
    })
    this.#all.set(topic, own.add(made))
    return made
  }

  /** Tells of a mark. */
  hear(topic: Topic, seq: number): void {
    for (const one of this.#all.get(topic) ?? []) one.hear(seq)
  }

  /** The hub closes. */
  close(): void {
    for (const own of this.#all.values()) for (const { stop } of own) stop(true)
  }
}

/** Something that has begun at a point of the log: only marks behind that are meant for it. */
export class Stoppable {
  readonly stop: (isClosing: boolean) => void
  /** It is over. */
  readonly release: () => void
  #begunAt: number | undefined
  /** The newest mark of before it was known where it has begun. */
  #early = Number.NEGATIVE_INFINITY

  constructor(stop: (isClosing: boolean) => void, release: () => void) {
    this.stop = stop
    this.release = release
  }

  /** It has begun with this number. */
  begin(seq: number): void {
    this.#begunAt = seq
    this.hear(this.#early)
  }

  hear(seq: number): void {
    if (this.#begunAt === undefined) this.#early = Math.max(this.#early, seq)
    else if (seq > this.#begunAt) this.stop(false)
  }
}
