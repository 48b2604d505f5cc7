/**
 * What is published, on its way to the log.
 *
 * Contents are rendered one after the other per topic, so that a slow render is not overtaken. What is ready
 * in one turn of the event loop is appended in one transaction at its end, in a microtask: nobody waits for a
 * window of time, and a burst costs one commit. A state's key is appended at most once per pace, with its
 * newest value, which may therefore come a little later than what was published after it, never earlier than
 * what was published before it.
 */
import type { Html } from './html'
import type { Limits } from './limits'
import type { Appended, Entry, Form, Kind, Log, Tx } from './log'
import { isMark, nameOf } from './log/contract'
import type { Middlewares } from './middleware'
import { outsidePages } from './page'
import { Renders } from './renders'
import { Patch } from './swap'
import type { Topic } from './topic'
import { within } from './within'

/** What may be published: trusted HTML or a patch. Nothing is sent for `null`, `undefined` and `false`. */
export type Rendered = Html | Patch | null | undefined | false

/** Something to publish, or a promise of it, or a function that renders it when its turn has come. */
export type Content = Rendered | Promise<Rendered> | (() => Rendered | Promise<Rendered>)

/** Where and how to append. */
export interface Destination {
  topic: Topic
  kind: Kind
  /** What plain HTML is; a `Patch` is always a patch. */
  form: Exclude<Form, 'patch'>
  key: string | null
  audience?: string | undefined
}

/** Resolves with where the event stands once it is kept; with nothing when there was nothing to send. */
export type Outcome = Promise<Appended | undefined>

interface Waiting {
  entry: Entry
  settle: PromiseWithResolvers<Appended | undefined>[]
}

interface Paced {
  at: number
  held?: Waiting | undefined
}

/** Renders, orders and appends for one hub. */
export class Publisher {
  #log: Log
  #limits: Limits
  #middlewares: Middlewares | undefined
  #renders = new Renders<Topic>()
  #tails = new Map<Topic, Promise<unknown>>()
  #batch: Waiting[] = []
  #committing: Promise<void> | undefined
  #paced = new Map<string, Paced>()
  /** Transactions of the app that are not over. */
  #transactions = new Set<Promise<void>>()
  #timer: Timer | undefined

  constructor(log: Log, limits: Limits, middlewares?: Middlewares) {
    this.#log = log
    this.#limits = limits
    this.#middlewares = middlewares
  }

  /** Renders the content when the topic's earlier ones are done, and appends it. */
  publish(to: Destination, content: Content): Outcome {
    if (this.#renders.isWithin(to.topic)) {
      return Promise.reject(
        new TypeError(
          `Expected a render of "${to.topic}" not to publish to it: it would wait for itself`,
        ),
      )
    }
    const tail = this.#tails.get(to.topic)
    if (!tail) {
      try {
        const rendered = this.#begin(to, content)
        if (!(rendered instanceof Promise)) return this.#append(to, rendered)
        return this.#later(to, this.#inTime(to.topic, rendered))
      } catch (error) {
        return Promise.reject(error)
      }
    }
    // A promise that fails before its turn has somebody who looks at it.
    if (content instanceof Promise) content.catch(() => {})
    return this.#later(
      to,
      tail.then(() => this.#inTime(to.topic, this.#begin(to, content))),
    )
  }

  /**
   * Appends the content in a transaction of the app, at once, for there is no waiting in it. What waits of the topic
   * goes first; if the transaction is rolled back it is appended all the same.
   *
   * @throws what else the promise would be rejected with, so that the transaction is rolled back
   */
  publishWithin(tx: Tx, to: Destination, content: Content): Outcome {
    const rendered = this.#begin(to, content)
    if (rendered instanceof Promise) {
      rendered.catch(() => {})
      throw new TypeError(
        `Expected content for "${to.topic}" that is rendered, got a promise: a transaction does not wait`,
      )
    }
    const entry = this.#entryOf(to, rendered)
    if (!entry) return Promise.resolve(undefined)
    const settled = Promise.withResolvers<Appended | undefined>()
    const before = this.#takeOut(to.topic)
    const putBack = () => {
      if (before.length > 0) this.#batch.unshift(...before)
    }
    const own = { entry, settle: [settled] }
    try {
      const entries = [...before, own].map((one) => one.entry)
      const over = Promise.resolve(this.#log.append(entries, tx)).then(
        (places) => settleAll([...before, own], places),
        (cause) => {
          putBack()
          this.#refuse([own], cause)
        },
      )
      this.#transactions.add(over)
      over.finally(() => {
        this.#transactions.delete(over)
        this.#commit()
      })
    } catch (error) {
      putBack()
      throw error
    }
    if (to.kind === 'state') this.#paced.set(nameOf(entry), { at: performance.now() })
    return settled.promise
  }

