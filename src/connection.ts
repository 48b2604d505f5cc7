import type { Server } from 'bun'
import type { Place } from './admission'
import type { Interest } from './interest'
import type { ConnectionRecord } from './registry'
import { comment, encode, retryHint } from './sse'
import type { Subscriptions } from './subscriptions'
import type { Topic } from './topic'

/** Why a connection ended, as it stands in the registry. */
export type Reason = 'left' | 'stalled' | 'done' | 'drained' | 'closed' | 'failed' | 'revoked'

/** The part of Bun's server that a connection needs. */
export type BunServer = Pick<Server<unknown>, 'timeout' | 'requestIP'>

/** What a connection is opened with. */
export interface Opening {
  interest: Interest
  /** Topics that have ended by the app's word, whatever the log says. */
  ended: readonly Topic[]
  /** Topics that have not, by the same. */
  open: readonly Topic[]
  /** Topics that do not keep it open when all others have ended. */
  aside: readonly Topic[]
  /** Of a page's connection: its addresses, which begin and end one by one. */
  subscriptions?: Subscriptions | undefined
  /** Frames that are sent before anything else. */
  first: readonly string[]
  /** The event id up to which the reader has everything. */
  cursor: string | undefined
  record: ConnectionRecord
  /** Milliseconds. */
  retry: number
  place: Place
  life: Life
}

/** Told of the life of connections. */
export interface Life {
  /** The server begins to send it. */
  opened(connection: Connection): void
  /** It is over, once, if it was opened. */
  ended(connection: Connection, reason: Reason): void
}

/** Bun's own controller of a stream of type `direct`. */
interface DirectController {
  write(bytes: Uint8Array): number | Promise<number>
  flush(): unknown
  end(): unknown
}

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
}

/**
 * One open response.
 *
 * It is a stream of type `direct`: one write takes one chunk that all connections share, and answers with a
 * promise when the kernel takes no more, which resolves when the client reads on *or is gone*. Hence its own
 * `ended`. A connection that takes no more is lagging; it gets nothing, no heartbeat either, until it drains,
 * so the server's idle limit ends it when it is stalled for good.
 */
export class Connection {
  readonly record: ConnectionRecord
  interest: Interest
  readonly subscriptions: Subscriptions | undefined
  readonly place: Place
  readonly endedBefore: readonly Topic[]
  readonly openBefore: readonly Topic[]
  readonly aside: readonly Topic[]
  readonly asked: string | undefined
  /** Everything up to this number has been written, or was not meant for it. */
  cursor = 0
  ended = false
  #opening: string
  #controller: DirectController | undefined
  #life: Life

  constructor({
    interest,
    ended,
    open,
    aside,
    subscriptions,
    first,
    cursor,
    record,
    retry,
    place,
    life,
  }: Opening) {
    this.interest = interest
    this.subscriptions = subscriptions
    this.place = place
    this.#life = life
    this.endedBefore = ended
    this.openBefore = open
    this.aside = aside
    this.asked = cursor
    this.record = record
    this.#opening = retryHint(retry) + comment + first.join('')
    record.events += first.length
  }

  get lagging(): boolean {
    return this.record.state === 'lagging'
  }

  /** The response that opens the connection when the server begins to send it. */
  respond(): Response {
    // It is the stream's source itself, and no promise is kept: an idle connection then costs under 4 KB.
    // The types of the standard do not know Bun's `direct`.
    return new Response(new ReadableStream(this as never), { headers })
  }

  /** @internal For Bun. */
  get type(): 'direct' {
    return 'direct'
  }

  /** @internal For Bun: the server begins to send. Synchronous. */
  pull(controller: DirectController): void {
    if (this.#controller || this.ended) return
    this.#controller = controller
    try {
      this.#life.opened(this)
    } catch (error) {
      this.end('failed')
      throw error
    }
  }

  /** @internal For Bun: the client is gone. */
  cancel(): void {
    this.#over(this.lagging ? 'stalled' : 'left')
  }

  /** The bytes to begin with, once: the retry hint and a comment, which opens the EventSource. */
  takeOpening(): string {
    const opening = this.#opening
    this.#opening = ''
    return opening
  }

  /** Adds to what it begins with, and says whether it has not begun. */
  addToOpening(text: string): boolean {
    if (!this.#opening) return false
    this.#opening += text
    return true
  }

  /**
   * Writes one chunk. A promise says that the connection takes no more until it resolves.
   *
   * @param events how many events the chunk holds, for the counters
   */
  write(chunk: Uint8Array | string, events = 0): Promise<unknown> | undefined {
    if (this.ended || !this.#controller) return undefined
    const bytes = typeof chunk === 'string' ? encode(chunk) : chunk
    if (bytes.byteLength === 0) return undefined
    try {
      const taken = this.#controller.write(bytes)
      this.#controller.flush()
      this.record.events += events
      this.record.bytes += bytes.byteLength
      return taken instanceof Promise ? taken : undefined
    } catch {
      this.#over('left')
      return undefined
    }
  }

  /** Ends the response from this side. */
  end(reason: Reason): void {
    if (this.ended) return
    const controller = this.#controller
    this.#over(reason)
    try {
      controller?.end()
    } catch {
      // It was gone already.
    }
  }

  /** Every way out comes through here, once. */
  #over(reason: Reason): void {
    if (this.ended) return
    this.ended = true
    const wasOpened = this.#controller !== undefined
    this.#controller = undefined
    this.record.state = 'closed'
    this.record.reason = reason
    this.record.seenAt = Date.now()
    if (wasOpened) this.#life.ended(this, reason)
    else this.place.free()
  }
}
