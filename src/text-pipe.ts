import type { Hub } from './hub'
import type { Stoppable } from './stops'
import { readUntil, type TextSource } from './text-source'
import type { Topic } from './topic'

/** How piping went. */
export interface Piped {
  /** All that came. */
  text: string
  outcome: 'done' | 'stopped' | 'failed'
  /** Of a source that failed. */
  error?: unknown
}

/** The text that a source is piped to. */
export interface PipeTarget {
  hub: Hub
  topic: Topic
  /** Resolves with the number in the log at which it has begun. */
  begin(): Promise<number>
  /** @throws RangeError when it becomes too long. */
  add(text: string): void
  stop(): Promise<void>
  /** @param isNews whether nobody has reported the error yet */
  fail(error: unknown, isNews: boolean): Promise<void>
  done(): Promise<void>
}

/** For how long a source may be read in one turn, in milliseconds. */
const turn = 8

/** A source on its way into a text. */
export class Pipe {
  #target: PipeTarget
  #abort = new AbortController()
  #stopped: Promise<void> | undefined
  #hasBegun = false
  /** Whether its source has no more: nothing is left to stop. */
  #isRead = false

  constructor(target: PipeTarget) {
    this.#target = target
  }

  /** Stops it at once, for a hub that closes waits for nothing. */
  stop(): void {
    if (this.#isRead) return
    this.#stopped ??= this.#target.stop()
    this.#abort.abort()
  }

  /** Reads a source to its end. */
  async run(source: TextSource, signal: AbortSignal | undefined): Promise<Piped> {
    const { hub, topic } = this.#target
    const piped: Piped = { text: '', outcome: 'done' }
    const stop = () => this.stop()
    const stoppable = hub.stops.add(topic, stop)
    signal?.addEventListener('abort', stop)
    if (signal?.aborted) stop()
    try {
      await this.#read(source, piped, stoppable)
    } catch (error) {
      if (!this.#stopped && !hub.isClosed) return this.#fail(piped, error, this.#hasBegun)
    } finally {
      this.#isRead = true
      stoppable.release()
      signal?.removeEventListener('abort', stop)
    }
    // What was not kept of it was reported.
    await this.#stopped?.catch(() => {})
    if (this.#stopped || hub.isClosed) return { ...piped, outcome: 'stopped' }
    try {
      await this.#target.done()
      return piped
    } catch (error) {
      return this.#fail(piped, error, false)
    }
  }

  async #read(source: TextSource, piped: Piped, stoppable: Stoppable): Promise<void> {
    if (this.#stopped) return
    stoppable.begin(await this.#target.begin())
    this.#hasBegun = true
    let from = performance.now()
    for await (const chunk of readUntil(this.#abort.signal, source)) {
      if (this.#stopped) return
      piped.text += chunk
      this.#target.add(chunk)
      // A source that is never waited for lets nobody else have a turn.
      if (performance.now() - from < turn) continue
      await new Promise(setImmediate)
      from = performance.now()
    }
  }

  async #fail(piped: Piped, error: unknown, isNews: boolean): Promise<Piped> {
    // Some sources hear of nothing else.
    this.#abort.abort()
    await this.#target.fail(error, isNews)
    return { ...piped, outcome: 'failed', error }
  }
}