  /** Appends what was published before now, held states too. Resolves when all of it is kept. */
  async settle(): Promise<void> {
    await Promise.all(this.#tails.values())
    this.flush()
    while (this.#committing) await this.#committing
  }

  /** Appends at once what is rendered. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const { held } of this.#paced.values()) if (held) this.#batch.push(held)
    this.#paced.clear()
    this.#commit({ isLast: true })
  }

  /** Renders, and has it go through the middleware of the topic, as one. */
  #begin({ topic, kind, form, key }: Destination, content: Content): Rendered | Promise<Rendered> {
    const middlewares = this.#middlewares
    if (isMark({ form }) || !middlewares?.has(topic)) {
      return typeof content === 'function' ? this.#render(topic, content) : content
    }
    const pass = (rendered: Rendered) =>
      typeof rendered === 'string' || rendered instanceof Patch
        ? middlewares.pass({ topic, kind, key: key ?? undefined, content: rendered })
        : rendered
    return this.#render(topic, () => {
      const rendered = typeof content === 'function' ? content() : content
      return rendered instanceof Promise ? rendered.then(pass) : pass(rendered)
    })
  }

  #render(topic: Topic, content: () => Rendered | Promise<Rendered>) {
    return this.#renders.run(topic, () => outsidePages(content))
  }

  #later(to: Destination, rendered: Promise<Rendered>): Outcome {
    const appended = rendered.then((html) => {
      // The promise is wrapped: the tail must not wait until it is kept, only until it has its place.
      return { outcome: this.#append(to, html) }
    })
    const tail = appended.then(
      () => {},
      () => {},
    )
    this.#tails.set(to.topic, tail)
    tail.then(() => {
      if (this.#tails.get(to.topic) === tail) this.#tails.delete(to.topic)
    })
    return appended.then(({ outcome }) => outcome)
  }

  async #inTime(topic: Topic, rendered: Rendered | Promise<Rendered>): Promise<Rendered> {
    if (!(rendered instanceof Promise)) return rendered
    const { render } = this.#limits
    const late = () => new Error(`Rendering for "${topic}" took longer than ${render} ms`)
    return within(render, rendered, late)
  }

  #append(to: Destination, rendered: Rendered): Outcome {
    let entry: Entry | undefined
    try {
      entry = this.#entryOf(to, rendered)
    } catch (fault) {
      return Promise.reject(fault)
    }
    if (!entry) return Promise.resolve(undefined)
    const settled = Promise.withResolvers<Appended | undefined>()
    if (isMark(entry)) this.#releaseAll(to.topic)
    if (to.kind === 'state' && !isMark(entry)) this.#pace(entry, settled)
    else this.#add({ entry, settle: [settled] })
    return settled.promise
  }

  /** What of the topic waits to be appended. */
  #takeOut(topic: Topic): Waiting[] {
    const own = this.#batch.filter(({ entry }) => entry.topic === topic)
    if (own.length > 0) this.#batch = this.#batch.filter(({ entry }) => entry.topic !== topic)
    for (const paced of this.#paced.values()) {
      if (paced.held?.entry.topic !== topic) continue
      own.push(paced.held)
      paced.held = undefined
    }
    return own
  }

  /** @throws TypeError or RangeError for what can not be published; gives nothing when there is nothing to. */
  #entryOf(to: Destination, rendered: Rendered): Entry | undefined {
    if (rendered === null || rendered === undefined || rendered === false) return undefined
    const { topic, kind, form, key, audience } = to
    const patch = rendered instanceof Patch
    const data = patch ? rendered.html : rendered
    const fault = this.#faultOf(to, patch, data)
    if (fault) throw fault
    const entry: Entry = { topic, kind, form: patch ? 'patch' : form, key, data, at: Date.now() }
    if (audience !== undefined) entry.audience = audience
    return entry
  }

  #faultOf({ topic, kind, form, key }: Destination, patch: boolean, data: unknown) {
    if (typeof data !== 'string') {
      return new TypeError(
        `Expected HTML for "${topic}", got ${data === null ? data : typeof data}`,
      )
    }
    if (patch && kind === 'state' && !key) {
      return new TypeError(
        `Expected a key with the patch for "${topic}": of kind state, only the newest of its key is kept`,
      )
    }
    // Of a text its writer sees to the length, and what a format makes of little may be much.
    if (form === 'text') return undefined
    const { event } = this.#limits
    // A character is at most three bytes in UTF-8, so most contents need not be measured.
    if (data.length * 3 > event && Buffer.byteLength(data) > event) {
      return new RangeError(
        `Expected at most ${event} bytes for "${topic}", got ${Buffer.byteLength(data)}`,
      )
    }
    return undefined
  }

  #pace(entry: Entry, settled: PromiseWithResolvers<Appended | undefined>): void {
    const name = nameOf(entry)
    // Not the time of day, which may be set back.
    const now = performance.now()
    const paced = this.#paced.get(name)
    if (paced?.held) {
      paced.held.entry = entry
      paced.held.settle.push(settled)
    } else if (paced && now - paced.at < this.#limits.pace) {
      paced.held = { entry, settle: [settled] }
    } else {
      this.#paced.set(name, { at: now })
      this.#add({ entry, settle: [settled] })
    }
    this.#timer ??= setTimeout(() => this.#release(), this.#limits.pace)
  }

  #release(): void {
    this.#timer = undefined
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const [name, paced] of this.#paced) {
      const due = paced.at + this.#limits.pace - now
      if (due > 0) next = Math.min(next, due)
      else if (paced.held) {
        this.#add(paced.held)
        this.#paced.set(name, { at: now })
        next = Math.min(next, this.#limits.pace)
      } else this.#paced.delete(name)
    }
    if (this.#paced.size > 0) this.#timer = setTimeout(() => this.#release(), next)
  }

  /** An end comes after what was published before it. */
  #releaseAll(topic: Topic): void {
    for (const [name, { held }] of this.#paced) {
      if (!held || !name.startsWith(`${topic}\n`)) continue
      this.#add(held)
      this.#paced.set(name, { at: performance.now() })
    }
  }

  #add(waiting: Waiting): void {
    this.#batch.push(waiting)
    if (this.#batch.length === 1) queueMicrotask(() => this.#commit())
  }

  #commit({ isLast = false } = {}): void {
    // What waited comes before what was published since, if a transaction is rolled back.
    if (this.#committing || this.#batch.length === 0) return
    if (this.#transactions.size > 0 && !isLast) return
    const batch = this.#batch
    this.#batch = []
    try {
      const places = this.#log.append(batch.map(({ entry }) => entry))
      if (!(places instanceof Promise)) return settleAll(batch, places)
      this.#committing = places
        .then((all) => settleAll(batch, all))
        .catch((cause) => this.#refuse(batch, cause))
        .finally(() => {
          this.#committing = undefined
          this.#commit()
        })
    } catch (cause) {
      this.#refuse(batch, cause)
    }
  }

  #refuse(batch: Waiting[], cause: unknown): void {
    const error = new Error(
      `The ${this.#log.name} log did not keep ${batch.length} event(s): ${(cause as Error).message}`,
      { cause },
    )
    for (const { settle } of batch) for (const { reject } of settle) reject(error)
  }
}

function settleAll(batch: Waiting[], places: Appended[]): void {
  batch.forEach(({ settle }, i) => {
    for (const { resolve } of settle) resolve(places[i])
  })
}
