/**
 * Sources: where the items of a stream come from, and the one run of each that its viewers share.
 *
 * A run begins with the first viewer and stops a while after the last, so that a reload does not start it
 * anew. It holds a lease in the database, so that of several processes one runs it; the others, as long as
 * they have viewers, wait for the lease. What it yields goes through the log, like all that is published.
 */
import type { Awaitable } from './log'
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

/** A list that is filled while it is read. Read it once. */
export class Queue<Item> implements AsyncIterable<Item> {
  #items: Item[] = []
  #ended = false
  #wake: (() => void) | undefined

  /** Adds an item. */
  push(item: Item): void {
    this.#items.push(item)
    this.#wake?.()
  }

  /** Says that nothing more will come. */
  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    for (;;) {
      while (this.#items.length > 0) yield this.#items.shift() as Item
      if (this.#ended) return
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
  }
}

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
  /** Called when the source has no more, has thrown, or took too long; not when it was stopped. */
  ended(how: 'whole' | 'late' | { error: unknown }): Awaitable<void>
  /** Called last. `left`: it was stopped because nobody looked on any more. */
  over(left: boolean): void
}

/** How often a lease that another process holds is asked for, in milliseconds. */
const patience = 1_000
/** How often a plain function is asked, in milliseconds. */
const usualInterval = 1_000

/** One run of a source. */
export class Run<Item> {
  /** Resolves when nothing more will come of it. */
  readonly whenOver: Promise<void>
  #options: RunOptions<Item>
  #abort = new AbortController()
  #leaving: Timer | undefined
  #late: Timer | undefined
  #left = false
  #failed = Promise.withResolvers<never>()

  constructor(options: RunOptions<Item>) {
    this.#options = options
    // It may fail when nobody waits any more.
    this.#failed.promise.catch(() => {})
    this.whenOver = this.#go()
  }

  /** Somebody looks on. */
  view(): void {
    clearTimeout(this.#leaving)
    this.#leaving = undefined
  }

  /** Nobody does any more. */
  unview(): void {
    this.#leaving ??= setTimeout(() => {
      this.#left = !this.#abort.signal.aborted
      this.stop()
    }, this.#options.grace)
  }

  /** Ends it as if the source had thrown. */
  fail(error: unknown): void {
    this.#failed.reject(error)
  }

  /** Stops it at once. */
  stop(): void {
    clearTimeout(this.#leaving)
    clearTimeout(this.#late)
    this.#abort.abort()
  }

  async #go(): Promise<void> {
    const { name, registry, timeout, ready, ended, over } = this.#options
    const { signal } = this.#abort
    let leased = false
    try {
      if (!(await ready())) return
      while (!signal.aborted && !registry.take(name)) await sleep(patience, signal)
      if (signal.aborted) return
      leased = true
      const late = new Promise<'late'>((resolve) => {
        if (timeout !== undefined) this.#late = setTimeout(() => resolve('late'), timeout)
      })
      const how = await Promise.race([this.#run(), late, this.#failed.promise])
      if (how !== 'stopped') await ended(how)
    } catch (error) {
      if (!signal.aborted) await ended({ error })
    } finally {
      this.stop()
      if (leased) registry.release(name)
      over(this.#left)
    }
  }

  async #run(): Promise<'whole' | 'stopped'> {
    const { publish } = this.#options
    const { signal } = this.#abort
    const stopped = new Promise<'stopped'>((resolve) => {
      signal.addEventListener('abort', () => resolve('stopped'), { once: true })
    })
    const items = this.#items()
    for (;;) {
      const next = items.next()
      const turn = await Promise.race([next, stopped])
      if (turn === 'stopped' || signal.aborted) {
        // A source that does not look at its signal finds out when it wakes up.
        next.catch(() => {})
        items.return().catch(() => {})
        return 'stopped'
      }
      if (turn.done) return 'whole'
      if (turn.value !== null && turn.value !== undefined) await publish(turn.value)
    }
  }

  async *#items(): AsyncGenerator<Item, void, undefined> {
    const { source, id, interval, after, again } = this.#options
    const { signal } = this.#abort
    if (source === undefined) return await forever(signal)
    const context = { signal, after: await after() }
    const ask = () =>
      typeof source === 'function'
        ? (source as (id: string, context: SourceContext) => Items<Item>)(id, context)
        : source
    const made = ask()
    const items = await made
    if (isIterable<Item>(items)) return yield* items
    yield items as Item
    const asked = typeof source === 'function' && (interval !== undefined || !isPromise(made))
    while (asked && (await again())) {
      await sleep(interval ?? usualInterval, signal)
      if (signal.aborted) return
      yield (await ask()) as Item
    }
  }
}

function isIterable<Item>(value: unknown): value is AsyncIterable<Item> | Iterable<Item> {
  return (
    typeof value === 'object' &&
    value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value)
  )
}

function isPromise(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value
}

function forever(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
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
