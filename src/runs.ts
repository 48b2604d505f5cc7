import type { Contents } from './contents'
import type { Hub } from './hub'
import type { Rendered } from './publisher'
import { Run } from './source'
import type { AnyStream } from './stream'
import { isPattern, matches, type Pattern, type Topic } from './topic'

/** What the runs need of their manager. */
export interface RunsOptions<Entity> {
  hub: Hub
  contents: Contents<Entity>
  /** Which stream of which entity a topic is. */
  parse(of: Topic): { id: string; stream: AnyStream<Entity> | undefined }
  /** Ends the topic, with its final content if its entity can not change any more. */
  end(of: Topic): Promise<void>
  publish(
    stream: AnyStream<Entity>,
    id: string,
    item: unknown,
    render?: () => Promise<Rendered>,
  ): Promise<unknown>
}

/**
 * The sources that run here: begun when somebody looks on, stopped when nobody does any more.
 *
 * Who follows a pattern names no entity. For such viewers run the sources of those whose slots were rendered
 * for a connected parent, and of those with something kept that has not ended.
 */
export class Runs<Entity> {
  #options: RunsOptions<Entity>
  #runs = new Map<Topic, Run<unknown>>()
  /** Patterns that somebody follows. */
  #patterns = new Set<Pattern>()
  /** Topics that pages have shown in a connected parent. */
  #shown = new Set<Topic>()
  /** Topics that have ended while their source was running here, until that is over. */
  #ending = new Map<Topic, 'ended' | 'begun again'>()
  #closed = false

  constructor(options: RunsOptions<Entity>) {
    this.#options = options
  }

  /** A viewer of a topic or pattern has come, or the last one has gone. */
  viewers(of: Pattern, viewed: boolean): void {
    if (isPattern(of)) {
      if (viewed) void this.#viewAll(of)
      else this.#patterns.delete(of)
    } else if (viewed) this.#view(of as string as Topic)
    if (viewed) return
    for (const [running, run] of this.#runs) if (!this.#isViewed(running)) run.unview()
  }

  /** A slot was rendered for a connected parent, whose connection need not name it. */
  show(of: Topic): void {
    if (this.#shown.size > 10_000) this.#shown.clear()
    this.#shown.add(of)
    for (const pattern of this.#patterns) if (matches(pattern, of)) return this.#view(of)
  }

  /** Resolves when nothing more will come of it. */
  async stop(of: Topic): Promise<void> {
    const run = this.#runs.get(of)
    run?.stop()
    await run?.whenOver
  }

  /** Some process has begun the topic again. */
  begun(of: Topic): void {
    if (this.#ending.has(of)) this.#ending.set(of, 'begun again')
    else if (!this.#runs.has(of) && this.#isViewed(of)) this.#start(of)
  }

  /** Some process has ended the topic: what runs here stops too. */
  async ended(of: Topic): Promise<void> {
    const { hub } = this.#options
    const run = this.#runs.get(of)
    if (!run) return
    this.#ending.set(of, 'ended')
    run.stop()
    await run.whenOver
    const begunAgain = this.#ending.get(of) === 'begun again'
    this.#ending.delete(of)
    if (this.#closed) return
    if (begunAgain) return this.begun(of)
    // Its last item may have come after the end that another process wrote, and begun the topic again.
    const [still] = await hub.log.ended([of])
    if (!still) await this.#options.end(of)
  }

  close(): void {
    this.#closed = true
    for (const run of this.#runs.values()) run.stop()
  }

  #view(of: Topic): void {
    const run = this.#runs.get(of)
    if (run) run.view()
    else this.#start(of)
  }

  #isViewed(of: Topic): boolean {
    if (this.#options.hub.isViewed(of)) return true
    for (const pattern of this.#patterns) if (matches(pattern, of)) return true
    return false
  }

  async #viewAll(pattern: Pattern): Promise<void> {
    if (this.#patterns.has(pattern)) return
    this.#patterns.add(pattern)
    const { hub, parse } = this.#options
    try {
      const topics = new Set([...this.#shown, ...(await hub.log.topics(pattern))])
      const sourced = [...topics].filter((of) => parse(of).stream?.source !== undefined)
      const ended = new Set(await hub.log.ended(sourced))
      for (const of of sourced) {
        if (!ended.has(of) && this.#patterns.has(pattern) && matches(pattern, of)) this.#view(of)
      }
    } catch (error) {
      hub.report(error)
    }
  }

  #start(of: Topic): void {
    const { hub, contents, parse } = this.#options
    const { id, stream } = parse(of)
    if (!stream || (stream.source === undefined && stream.timeout === undefined)) return
    const states = stream.kind === 'log' ? undefined : new StateItems()
    const run = new Run<unknown>({
      name: of,
      id,
      source: stream.source,
      interval: stream.interval,
      timeout: stream.timeout,
      grace: hub.limits.grace,
      registry: hub.registry,
      ready: async () => {
        const [ended] = await hub.log.ended([of])
        return !ended && contents.mayChange(id)
      },
      after: async () => {
        const [newest] = await hub.log.last(of, 1)
        return newest?.key ?? undefined
      },
      again: () => contents.mayChange(id),
      publish: (item) => {
        if (!states) return this.#options.publish(stream, id, item)
        const render = states.once(() => stream.render(item, { id, final: false }))
        const published = this.#options.publish(stream, id, item, render)
        states.add(published, (error) => run.fail(error))
        return undefined
      },
      settled: () => states?.failure(),
      ended: async (how) => {
        const failed = typeof how === 'object' ? how : await states?.failure()
        if (failed) return this.#fail(of, stream, id, failed.error)
        await hub.end(of, { kept: how === 'whole' })
      },
      onError: (error) => hub.report(error, of),
      over: (left) => {
        this.#runs.delete(of)
        if (!left) this.#shown.delete(of)
        // Somebody came, or it was begun again, while it was still stopping.
        const again = left || this.#ending.get(of) === 'begun again'
        if (again && !this.#closed && this.#isViewed(of)) this.#start(of)
      },
    })
    this.#runs.set(of, run)
  }

  /** Viewers see that it failed; who comes later starts the source again. */
  async #fail(of: Topic, stream: AnyStream<Entity>, id: string, error: unknown): Promise<void> {
    const { hub, contents } = this.#options
    hub.report(error, of)
    const data = contents.failed(stream, id, error)
    try {
      await hub.append({ topic: of, kind: 'signal', form: 'slot', key: null }, data)
    } finally {
      await hub.end(of, { kept: false })
    }
  }
}

/** Items of a state are not waited for, or their pace would be the source's; the same again is not sent. */
class StateItems {
  #shown: Rendered
  #pending = new Set<Promise<unknown>>()
  #failure: { error: unknown } | undefined

  once(render: () => Rendered | Promise<Rendered>): () => Promise<Rendered> {
    return async () => {
      const rendered = await render()
      if (rendered === this.#shown) return null
      this.#shown = rendered
      return rendered
    }
  }

  add(published: Promise<unknown>, onError: (error: unknown) => void): void {
    this.#pending.add(published)
    published
      .catch((error) => {
        this.#failure ??= { error }
        onError(error)
      })
      .finally(() => this.#pending.delete(published))
  }

  /** Waits for all of them. */
  async failure(): Promise<{ error: unknown } | undefined> {
    await Promise.allSettled(this.#pending)
    return this.#failure
  }
}
