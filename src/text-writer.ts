import { Compactions } from './compactions'
import type { Html } from './html'
import type { Hub } from './hub'
import type { Compacted } from './log/contract'
import { type Whole, wholeOf, wholePiece } from './text-wire'
import type { Topic } from './topic'
import { type EventId, eventId } from './wire'

/** More than a text has pieces, and still a whole number to every driver. */
const everything = 2 ** 31 - 1
/** So many pieces are replaced by one when they are as long as what they are added to, divided by eight; these in any case. */
const some = 256
const most = 2_000
/** What of a short text is not worth it, in characters. */
const little = 64 * 1024

/**
 * Writes the pieces of a text to the log, and has them replaced there by one that sets the whole, now and then: more
 * seldom the longer the text is, so that the work is as much as the text.
 */
export class TextWriter {
  #hub: Hub
  #topic: Topic
  /** Pieces in the log since they were replaced, and their characters. */
  #pieces = 0
  #length = 0
  /** Characters of the text when its pieces were replaced. */
  #base = 0

  constructor(hub: Hub, topic: Topic) {
    this.#hub = hub
    this.#topic = topic
  }

  /** @throws RangeError where the text would become longer than an event may be: who comes later gets it as one. */
  mayTake(length: number): void {
    const { event } = this.#hub.limits
    if (this.#base + this.#length + length <= event) return
    throw new RangeError(
      `Expected the text of "${this.#topic}" to have at most ${event} characters (limits.event); begin another one`,
    )
  }

  /**
   * Appends a piece; resolves when it is kept. A failure is reported, whether anybody waits for it or not.
   *
   * @param options.isAll whether it takes the place of everything before
   * @param options.isLast whether there may be no more for a while
   */
  async write(piece: Html, { isAll = false, isLast = false } = {}): Promise<void> {
    this.#pieces++
    this.#length += piece.length
    if (isAll) [this.#base, this.#length] = [0, piece.length]
    const entry = { topic: this.#topic, kind: 'log', form: 'text', key: null } as const
    try {
      await this.#hub.append(entry, piece)
    } catch (error) {
      if (!this.#hub.isClosed) this.#hub.report(error, this.#topic)
      throw error
    }
    if (isLast || this.#isDue()) compactionsOf(this.#hub).add(this)
  }

  /** The text as it stands, and the cursor that goes with exactly that. */
  async read(): Promise<{ whole: Whole; cursor: EventId }> {
    const { log } = this.#hub
    // Before the reading: what is appended meanwhile must not lie behind it.
    const head = log.head()
    const pieces = await log.last(this.#topic, everything)
    const cursor = eventId(log.epoch, pieces.at(-1)?.seq ?? head)
    return { whole: wholeOf(pieces), cursor }
  }

  /** The block that may still change, by a log that answers at once. */
  open(): Html | undefined {
    const pieces = this.#hub.log.last(this.#topic, everything)
    return pieces instanceof Promise ? undefined : wholeOf(pieces).open
  }

  #isDue(): boolean {
    if (this.#pieces >= most || this.#length >= 4 * Math.max(this.#base, little)) return true
    return this.#pieces >= some && this.#length * 8 >= this.#base
  }

  /** What takes the place of its pieces, if there are several. */
  async compacted(): Promise<Compacted | undefined> {
    const pieces = await this.#hub.log.last(this.#topic, everything)
    const newest = pieces.at(-1)
    if (newest?.form !== 'text' || pieces.length === 1) return undefined
    const data = wholePiece(this.#topic, wholeOf(pieces))
    this.#pieces = 1
    this.#base = data.length
    this.#length = 0
    return { topic: this.#topic, upTo: newest.seq, data }
  }
}

/** Those of each hub. */
const compactions = new WeakMap<Hub, Compactions>()

function compactionsOf(hub: Hub): Compactions {
  const own = compactions.get(hub) ?? new Compactions(hub)
  compactions.set(hub, own)
  return own
}
