import { Child } from '../child'

/** What is read, each chat by one reader. */
export interface Following {
  port: number
  /** How many. */
  chats: number
  /** How many of them share a connection: that of a page, if it is more than one. */
  each: number
}

/** Tokens that were offered by the clock, counted through all texts. */
export interface Offered {
  /** Microseconds since 1970. */
  began: number
  perSecond: number
  from: number
  /** Without the last. */
  to: number
}

/** What has been counted. */
export interface ChatsTold {
  events: number
  bytes: number
  damaged: number
  /** Connections that were closed. */
  gone: number
  /** Texts that are not what was said, byte for byte. */
  wrong: number
  /** Ages of the tokens since they were due, in milliseconds. */
  p50: number
  p99: number
  oldest: number
}

/**
 * The readers of chats in a process of their own. They are written in JavaScript, for they put texts together; at ten
 * thousand events a second they take a part of a core that is not the server's.
 */
export class Chats {
  readonly #child: Child

  private constructor(child: Child) {
    this.#child = child
  }

  static async start(): Promise<Chats> {
    const child = new Child(`${import.meta.dir}/chat-program.ts`)
    await child.line()
    return new Chats(child)
  }

  /** Opens connections; resolves when all have asked. */
  follow(what: Following): Promise<object> {
    return this.#child.order('follow', what)
  }

  /** Waits until each text has so many tokens, for so many milliseconds at most. */
  until(what: { tokens: number; within: number }): Promise<object> {
    return this.#child.order('until', what)
  }

  /** Events and bytes up to now. */
  count(): Promise<Pick<ChatsTold, 'events' | 'bytes'>> {
    return this.#child.order('count')
  }

  tell(offered: Offered): Promise<ChatsTold> {
    return this.#child.order('tell', offered)
  }

  end(): Promise<void> {
    return this.#child.end()
  }
}
