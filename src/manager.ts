/**
 * `MultiStreamManager`: the streams of an entity, their markup and their endpoint.
 *
 * A job has a progress, a state and lines. The app declares each once, with a `render`, and from then on says
 * `publish('42', 'progress', job)`. The same `render` makes the first page, the live change and the final
 * fragment, so they can not differ. What the elements connect to is served under `<path>/job`.
 */
import type { Guard } from './declarations'
import type { Asked, Endpoint } from './door'
import { type Attributes, attributes, type Html, tag, text } from './html'
import type { Hub } from './hub'
import type { Awaitable, Keep, Kind } from './log'
import type { Rendered } from './publisher'
import { Refusal } from './refusal'
import { Run, type Source } from './source'
import { frame } from './sse'
import { asPattern, isPattern, matches, type Pattern, segmentsOf, type Topic, topic } from './topic'
import { type EventId, htmlOf } from './wire'

/** What a render is told beside the item. */
export interface RenderContext {
  /** The entity's id. */
  id: string
  /** Whether the entity can not change any more. */
  final: boolean
}

/** One stream of an entity. Times in milliseconds. */
export interface StreamOptions<Entity, Name extends string, Item> {
  name: Name
  kind: Kind
  /**
   * Names an item of kind `log`: an item whose key is kept is not added again.
   *
   * It stands before `source` in most code, where the type of an item is not known yet.
   */
  // biome-ignore lint/suspicious/noExplicitAny: with the item's type here, TypeScript would fix it too early
  key?: ((item: any) => string | number) | undefined
  /** Runs once for all viewers. Write it before `render`, which gets its items. */
  source?: Source<Item> | undefined
  /** How often a source that is a plain function is asked. @default 1000 */
  interval?: number | undefined
  /** How long a source may run. @default for ever */
  timeout?: number | undefined
  /** Nothing is sent for `null`. */
  render: (item: Item, context: RenderContext) => Rendered | Promise<Rendered>
  /** The content for an entity that is not active. @default what `render` makes of it, or what is kept */
  final?: ((entity: Entity, context: RenderContext) => Rendered | Promise<Rendered>) | undefined
  /** For kind `log`. @default { count: 1000, age: 86_400_000 } */
  keep?: Partial<Keep> | undefined
  /** How content is put into a slot. @default 'beforeend' for kind log, else 'innerHTML' */
  swap?: string | undefined
}

/** What an app says of its entity. */
export interface ManagerOptions<Entity> {
  /** The first segment of the topics, and of the path: letters, digits, `-` and `_`. */
  name: string
  getEntity: (id: string) => Awaitable<Entity | null | undefined>
  /** Whether it may still change: queued, running, paused. @default always */
  isActive?: ((entity: Entity) => boolean) | undefined
  /** @default its `id` */
  getId?: ((entity: Entity) => string | number) | undefined
  /** What stands in the place of an entity that is not there. @default '–' */
  missing?: ((id: string) => Html | Promise<Html>) | undefined
  /** What stands where a source or render has failed. @default 'Failed' as an alert */
  failed?: ((id: string, error: unknown) => Html) | undefined
  /** A function is asked with each id, and with `*` for all of them. @default 'signed' */
  guard?: Guard | undefined
}

/** How an element is made; what is not named here becomes an attribute. */
export interface ElementOptions extends Attributes {
  /** Its tag. @default 'span' */
  as?: string
  id?: string
  /** Whether it opens a connection of its own; not inside a connected parent. @default true */
  connect?: boolean
  /** Whether it may still change; a static element otherwise. @default true */
  active?: boolean
  /** Trusted HTML it begins with. */
  content?: Html
}

/** The items of each stream, by name. */
export type Streams = Record<string, unknown>

type AnyStream<Entity> = StreamOptions<Entity, string, unknown>

