import type { Html } from './html'
import type { Awaitable, Kind } from './log'
import { ByPattern, type Rank } from './patterns'
import { Patch } from './swap'
import type { Topic } from './topic'

/** What is about to be published. It is frozen: other content is given back. */
export interface Publication {
  readonly topic: Topic
  readonly kind: Kind
  readonly key: string | undefined
  /** Rendered. */
  readonly content: Html | Patch
}

/** Gives other content for what is about to be published, `null` to drop it, nothing to leave it as it is. */
export type Middleware =
  | ((publication: Publication) => Awaitable<Html | Patch | null | undefined>)
  | ((publication: Publication) => Awaitable<void>)

/** What stands between a render and the log, by pattern. One that fails is reported, and changes nothing. */
export class Middlewares {
  #all = new ByPattern<Middleware>()
  #onError: (error: unknown, topic: Topic) => void
  /** Whether there is none at all. */
  empty = true

  constructor(onError: (error: unknown, topic: Topic) => void) {
    this.#onError = onError
  }

  /** @throws TypeError for a pattern, a priority or a function that is none. */
  add(pattern: string, middleware: Middleware, rank: Rank): void {
    if (typeof middleware !== 'function') {
      throw new TypeError(`Expected a function for "${pattern}", got ${typeof middleware}`)
    }
    this.#all.add(pattern, middleware, rank)
    this.empty = false
  }

  /** Whether any is declared for a topic. */
  has(topic: Topic): boolean {
    return !this.empty && this.#all.of(topic).length > 0
  }

  /** What is left of it after all: a promise only when one of them gives one. */
  pass(publication: Publication): Awaitable<Html | Patch | null> {
    return this.#from(0, this.#all.of(publication.topic), publication)
  }

  #from(
    at: number,
    chain: readonly Middleware[],
    publication: Publication,
  ): Awaitable<Html | Patch | null> {
    const middleware = chain[at]
    if (!middleware) return publication.content
    const next = (content: Html | Patch | null) =>
      content === null ? null : this.#from(at + 1, chain, { ...publication, content })
    const given = this.#call(middleware, Object.freeze(publication))
    return given instanceof Promise ? given.then(next) : next(given)
  }

  #call(middleware: Middleware, publication: Publication): Awaitable<Html | Patch | null> {
    const { topic, content } = publication
    const failed = (error: unknown) => {
      this.#onError(error, topic)
      return content
    }
    try {
      const given = middleware(publication)
      if (!(given instanceof Promise)) return chosen(given, publication)
      return given.then((late) => chosen(late, publication)).catch(failed)
    } catch (error) {
      return failed(error)
    }
  }
}

function chosen(given: unknown, { topic, content }: Publication): Html | Patch | null {
  if (given === undefined) return content
  if (given === null || typeof given === 'string' || given instanceof Patch) return given
  throw new TypeError(
    `Expected HTML, a patch, null or nothing from the middleware for "${topic}", got ${typeof given}`,
  )
}
