/**
 * `MultiStreamManager`: the streams of an entity, their markup and their endpoint.
 *
 * A job has a progress, a state and lines. The app declares each once, with a `render`, and from then on says
 * `publish('42', 'progress', job)`. The same `render` makes the first page, the live change and the final
 * fragment, so they can not differ. What the elements connect to is served under `<path>/job`.
 */
import { Contents } from './contents'
import { type Guard, keyOf, stateKey } from './declarations'
import { type Asked, all, type Endpoint, type Guarded } from './door'
import { type Attributes, attributes, type Html, start, tag, text } from './html'
import type { Hub } from './hub'
import type { Kind } from './log'
import type { Rendered } from './publisher'
import { Refusal } from './refusal'
import { Runs } from './runs'
import { connectAttributes, slotAttributes, swapAttributes } from './slot'
import type {
  AnyStream,
  ElementOptions,
  ManagerOptions,
  NeedsFinal,
  StreamOptions,
  Streams,
} from './stream'
import type { Patch } from './swap'
import { asPattern, type Pattern, segmentsOf, type Topic, topic } from './topic'
import type { EventId } from './wire'

export type {
  ElementOptions,
  ManagerOptions,
  RenderContext,
  StreamOptions,
  Streams,
} from './stream'

/** The last segment of the topic of an entity's patches. */
const patches = 'patch'

