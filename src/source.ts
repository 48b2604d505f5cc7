/**
 * Sources: where the items of a stream come from, and the one run of each that its viewers share.
 *
 * A run begins with the first viewer and stops a while after the last, so that a reload does not start it
 * anew. It holds a lease in the database, so that of several processes one runs it; the others, as long as
 * they have viewers, wait for the lease. What it yields goes through the log, like all that is published.
 */
import type { Awaitable } from './log'
import { outsidePages } from './page'
import type { Registry } from './registry'

/** What a source is told. */
export interface SourceContext {
  /** Aborted when the stream is stopped, has timed out, or its last viewer has gone. */
  signal: AbortSignal
  /** The key of the newest item that is kept: go on after it. */
  after: string | undefined
}

/** Items of a stream: one after the other, a list, one, or a promise of any of these. */
export type Items<Item> = Ready<Item> | Promise<Ready<Item>>

type Ready<Item> = AsyncIterable<Item> | Iterable<Item> | Item

/**
 * Items, or a function that gives them for an entity. A function that gives neither a list nor a promise nor
 * an iteration is asked again at its interval.
 */
export type Source<Item> = ((id: string, context: SourceContext) => Items<Item>) | Items<Item>

/** A list that is filled while it is read. Who stops reading leaves what is unread to the next reader. */
export class Queue<Item> implements AsyncIterable<Item> {
  #items: Item[] = []
  #ended = false
  #wake: (() => void) | undefined

  /** Adds an item. */
  push(item: Item): void {
    this.#items.push(item)
    this.#wake?.()
  }

  /** @internal What a reader took that was told to stop. */
  putBack(item: Item): void {
    this.#items.unshift(item)
    this.#wake?.()
  }