/** The streams of one sort of entity. */
export class MultiStreamManager<Entity, Declared extends Streams = Record<never, never>>
  implements Endpoint
{
  readonly name: string
  readonly hub: Hub
  #options: ManagerOptions<Entity>
  #streams = new Map<string, AnyStream<Entity>>()
  #pending = new Map<string, Set<Promise<unknown>>>()
  #runs = new Map<Topic, Run<unknown>>()
  /** Patterns that somebody follows. */
  #patterns = new Set<Pattern>()
  /** Topics with a source that pages have shown in a connected parent. */
  #shown = new Set<Topic>()
  #closed = false

  /** @throws TypeError when the name is no segment, or taken on this hub. */
  constructor(hub: Hub, options: ManagerOptions<Entity>) {
    this.name = options.name
    this.hub = hub
    this.#options = options
    hub.mount(this)
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
    stream: StreamOptions<Entity, Name, Item>,
  ): MultiStreamManager<Entity, Declared & Record<Name, Item>> {
    const { name, kind, keep } = stream
    if (!/^[\w-]+$/.test(name)) {
      throw new TypeError(`Expected a name of letters, digits, - and _, got "${name}"`)
    }
    if (this.#streams.has(name)) {
      throw new TypeError(`The stream "${name}" of "${this.name}" is declared already`)
    }
    this.#streams.set(name, stream as unknown as AnyStream<Entity>)
    this.hub.topic(`${this.name}:*:${name}`, {
      kind,
      keep,
      guard: this.#topicGuard(),
      snapshot: kind === 'state' ? (of) => this.#current(of) : undefined,
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
    return this.#options.isActive?.(entity) ?? true
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
    const declared = this.#stream(stream)
    return declared.render(item, { id, final: this.#isFinal(declared, item) })
  }

  /**
   * The element that shows a stream.
   *
   * @throws TypeError for an unknown stream.
   * @example jobs.element('42', 'progress', { as: 'td', connect: false, content: <Progress value={3} /> })
   */
  element(id: string, stream: keyof Declared & string, options: ElementOptions = {}): Html {
    const { as = 'span', connect = true, active = true, content = '', ...rest } = options
    const { kind, swap, source } = this.#stream(stream)
    if (!active) return tag(as, rest, content)
    const of = this.topic(id, stream)
    if (source !== undefined && !connect) this.#show(of)
    const slot = {
      'sse-swap': of,
      'hx-swap': swap ?? (kind === 'log' ? 'beforeend' : 'innerHTML'),
      // Both are inherited, so a slot that did not say them would follow its surroundings.
      'hx-target': 'this',
    }
    const connection = connect ? connectAttributes(this.address([id], stream)) : {}
    return tag(as, { ...rest, ...connection, ...slot }, content)
  }

  /**
   * What an element of an entity begins with, so that a page is whole before it is live: for kind `state`
   * without a source the stream's own render (its `final` once the entity is not active), else what is kept,
   * of kind `log` the newest 200. A promise only where a render or the log gives one.
   *
   * @throws TypeError for an unknown stream, and what the render throws.
   */
  initial(entity: Entity, stream: keyof Declared & string): Html | Promise<Html> {
    const declared = this.#stream(stream)
    const { kind, source, final } = declared
    const context = { id: this.idOf(entity), final: !this.isActive(entity) }
    const ended = context.final && kind !== 'log' ? final : undefined
    if (!ended && (kind !== 'state' || source !== undefined))
      return this.#kept(context.id, declared)
    const rendered = (ended ?? declared.render)(entity, context)
    return rendered instanceof Promise ? rendered.then(content) : content(rendered)
  }

  /**
   * The URL of the streams of some entities, or of one of their streams.
   *
   * @throws RangeError for more entities than a request may name.
   */
  address(ids: readonly string[], stream?: keyof Declared & string): string {
    const { topics } = this.hub.limits
    if (ids.length > topics) {
      throw new RangeError(`Expected at most ${topics} entities, got ${ids.length}; use all()`)
    }
    const query = new URLSearchParams()
    for (const id of ids) {
      this.#check(id)
      query.append('id', id.toWellFormed())
    }
    return this.#sign(query, stream)
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
    return this.#publish(id, this.#stream(stream), item)
  }

  /**
   * Says that an entity can not change any more: waits for what was published of it before, sends the
   * final content, and ends its streams.
   */
  async finish(id: string): Promise<void> {
    await Promise.allSettled(this.#pending.get(id) ?? [])
    const entity = await this.#options.getEntity(id)
    const streams = [...this.#streams.values()]
    await Promise.all(
      streams.map(async (stream) => {
        const to = topic(this.name, id, stream.name)
        this.#runs.get(to)?.stop()
        if (stream.kind === 'state') await this.#publishFinal(to, stream, id, entity ?? undefined)
      }),
    )
    await Promise.all(streams.map(({ name }) => this.hub.end(topic(this.name, id, name))))
  }

  /** Stops the sources of an entity, or that of one stream, and ends the streams until the next publish. */
  async stop(id: string, stream?: keyof Declared & string): Promise<void> {
    const names = stream === undefined ? [...this.#streams.keys()] : [this.#stream(stream).name]
    await Promise.all(
      names.map((name) => {
        const to = topic(this.name, id, name)
        this.#runs.get(to)?.stop()
        return this.hub.end(to)
      }),
    )
  }

  /** @internal What a request to its path asks for. */
  ask(query: URLSearchParams, stream: string | undefined): Asked {
    if (stream !== undefined && !this.#streams.has(stream)) {
      throw new Refusal(404, `${this.#unknown(stream)}.`)
    }
    const streams = [...this.#streams.values()].filter(({ name }) => name === (stream ?? name))
    const kind = stream === undefined ? this.name : `${this.name}/${stream}`
    const ids = query.getAll('id')
    const all = query.has('all')
    const { topics: most } = this.hub.limits
    if (!all && ids.length === 0) throw new Refusal(400, 'Name entities: ?id=42, or ?all.')
    if (all && ids.length > 0) throw new Refusal(400, 'Name entities, or ?all, not both.')
    try {
      for (const id of ids) this.#check(id)
    } catch (error) {
      throw new Refusal(400, `${(error as Error).message}.`)
    }
    if (ids.length > most) {
      throw new Refusal(414, `At most ${most} ids a request, got ${ids.length}; use ?all.`)
    }
    const guard = this.#options.guard ?? 'signed'
    return {
      kind,
      entity: ids.length === 1 ? ids[0] : undefined,
      guards: (all ? ['*'] : ids).map((subject) => ({ guard, subject })),
      open: () => (all ? this.#openAll(streams, stream) : this.#openSome(streams, ids)),
    }
  }

  /** @internal */
  viewers(of: Pattern, viewed: boolean): void {
    if (isPattern(of)) {
      if (viewed) void this.#viewAll(of)
      else this.#patterns.delete(of)
    } else if (viewed) this.#view(of as string as Topic)
    if (viewed) return
    for (const [running, run] of this.#runs) if (!this.#isViewed(running)) run.unview()
  }

  /** @internal Whichever process has ended it: the source that runs here stops too. */
  async ended(of: Topic): Promise<void> {
    const run = this.#runs.get(of)
    if (!run) return
    run.stop()
    await run.whenOver
    // Its last item may have come after the end that another process wrote, and begun the topic again.
    const [still] = this.#closed ? [of] : await this.hub.log.ended([of])
    if (!still) await this.hub.end(of)
  }

  /** @internal */
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
    if (this.hub.isViewed(of)) return true
    for (const pattern of this.#patterns) if (matches(pattern, of)) return true
    return false
  }

  /** Who follows all sees what pages have shown, also before this process began. */
  async #viewAll(pattern: Pattern): Promise<void> {
    this.#patterns.add(pattern)
    const sourced = [...this.#streams.values()].some(({ source }) => source !== undefined)
    if (!sourced) return
    const topics = new Set([...this.#shown, ...(await this.hub.log.topics(pattern))])
    const ended = new Set(await this.hub.log.ended([...topics]))
    for (const of of topics) {
      if (!ended.has(of) && this.#patterns.has(pattern) && matches(pattern, of)) this.#view(of)
    }
  }

  /** A slot for a connected parent, whose connection does not name it. */
  #show(of: Topic): void {
    if (this.#shown.size > 10_000) this.#shown.clear()
    this.#shown.add(of)
    for (const pattern of this.#patterns) if (matches(pattern, of)) return this.#view(of)
  }

  /** @throws TypeError for an id that makes no topic: an empty or a very long one. */
  #check(id: string): void {
    for (const name of this.#streams.keys()) topic(this.name, id, name)
  }

  #sign(query: URLSearchParams, stream: string | undefined): string {
    if (stream !== undefined) this.#stream(stream)
    const path = [this.hub.path, this.name, ...(stream === undefined ? [] : [stream])].join('/')
    return this.hub.sign(path, query, this.#options.guard ?? 'signed')
  }

  #publish(
    id: string,
    stream: AnyStream<Entity>,
    item: unknown,
    render = () => stream.render(item, { id, final: this.#isFinal(stream, item) }),
  ): Promise<EventId | undefined> {
    const { name, kind, key } = stream
    const published = this.hub.append(
      {
        topic: topic(this.name, id, name),
        kind,
        form: kind === 'log' ? 'item' : 'slot',
        key: kind === 'log' ? (key ? String(key(item)) : null) : '',
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

  async #publishFinal(
    to: Topic,
    stream: AnyStream<Entity>,
    id: string,
    entity: Entity | undefined,
  ): Promise<void> {
    const [kept] = await this.hub.log.last(to, 1)
    await this.hub.append({ topic: to, kind: 'state', form: 'slot', key: '' }, async () => {
      const rendered = entity
        ? await this.#final(stream, id, entity)
        : await (this.#options.missing ?? dash)(id)
      return rendered === kept?.data ? null : rendered
    })
  }

  /** The content of an entity that can not change any more. */
  async #final(stream: AnyStream<Entity>, id: string, entity: Entity): Promise<Rendered> {
    const context = { id, final: true }
    if (stream.final) return stream.final(entity, context)
    if (stream.source !== undefined) {
      const [kept] = await this.hub.log.last(topic(this.name, id, stream.name), 1)
      if (kept) return htmlOf(kept)
    }
    return stream.render(entity, context)
  }

  /** The snapshot of a state of which nothing is kept. */
  async #current(of: Topic): Promise<Rendered> {
    const { id, stream } = this.#parse(of)
    if (!stream || stream.source !== undefined) return null
    const entity = await this.#options.getEntity(id)
    if (entity === null || entity === undefined) return null
    return stream.render(entity, { id, final: !this.isActive(entity) })
  }

  async #kept(id: string, { name, kind }: AnyStream<Entity>): Promise<Html> {
    if (kind === 'signal') return ''
    const last = kind === 'log' ? 200 : 1
    const { items } = await this.hub.history(topic(this.name, id, name), { last })
    return items.map(({ html }) => html).join('')
  }

  #openAll(streams: AnyStream<Entity>[], stream: string | undefined) {
    const patterns =
      stream === undefined
        ? [asPattern(`${this.name}:*:*`)]
        : streams.map(({ name }) => asPattern(`${this.name}:*:${name}`))
    return { topics: patterns, ended: [], first: [] }
  }

  async #openSome(streams: AnyStream<Entity>[], ids: string[]) {
    const topics: Pattern[] = []
    const ended: Topic[] = []
    const first: string[] = []
    for (const id of new Set(ids)) {
      const entity = await this.#options.getEntity(id)
      for (const stream of streams) {
        const to = topic(this.name, id, stream.name)
        const gone = entity === null || entity === undefined
        if (gone) {
          first.push(frame({ event: to, data: await (this.#options.missing ?? dash)(id) }))
        } else if (!this.isActive(entity) && stream.kind !== 'log') {
          first.push(...(await this.#finalFrame(to, stream, id, entity)))
        } else topics.push(to)
        if (gone || !this.isActive(entity)) ended.push(to)
      }
    }
    return { topics, ended, first }
  }

  async #finalFrame(
    to: Topic,
    stream: AnyStream<Entity>,
    id: string,
    entity: Entity,
  ): Promise<string[]> {
    let rendered: Rendered
    try {
      rendered = await this.#final(stream, id, entity)
    } catch (error) {
      this.hub.report(error, to)
      rendered = this.#failed(stream, id, error)
    }
    if (rendered === null || rendered === undefined || rendered === false) return []
    if (typeof rendered !== 'string') return [frame({ data: rendered.html })]
    return [frame({ event: to, data: rendered })]
  }

  #start(of: Topic): void {
    const { id, stream } = this.#parse(of)
    if (!stream || (stream.source === undefined && stream.timeout === undefined)) return
    let shown: Rendered
    let last: Promise<unknown> = Promise.resolve()
    const run = new Run<unknown>({
      name: of,
      id,
      source: stream.source,
      interval: stream.interval,
      timeout: stream.timeout,
      grace: this.hub.limits.grace,
      registry: this.hub.registry,
      ready: async () => {
        const [ended] = await this.hub.log.ended([of])
        return !ended && this.#mayChange(id)
      },
      after: async () => {
        const events = await this.hub.log.last(of, 1)
        return events.at(-1)?.key ?? undefined
      },
      again: () => this.#mayChange(id),
      publish: (item) => {
        if (stream.kind === 'log') return this.#publish(id, stream, item)
        // A state is not waited for, or its pace would be the source's; the same again is not sent.
        const published = this.#publish(id, stream, item, async () => {
          const rendered = await stream.render(item, { id, final: false })
          if (rendered === shown) return null
          shown = rendered
          return rendered
        })
        published.catch((error) => run.fail(error))
        last = Promise.all([last, published])
        last.catch(() => {})
        return undefined
      },
      ended: async (how) => {
        try {
          await last
        } catch (error) {
          return this.#fail(of, stream, id, error)
        }
        if (typeof how === 'object') return this.#fail(of, stream, id, how.error)
        await this.hub.end(of, { kept: how === 'whole' })
      },
      over: (left) => {
        this.#runs.delete(of)
        if (!left) this.#shown.delete(of)
        // Somebody came while it was still stopping.
        else if (!this.#closed && this.#isViewed(of)) this.#start(of)
      },
    })
    this.#runs.set(of, run)
  }

  /** Viewers see that it failed; who comes later starts the source again. */
  async #fail(of: Topic, stream: AnyStream<Entity>, id: string, error: unknown): Promise<void> {
    this.hub.report(error, of)
    const data = this.#failed(stream, id, error)
    await this.hub.append({ topic: of, kind: 'signal', form: 'slot', key: null }, data)
    await this.hub.end(of, { kept: false })
  }

  #failed(stream: AnyStream<Entity>, id: string, error: unknown): Html {
    const { failed } = this.#options
    if (failed) return failed(id, error)
    const as = stream.kind === 'log' ? 'li' : 'span'
    return `<${as}${attributes({ class: 'hw-failed', role: 'alert' })}>Failed</${as}>`
  }

  async #mayChange(id: string): Promise<boolean> {
    const entity = await this.#options.getEntity(id)
    return entity !== null && entity !== undefined && this.isActive(entity)
  }

  #isFinal(stream: AnyStream<Entity>, item: unknown): boolean {
    return stream.source === undefined && stream.kind !== 'log' && !this.isActive(item as Entity)
  }

  #topicGuard(): Guard<Topic> {
    const guard = this.#options.guard ?? 'signed'
    if (typeof guard === 'string') return guard
    return (request, of) => guard(request, this.#parse(of).id)
  }

  #parse(of: Topic): { id: string; stream: AnyStream<Entity> | undefined } {
    const [, id = '', name = ''] = segmentsOf(of)
    return { id, stream: this.#streams.get(name) }
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

/** The attributes of an element that opens a connection, for itself or for the slots inside it. */
export function connectAttributes(address: string): Attributes {
  return { 'hx-ext': 'sse', 'sse-connect': address, 'sse-close': 'done' }
}

/** A patch is for other elements, and so no content of one's own. */
function content(rendered: Rendered): Html {
  return typeof rendered === 'string' ? rendered : ''
}

function dash(): Html {
  return text('–')
}