/** The streams of one sort of entity. */
export class MultiStreamManager<Entity, Declared extends Streams = Record<never, never>>
  implements Endpoint
{
  readonly name: string
  readonly hub: Hub
  #options: ManagerOptions<Entity>
  #streams = new Map<string, AnyStream<Entity>>()
  #contents: Contents<Entity>
  #runs: Runs<Entity>
  /** What is being published, by entity. */
  #pending = new Map<string, Set<Promise<unknown>>>()

  /** @throws TypeError when the name is no segment, or taken on this hub. */
  constructor(hub: Hub, options: ManagerOptions<Entity>) {
    this.name = options.name
    this.hub = hub
    this.#options = options
    this.#contents = new Contents(hub, options)
    this.#runs = new Runs({
      hub,
      contents: this.#contents,
      parse: (of) => this.#parse(of),
      publish: (...item) => this.#publish(...item),
      end: (of) => this.#endAgain(of),
    })
    hub.mount(this)
    hub.onClose(() => this.#runs.close())
    hub.own(`${this.name}:*:${patches}`, { guard: this.#topicGuard() })
  }

  /** The names of its streams. */
  get streams(): (keyof Declared & string)[] {
    return [...this.#streams.keys()]
  }

  /**
   * Declares a stream.
   *
   * @throws TypeError when the name is no segment, or taken.
   */
  register<const Name extends string, Item = Entity>(
    stream: StreamOptions<Entity, Name, Item> & NeedsFinal<Entity, Item>,
  ): MultiStreamManager<Entity, Declared & Record<Name, Item>> {
    const { name, kind, keep } = stream
    if (!/^[\w-]+$/.test(name)) {
      throw new TypeError(`Expected a name of letters, digits, - and _, got "${name}"`)
    }
    if (this.#streams.has(name) || name === patches) {
      throw new TypeError(`The stream "${name}" of "${this.name}" is declared already`)
    }
    const any = stream as unknown as AnyStream<Entity>
    this.#streams.set(name, any)
    this.hub.own(`${this.name}:*:${name}`, {
      kind,
      keep,
      guard: this.#topicGuard(),
      snapshot:
        kind === 'state' ? (of) => this.#contents.current(any, this.#parse(of).id) : undefined,
    })
    return this as unknown as MultiStreamManager<Entity, Declared & Record<Name, Item>>
  }

  /** The id of an entity. */
  idOf(entity: Entity): string {
    const { getId } = this.#options
    const id = getId ? getId(entity) : (entity as { id?: unknown }).id
    if (typeof id !== 'string' && typeof id !== 'number') {
      throw new TypeError(`Expected an entity of "${this.name}" with an id, or the option getId`)
    }
    return String(id)
  }

  /** Whether an entity may still change. */
  isActive(entity: Entity): boolean {
    return this.#contents.isActive(entity)
  }

  /** The topic of an entity's stream, which is also the event's name and the slot's `sse-swap`. */
  topic(id: string, stream: keyof Declared & string): Topic {
    this.#stream(stream)
    return topic(this.name, id, stream)
  }

  /** Renders an item as its stream does. */
  render<Name extends keyof Declared & string>(
    id: string,
    stream: Name,
    item: Declared[Name],
  ): Rendered | Promise<Rendered> {
    return this.#contents.item(this.#stream(stream), id, item)
  }

  /**
   * The element that shows a stream.
   *
   * @throws TypeError for an unknown stream.
   * @example jobs.element('42', 'progress', { as: 'td', connect: false, content: <Progress value={3} /> })
   */
  element(id: string, stream: keyof Declared & string, options: ElementOptions = {}): Html {
    const { as = 'span', connect = true, active = true, content, ...rest } = options
    const { kind, swap, source } = this.#stream(stream)
    if (!active) return tag(as, rest, content)
    const of = this.topic(id, stream)
    if (source !== undefined && !connect) this.#runs.show(of)
    const slot = slotAttributes(of, kind, swap)
    if (!connect) return tag(as, { ...rest, ...slot }, content)
    // Without a cursor it is sent the stream as it stands.
    const since = content === undefined && !this.#isEmptyLog(kind, of) ? null : undefined
    const address = this.#sign(this.#queryOf([id]), stream, since)
    return tag(as, { ...rest, ...connectAttributes(address), ...slot }, content)
  }

  /**
   * @internal Makes the elements that show one stream of many entities, as {@link element} does without a connection
   * of its own, with the id `<entity>-<stream>`. What they share is made once.
   *
   * @throws TypeError for an unknown stream.
   */
  elements(
    stream: keyof Declared & string,
    as: string,
    shared: Attributes,
  ): (id: string, options?: Pick<ElementOptions, 'active' | 'content'>) => Html {
    const { kind, swap, source } = this.#stream(stream)
    const before = start(as, shared)
    const swapped = attributes(swapAttributes(kind, swap))
    return (id, { active = true, content = '' } = {}) => {
      const named = `${before} id="${text(id)}-${stream}"`
      if (!active) return `${named}>${content}</${as}>`
      const of = topic(this.name, id, stream)
      if (source !== undefined) this.#runs.show(of)
      return `${named} sse-swap="${text(of)}"${swapped}>${content}</${as}>`
    }
  }

  /**
   * What an element of an entity begins with, so that a page is whole before it is live: for kind `state`
   * without a source the stream's own render (its `final` once the entity is not active), else what is kept,
   * of kind `log` the newest 200. A promise only where a render or the log gives one.
   *
   * @throws TypeError for an unknown stream, and what the render throws.
   */
  initial(entity: Entity, stream: keyof Declared & string): Html | Promise<Html> {
    return this.#contents.initial(this.#stream(stream), this.idOf(entity), entity)
  }

  /**
   * The URL of the streams of some entities, or of one of their streams.
   *
   * @throws RangeError for more entities than a request may name.
   */
  address(ids: readonly string[], stream?: keyof Declared & string): string {
    return this.#sign(this.#queryOf(ids), stream)
  }

  /** The URL of the streams of all entities, also of those to come. */
  all(stream?: keyof Declared & string): string {
    return this.#sign(new URLSearchParams({ all: '' }), stream)
  }

  /**
   * Publishes an item to a stream of an entity. Resolves with its event id once it is kept; with nothing
   * when the render gave nothing.
   *
   * @throws TypeError for an unknown stream, and what {@link Hub.publish} throws.
   */
  async publish<Name extends keyof Declared & string>(
    id: string,
    stream: Name,
    item: Declared[Name],
  ): Promise<EventId | undefined> {
    return this.#publish(this.#stream(stream), id, item)
  }

  /**
   * Changes any elements of the pages that follow the entity, or all: adds its row to a table, removes it. The
   * pages receive it in order with the entity's streams. It is kept, and sent again to who missed it.
   *
   * @param options.key a patch whose key is kept is not sent again
   * @example jobs.patch(job.id, swap.beforeend('#hw-job-rows', await tableRow({ manager: jobs, entity: job, columns })))
   */
  async patch(
    id: string,
    patch: Patch,
    options: { key?: string } = {},
  ): Promise<EventId | undefined> {
    const to = topic(this.name, id, patches)
    return this.hub.append(
      { topic: to, kind: 'log', form: 'slot', key: keyOf(options.key) ?? null },
      patch,
    )
  }

  /**
   * Says that an entity can not change any more: waits for what was published of it before, sends the
   * final content, and ends its streams.
   */
  async finish(id: string): Promise<void> {
    const streams = [...this.#streams.values()]
    // First: if it fails, nothing has been stopped.
    const entity = await this.#options.getEntity(id)
    await Promise.all(streams.map(({ name }) => this.#runs.stop(topic(this.name, id, name))))
    await Promise.allSettled(this.#pending.get(id) ?? [])
    await Promise.all(
      streams.map(async (stream) => {
        const to = topic(this.name, id, stream.name)
        if (stream.kind === 'state') await this.#publishFinal(to, stream, id, entity)
      }),
    )
    await Promise.all(streams.map(({ name }) => this.hub.end(topic(this.name, id, name))))
  }

  /** Stops the sources of an entity, or that of one stream, and ends the streams until {@link begin} or a publish. */
  async stop(id: string, stream?: keyof Declared & string): Promise<void> {
    const names = stream === undefined ? [...this.#streams.keys()] : [this.#stream(stream).name]
    await Promise.all(
      names.map(async (name) => {
        const to = topic(this.name, id, name)
        await this.#runs.stop(to)
        await this.hub.end(to)
      }),
    )
  }

  /** Begins streams again that have ended, by {@link finish}, {@link stop} or because their source had no more. */
  async begin(id: string, stream?: keyof Declared & string): Promise<void> {
    const names = stream === undefined ? [...this.#streams.keys()] : [this.#stream(stream).name]
    await Promise.all(names.map((name) => this.hub.begin(topic(this.name, id, name))))
  }

  /** @internal What a request to its path asks for. */
  ask(query: URLSearchParams, stream: string | undefined): Asked {
    if (stream !== undefined && !this.#streams.has(stream)) {
      throw new Refusal(404, `${this.#unknown(stream)}.`)
    }
    const streams = [...this.#streams.values()].filter(({ name }) => name === (stream ?? name))
    const kind = stream === undefined ? this.name : `${this.name}/${stream}`
    const ids = query.getAll('id')
    const isAll = query.has('all')
    const { topics: most } = this.hub.limits
    if (!isAll && ids.length === 0) throw new Refusal(400, 'Name entities: ?id=42, or ?all.')
    if (isAll && ids.length > 0) throw new Refusal(400, 'Name entities, or ?all, not both.')
    if (ids.length > most) {
      throw new Refusal(414, `At most ${most} ids a request, got ${ids.length}; use ?all.`)
    }
    try {
      for (const id of ids) this.#check(id)
    } catch (error) {
      throw new Refusal(400, `${(error as Error).message}.`)
    }
    const guard = this.#options.guard ?? 'signed'
    const subjects: readonly Guarded['subject'][] = isAll ? [all] : ids
    return {
      kind,
      entity: ids.length === 1 ? ids[0] : undefined,
      guards: subjects.map((subject) => ({ guard, subject })),
      open: () =>
        isAll ? this.#openAll(stream) : this.#openSome(streams, ids, stream === undefined),
    }
  }

  /** @internal */
  viewers(of: Pattern, viewed: boolean): void {
    this.#runs.viewers(of, viewed)
  }

  /** @internal */
  ended(of: Topic): Promise<void> {
    return this.#runs.ended(of)
  }

  /** @internal */
  begun(of: Topic): void {
    this.#runs.begun(of)
  }

  /** @throws TypeError for an id that makes no topic: an empty or a very long one. */
  #check(id: string): void {
    for (const name of this.#streams.keys()) topic(this.name, id, name)
  }

  #queryOf(ids: readonly string[]): URLSearchParams {
    const { topics } = this.hub.limits
    if (ids.length > topics) {
      throw new RangeError(`Expected at most ${topics} entities, got ${ids.length}; use all()`)
    }
    const query = new URLSearchParams()
    for (const id of ids) {
      this.#check(id)
      query.append('id', id.toWellFormed())
    }
    return query
  }

  #sign(query: URLSearchParams, stream: string | undefined, since?: null): string {
    if (stream !== undefined) this.#stream(stream)
    const path = [this.hub.path, this.name, ...(stream === undefined ? [] : [stream])].join('/')
    return this.hub.sign(path, query, this.#options.guard ?? 'signed', { since })
  }

  /** Then nothing is what stands there, and the page's cursor is good. */
  #isEmptyLog(kind: Kind, of: Topic): boolean {
    const kept = kind === 'log' ? this.hub.log.last(of, 1) : undefined
    return Array.isArray(kept) && kept.length === 0
  }

  #publish(
    stream: AnyStream<Entity>,
    id: string,
    item: unknown,
    render: () => Rendered | Promise<Rendered> = () => this.#contents.item(stream, id, item),
  ): Promise<EventId | undefined> {
    const { name, kind, key } = stream
    const published = this.hub.append(
      {
        topic: topic(this.name, id, name),
        kind,
        form: kind === 'log' ? 'item' : 'slot',
        key: kind === 'log' ? (keyOf(key && String(key(item))) ?? null) : stateKey,
      },
      render,
    )
    this.#remember(id, published)
    return published
  }

  #remember(id: string, published: Promise<unknown>): void {
    const pending = this.#pending.get(id) ?? new Set()
    this.#pending.set(id, pending.add(published))
    const forget = () => {
      pending.delete(published)
      if (pending.size === 0 && this.#pending.get(id) === pending) this.#pending.delete(id)
    }
    published.then(forget, forget)
  }

  async #endAgain(of: Topic): Promise<void> {
    const { id, stream } = this.#parse(of)
    const entity = await this.#options.getEntity(id)
    const over = entity === null || entity === undefined || !this.isActive(entity)
    if (over && stream?.kind === 'state') await this.#publishFinal(of, stream, id, entity)
    await this.hub.end(of)
  }

  async #publishFinal(
    to: Topic,
    stream: AnyStream<Entity>,
    id: string,
    entity: Entity | null | undefined,
  ): Promise<void> {
    const [kept] = await this.hub.log.last(to, 1)
    const append = (content: () => Rendered | Promise<Rendered>) =>
      this.hub.append({ topic: to, kind: 'state', form: 'slot', key: stateKey }, content)
    try {
      await append(async () => {
        const rendered = await this.#contents.final(stream, id, entity)
        // Unless something is on its way that would come after it.
        return rendered === kept?.data && !this.#pending.has(id) ? null : rendered
      })
    } catch (error) {
      // It ends all the same.
      this.hub.report(error, to)
      const failed = append(() => this.#contents.failed(stream, id, error))
      await failed.catch((again) => this.hub.report(again, to))
    }
  }

  #openAll(stream = '*') {
    return { topics: [asPattern(`${this.name}:*:${stream}`)] }
  }

  async #openSome(streams: AnyStream<Entity>[], ids: string[], patched: boolean) {
    const topics: Pattern[] = []
    const ended: Topic[] = []
    const open: Topic[] = []
    const aside: Topic[] = []
    const first: string[] = []
    for (const id of new Set(ids)) {
      const entity = await this.#options.getEntity(id)
      const gone = entity === null || entity === undefined
      const over = gone || !this.isActive(entity)
      if (patched) aside.push(topic(this.name, id, patches))
      for (const stream of streams) {
        const to = topic(this.name, id, stream.name)
        if (over) ended.push(to)
        // The app's word counts; but of a source that has no more the log's.
        else if (stream.source === undefined) open.push(to)
        // Of a log that is over, what is kept is its last word.
        if (gone || (over && stream.kind !== 'log')) {
          first.push(...(await this.#contents.finalFrame(stream, id, entity)))
        } else topics.push(to)
      }
    }
    return { topics: [...topics, ...aside], ended, open, aside, first }
  }

  #topicGuard(): Guard<Topic> {
    const guard = this.#options.guard ?? 'signed'
    if (typeof guard === 'string') return guard
    return (request, of) => guard(request, this.#parse(of).id)
  }

  #parse(of: Topic): { id: string; stream: AnyStream<Entity> | undefined } {
    const [, id = '', name = '', ...more] = segmentsOf(of)
    return { id, stream: more.length === 0 ? this.#streams.get(name) : undefined }
  }

  #stream(name: string): AnyStream<Entity> {
    const found = this.#streams.get(name)
    if (!found) throw new TypeError(this.#unknown(name))
    return found
  }

  #unknown(name: string): string {
    const known = [...this.#streams.keys()].join(', ') || 'none'
    return `Unknown stream: ${JSON.stringify(name)} of "${this.name}". Known: ${known}`
  }
}
