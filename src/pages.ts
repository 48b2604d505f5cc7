import type { Connection } from './connection'
import type { LogEvent } from './log'
import { doneFrame } from './subscriptions'
import type { Pattern } from './topic'

/** The connections of pages, as far as their addresses end one by one. */
export class Pages {
  #all = new Set<Connection>()
  /** Those with an address that may be over, once all that was before is written. */
  #ending = new Set<Connection>()
  /** Topics that one of them may know as ended. */
  #ended = new Set<Pattern>()

  add(connection: Connection): void {
    this.#all.add(connection)
    this.noteEnded(connection)
  }

  delete(connection: Connection): void {
    this.#ending.delete(connection)
    if (this.#all.delete(connection) && this.#all.size === 0) this.#ended.clear()
  }

  /** Notes what a page knows as ended: it is to be told when one of these goes on. */
  noteEnded({ subscriptions }: Connection): void {
    for (const topic of subscriptions?.ended() ?? []) this.#ended.add(topic)
  }

  /** Notes that a topic has ended, or goes on; pages are told once all that was before is written. */
  mark({ topic, form }: LogEvent): void {
    if (this.#all.size === 0 || form === 'stop') return
    const isEnd = form === 'end'
    if (!isEnd && !this.#ended.delete(topic)) return
    for (const connection of this.#all) {
      if (!connection.interest.has(topic)) continue
      connection.subscriptions?.mark(topic, form)
      if (!isEnd) continue
      this.#ended.add(topic)
      this.#ending.add(connection)
    }
  }

  /**
   * What those are to be told of which an address is over.
   *
   * @param isReady whether a page has been written all; `undefined` if it is told when it has caught up
   */
  *tellings(
    isReady: (connection: Connection) => boolean | undefined,
  ): Generator<[connection: Connection, text: string]> {
    for (const connection of this.#ending) {
      const ready = isReady(connection)
      if (ready === false) continue
      this.#ending.delete(connection)
      const over = (ready && connection.subscriptions?.over()) || []
      if (over.length > 0) yield [connection, doneFrame(over)]
    }
  }
}
