import { type Compactable, Compactions } from './compactions'
import type { Html } from './html'
import type { Hub } from './hub'
import type { LogEvent } from './log'
import { type Compacted, everything } from './log/contract'
import { perHub } from './per-hub'
import { shown, type Whole, wholeOf, wholePiece } from './text-wire'
import type { Topic } from './topic'
import { type EventId, eventId, seqOf } from './wire'

/** So many pieces are replaced by one when they are as long as what they are added to, divided by eight; these in any case. */
const some = 256
const most = 2_000
/** What of a short text is not worth it, in characters. */
const little = 64 * 1024
/** So many deletions, each of which is a pass over the text. */
const deletions = 32

/** What a piece does to its text. */
export interface WriteOptions {
  /** By how many characters the text grows. @default 0 */
  size?: number
  /** Whether it takes the place of everything before. @default false */
  isAll?: boolean
  /** Whether it looks for what to delete. @default false */
  isDelete?: boolean
  /** Whether there may be no more for a while. @default false */
  isLast?: boolean
}

/**
 * Writes the pieces of a text to the log, and has them replaced there by one that sets the whole, now and then: more
 * seldom the longer the text is, so that the work is as much as the text.
 */
export class TextWriter implements Compactable {
  #hub: Hub
  #topic: Topic
  /** Pieces in the log since they were replaced, their characters, and how many of them delete. */
  #pieces = 0
  #length = 0
  #deletions = 0
  /** Those of them that are about to become one. */
  #compacting = none
  /** Characters of the text when its pieces were replaced. */
  #base = 0
  /** Characters of the text; not known before somebody asks, and when a piece was not kept. */
  #size: number | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** @throws TypeError for a topic that is not of kind `log`. */
  constructor(hub: Hub, topic: Topic) {
    const kind = hub.kindOf(topic)
    if (kind !== 'log') {
      throw new TypeError(`Expected "${topic}" to be of kind log, as texts are, got ${kind}`)
    }
    this.#hub = hub
    this.#topic = topic
  }

  /**
   * @param isAll whether it is to take the place of everything
   * @throws RangeError where the text would become longer than an event may be: who comes later gets it as one.
   */
  mayTake(length: number, isAll: boolean): void {
    const { event } = this.#hub.limits
    if ((isAll ? 0 : this.#sizeNow()) + length <= event) return
    throw new RangeError(
      `Expected the text of "${this.#topic}" to have at most ${event} characters (limits.event); begin another one`,
    )
  }

  /**
   * Appends a piece; resolves with its number when it is kept. A failure is reported, whether anybody waits for it or not.
   */
  write(piece: Html, options: WriteOptions = {}): Promise<number> {
    const written = this.#write(piece, options)
    this.#last = written.catch(() => {})
    return written
  }

  /** The text as it stands with all that was written here, and the cursor that goes with exactly that. */
  async read(): Promise<{ whole: Whole; cursor: EventId }> {
    await this.#last
    const { log } = this.#hub
    // Before the reading: what is appended meanwhile must not lie behind it.
    const head = log.head()
    const pieces = await log.last(this.#topic, everything)
    const cursor = eventId(log.epoch, pieces.at(-1)?.seq ?? head)
    return { whole: wholeOf(pieces), cursor }
  }

  /** What was kept is there no more. */
  missed(): void {
    this.#size = undefined
    this.#pieces = this.#length = this.#deletions = this.#base = 0
    this.#compacting = none
  }

  /** What takes the place of its pieces, if there are several. */
  async compacted(): Promise<Compacted | undefined> {
    const pieces = (await this.#hub.log.last(this.#topic, everything)).filter(
      ({ form }) => form === 'text',
    )
    const newest = pieces.at(-1)
    if (!newest || pieces.length === 1) return undefined
    const whole = wholeOf(pieces)
    const data = wholePiece(this.#topic, whole)
    this.#compacting = { pieces: this.#pieces, length: this.#length, deletions: this.#deletions }
    this.#base = data.length
    // Deletions make it shorter.
    if (this.#size !== undefined) this.#size = Math.min(this.#size, shown(whole).length)
    return { topic: this.#topic, upTo: newest.seq, data }
  }

  /** They have become one; what was written meanwhile has not. */
  wasCompacted(): void {
    const { pieces, length, deletions } = this.#compacting
    this.#pieces -= pieces - 1
    this.#length -= length
    this.#deletions -= deletions
  }

  async #write(piece: Html, { size = 0, isAll, isDelete, isLast }: WriteOptions): Promise<number> {
    if (isAll) this.#size = size
    else if (this.#size !== undefined) this.#size += size
    this.#pieces++
    this.#length += piece.length
    if (isDelete) this.#deletions++
    const entry = { topic: this.#topic, kind: 'log', form: 'text', key: null } as const
    let id: EventId | undefined
    try {
      id = await this.#hub.append(entry, piece)
    } catch (error) {
      this.#size = undefined
      this.#report(error)
      throw error
    }
    if (isLast || this.#isDue()) compactionsOf(this.#hub).add(this)
    const { log } = this.#hub
    // A middleware may drop it.
    return seqOf(id, log.epoch) ?? log.head()
  }

  /** What is kept already may be of a process before this one; of a log that answers later it counts when that has. */
  #sizeNow(): number {
    if (this.#size === undefined) {
      this.#size = 0
      this.#learn()
    }
    return this.#size
  }

  #learn(): void {
    const { log } = this.#hub
    if (this.#hub.isClosed) return
    const head = log.head()
    const count = (pieces: LogEvent[]) => {
      const before = pieces.filter(({ seq }) => seq <= head)
      if (this.#size !== undefined) this.#size += shown(wholeOf(before)).length
    }
    try {
      const pieces = log.last(this.#topic, everything)
      if (pieces instanceof Promise) pieces.then(count).catch((error) => this.#report(error))
      else count(pieces)
    } catch (error) {
      this.#report(error)
    }
  }

  #report(error: unknown): void {
    if (!this.#hub.isClosed) this.#hub.report(error, this.#topic)
  }

  #isDue(): boolean {
    if (this.#pieces >= most || this.#deletions >= deletions) return true
    if (this.#length >= 4 * Math.max(this.#base, little)) return true
    return this.#pieces >= some && this.#length * 8 >= this.#base
  }
}

/** Of which nothing is taken off. */
const none = { pieces: 1, length: 0, deletions: 0 }

const compactionsOf = perHub((hub) => new Compactions(hub))
