import { Child } from '../child'

/** Connections to be opened. */
export interface Opening {
  port: number
  count: number
  /** One after the other, and again from the first. */
  paths: string[]
  /** The `Last-Event-ID` of each. */
  ids?: string[]
  /** The number of the event that each has. @default 0 */
  lasts?: number[]
  /** Whether they connect, and ask only when they are released. @default false */
  held?: boolean
  /** The kernel's buffer for what is received, in bytes. @default the usual one */
  receive?: number
}

/** Readers by the order in which they were opened, from 0 on, without the last. */
export interface Places {
  from: number
  to: number
}

/** How slow readers read: so many bytes every so many milliseconds. */
export interface Sips {
  bytes: number
  every: number
}

/** What has been counted since the begin. */
export interface Told {
  opened: number
  /** Refused or cut. */
  gone: number
  events: number
  bytes: number
  /** Numbers that were left out. */
  lost: number
  /** Events that came again, or after a later one. */
  doubled: number
  /** Events that are not as they were published. */
  damaged: number
  /** When the last came, in microseconds since 1970. */
  lastAt: number
  /** Ages of the events since the last telling, in milliseconds: of half of them at most, of 99 %, of all. */
  p50: number
  p99: number
  oldest: number
  /** Of the load itself up to now, in milliseconds. */
  cpu: number
}

/** What has been counted of each reader. */
export interface ToldEach {
  events: number[]
  /** The number of its last event. */
  lasts: number[]
  /** Milliseconds from its request to its first event; -1 for none. */
  first: number[]
}

/** The load of one run: readers in a process of their own. */
export class Load {
  readonly #child: Child

  private constructor(child: Child) {
    this.#child = child
  }

  /** @param options.gaps whether a later event stands for those before it, so that a gap is no loss */
  static async start({ gaps = false } = {}): Promise<Load> {
    const child = new Child(`${import.meta.dir}/program.ts`, gaps ? 'gaps' : 'all')
    await child.line()
    return new Load(child)
  }

  /** Opens connections; resolves when all are open or refused, or are connected and held. */
  open(opening: Opening): Promise<{ milliseconds: number }> {
    return this.#child.order('open', opening)
  }

  /** Lets those that are held ask, all at once; gives when it began, in microseconds since 1970. */
  release(): Promise<{ at: number }> {
    return this.#child.order('release')
  }

  /** Waits until so many events have come in all, for so many milliseconds at most. */
  until(what: { events: number; within: number }): Promise<Told> {
    return this.#child.order('until', what)
  }

  tell(): Promise<Told> {
    return this.#child.order('tell')
  }

  each(): Promise<ToldEach> {
    return this.#child.order('each')
  }

  /** Has readers read nothing any more, or go on. */
  pause(places: Places, paused = true): Promise<object> {
    return this.#child.order('pause', { ...places, paused })
  }

  /** Has paused readers read slowly, until they go on. */
  sip(places: Places, sips: Sips): Promise<object> {
    return this.#child.order('sip', { ...places, ...sips })
  }

  stopSipping(): Promise<object> {
    return this.#child.order('sip', { from: 0, to: 0, bytes: 0, every: 0 })
  }

  /** Cuts connections; they do not count as gone. */
  leave(places: Places): Promise<object> {
    return this.#child.order('leave', places)
  }

  end(): Promise<void> {
    return this.#child.end()
  }
}