  /** Says that nothing more will come. */
  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  [Symbol.asyncIterator](): AsyncIterator<Item, undefined> {
    let left = false
    const over = { done: true, value: undefined } as const
    return {
      next: async () => {
        while (!left && this.#items.length === 0 && !this.#ended) {
          await new Promise<void>((wake) => {
            this.#wake = wake
          })
        }
        if (left || this.#items.length === 0) return over
        return { done: false, value: this.#items.shift() as Item }
      },
      return: async () => {
        left = true
        this.#wake?.()
        return over
      },
    }
  }
}

/** How a source ended by itself. */
export type Ending = 'whole' | 'late' | { error: unknown }

/** What a run needs to know. Times in milliseconds. */
export interface RunOptions<Item> {
  /** The name of its lease: the topic. */
  name: string
  id: string
  source: Source<Item> | undefined
  /** How often a plain function is asked. */
  interval: number | undefined
  timeout: number | undefined
  grace: number
  registry: Registry
  /** Whether there is anything to run. */
  ready(): Awaitable<boolean>
  after(): Awaitable<string | undefined>
  /** Whether a plain function is to be asked again. */
  again(): Awaitable<boolean>
  publish(item: Item): Awaitable<unknown>
  /** Resolves when all that was published is kept, also what {@link publish} did not wait for. */
  settled(): Awaitable<unknown>
  /** Called when the source has no more, has failed, or took too long; not when it was stopped. */
  ended(how: Ending): Awaitable<void>
  /** Told when {@link ended} or the lease fails. */
  onError(error: unknown): void
  /** Called last. `left`: it was stopped because nobody looked on any more, or its lease was lost. */
  over(left: boolean): void
}

/** How often a lease that another process holds is asked for, in milliseconds. */
const patience = 1_000
/** How often a plain function is asked, in milliseconds. */
const usualInterval = 1_000

const interrupted = Symbol('interrupted')

/** One run of a source. */
export class Run<Item> {
  /** Resolves when nothing more will come of it. */
  readonly whenOver: Promise<void>
  #options: RunOptions<Item>
  #abort = new AbortController()
  #leaving: Timer | undefined
  #late: Timer | undefined
  #left = false
  /** Why it was interrupted, if not from outside. */
  #ending: Ending | undefined
  #wake: (() => void) | undefined
  #queue: Queue<Item> | undefined
  /** The item that is on its way. */
  #publishing: Awaitable<unknown>

  constructor(options: RunOptions<Item>) {
    this.#options = options
    this.whenOver = outsidePages(() => this.#go())
  }

  /** Somebody looks on. */
  view(): void {
    clearTimeout(this.#leaving)
    this.#leaving = undefined
  }

  /** Nobody does any more. */
  unview(): void {
    this.#leaving ??= setTimeout(() => this.#leave(), this.#options.grace)
  }

  #leave(): void {
    this.#left = !this.#abort.signal.aborted
    this.stop()
  }

  /** Ends it as if the source had thrown. */
  fail(error: unknown): void {
    this.#interrupt({ error })
  }

  /** Stops it at once. */
  stop(): void {
    this.#interrupt(undefined)
  }

  #interrupt(ending: Ending | undefined): void {
    clearTimeout(this.#leaving)
    clearTimeout(this.#late)
    if (this.#abort.signal.aborted) return
    this.#ending = ending
    this.#abort.abort()
    this.#wake?.()
  }

  async #go(): Promise<void> {
    const { name, registry, ready, ended, over, onError } = this.#options
    const { signal } = this.#abort
    let leased = false
    let ending: Ending | undefined
    try {
      if (!(await ready())) return
      while (!signal.aborted) {
        leased = await registry.take(name, () => this.#leave())
        if (leased) break
        await sleep(patience, signal)
      }
      if (leased && !signal.aborted) ending = await this.#run()
    } catch (error) {
      // What a source throws because it was told to stop is no failure.
      ending = signal.aborted ? this.#ending : { error }
    } finally {
      // First, or it would go on publishing behind its own end.
      this.stop()
      await quietly(this.#publishing)
      await quietly(this.#options.settled())
      if (ending) await reporting(onError, () => ended(ending as Ending))
      if (leased) await reporting(onError, () => registry.release(name))
      over(this.#left)
    }
  }

  async #run(): Promise<Ending | undefined> {
    const { timeout, publish } = this.#options
    if (timeout !== undefined) this.#late = setTimeout(() => this.#interrupt('late'), timeout)
    const items = await this.#unlessInterrupted(this.#open())
    if (items === interrupted) return this.#ending
    for (;;) {
      const next = items.next()
      const turn = await this.#unlessInterrupted(next)
      if (turn === interrupted) {
        quietly(this.#putBack(next))
        break
      }
      if (turn.done) return 'whole'
      if (turn.value === null || turn.value === undefined) continue
      this.#publishing = publish(turn.value)
      if ((await this.#unlessInterrupted(this.#publishing)) === interrupted) break
    }
    // A source that does not look at its signal finds out when it wakes up.
    quietly(items.return?.())
    return this.#ending
  }

  async #putBack(next: Awaitable<IteratorResult<Item>>): Promise<void> {
    const late = await next
    if (!late.done) this.#queue?.putBack(late.value)
  }

  /** No promise outlives the turn: one that all turns raced against would keep every item. */
  #unlessInterrupted<T>(value: Awaitable<T>): Promise<T | typeof interrupted> {
    if (this.#abort.signal.aborted) {
      quietly(value)
      return Promise.resolve(interrupted)
    }
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve(interrupted)
      Promise.resolve(value).then(resolve, reject)
    })
  }

  async #open(): Promise<AsyncIterator<Item> | Iterator<Item>> {
    const { source, id, after } = this.#options
    const { signal } = this.#abort
    if (source === undefined) return { next: () => new Promise(() => {}) }
    const context = { signal, after: await after() }
    const ask = () =>
      typeof source === 'function'
        ? (source as (id: string, context: SourceContext) => Items<Item>)(id, context)
        : source
    const made = ask()
    const items = await made
    if (items instanceof Queue) this.#queue = items
    if (typeof items === 'object' && items !== null) {
      if (Symbol.asyncIterator in items) return items[Symbol.asyncIterator]()
      if (Symbol.iterator in items) return items[Symbol.iterator]()
    }
    return this.#polled(items as Item, ask, typeof source === 'function' && !isPromise(made))
  }

  async *#polled(
    first: Item,
    ask: () => Items<Item>,
    plain: boolean,
  ): AsyncGenerator<Item, void, undefined> {
    const { source, interval, again } = this.#options
    yield first
    const asked = plain || (typeof source === 'function' && interval !== undefined)
    while (asked && (await again())) {
      await sleep(interval ?? usualInterval, this.#abort.signal)
      yield (await ask()) as Item
    }
  }
}

async function quietly(value: Awaitable<unknown>): Promise<void> {
  try {
    await value
  } catch {
    // Who waits for it has been told, or does not care any more.
  }
}

async function reporting(
  onError: (error: unknown) => void,
  act: () => Awaitable<void>,
): Promise<void> {
  try {
    await act()
  } catch (error) {
    onError(error)
  }
}

function isPromise(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value
}

/** Ends early, without an error, when aborted. */
function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done)
  })
}
