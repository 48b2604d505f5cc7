import { attributes, type Html, text } from './html'
import type { Hub } from './hub'
import type { Rendered } from './publisher'
import { frame } from './sse'
import type { AnyStream, ManagerOptions } from './stream'
import { type Topic, topic } from './topic'

/** How many kept items of kind `log` an element begins with. */
const beginning = 200

/** What the streams of an entity show where no item is published: at first, at the end, and when things fail. */
export class Contents<Entity> {
  #hub: Hub
  #options: ManagerOptions<Entity>

  constructor(hub: Hub, options: ManagerOptions<Entity>) {
    this.#hub = hub
    this.#options = options
  }

  isActive(entity: Entity): boolean {
    return this.#options.isActive?.(entity) ?? true
  }

  /** Whether there is such an entity, and it may still change. */
  async mayChange(id: string): Promise<boolean> {
    const entity = await this.#options.getEntity(id)
    return entity !== null && entity !== undefined && this.isActive(entity)
  }

  /** An item, as its stream renders it. An item without a source, of kind `state`, is the entity itself. */
  item(stream: AnyStream<Entity>, id: string, item: unknown): Rendered | Promise<Rendered> {
    const own = stream.source === undefined && stream.kind !== 'log'
    return stream.render(item, { id, final: own && !this.isActive(item as Entity) })
  }

  /** What an element begins with. */
  initial(stream: AnyStream<Entity>, id: string, entity: Entity): Html | Promise<Html> {
    const { kind, source } = stream
    if (kind !== 'state') return this.#kept(stream, id)
    // While a source runs, what it gave last is newer than the entity.
    if (source !== undefined && this.isActive(entity)) return this.#kept(stream, id)
    const rendered = this.#shown(stream, id, entity)
    return rendered instanceof Promise ? rendered.then(own) : own(rendered)
  }

  /** The snapshot of a state of which nothing is kept. */
  async current(stream: AnyStream<Entity>, id: string): Promise<Rendered> {
    // Its source, which begins with the viewer, says how it stands.
    if (stream.source !== undefined) return null
    const entity = await this.#options.getEntity(id)
    if (entity === null || entity === undefined) return null
    return this.#shown(stream, id, entity)
  }

  /** The content of an entity that can not change any more, or is not there. */
  async final(
    stream: AnyStream<Entity>,
    id: string,
    entity: Entity | null | undefined,
  ): Promise<Rendered> {
    if (entity === null || entity === undefined) {
      return this.#options.missing ? this.#options.missing(id) : text('–')
    }
    const context = { id, final: true }
    return stream.final ? stream.final(entity, context) : stream.render(entity, context)
  }

  /** {@link final} on the wire, or what says that it failed: one frame, or none when there is nothing to show. */
  async finalFrame(
    stream: AnyStream<Entity>,
    id: string,
    entity: Entity | null | undefined,
  ): Promise<string[]> {
    const event = this.#topic(stream, id)
    let rendered: Rendered
    try {
      rendered = await this.final(stream, id, entity)
    } catch (error) {
      this.#hub.report(error, event)
      rendered = this.failed(stream, id, error)
    }
    if (rendered === null || rendered === undefined || rendered === false) return []
    if (typeof rendered !== 'string') return [frame({ topic: event, data: rendered.html })]
    return [frame({ event, data: rendered })]
  }

  /** What stands where a source or render has failed. */
  failed({ kind }: AnyStream<Entity>, id: string, error: unknown): Html {
    try {
      if (this.#options.failed) return this.#options.failed(id, error)
    } catch (another) {
      this.#hub.report(another)
    }
    const as = kind === 'log' ? 'li' : 'span'
    return `<${as}${attributes({ class: 'hw-failed', role: 'alert' })}>Failed</${as}>`
  }

  /** The entity as it stands, active or not. */
  #shown(stream: AnyStream<Entity>, id: string, entity: Entity): Rendered | Promise<Rendered> {
    const final = !this.isActive(entity)
    return (final && stream.final ? stream.final : stream.render)(entity, { id, final })
  }

  async #kept(stream: AnyStream<Entity>, id: string): Promise<Html> {
    if (stream.kind === 'signal') return ''
    const last = stream.kind === 'log' ? beginning : 1
    const { items } = await this.#hub.history(this.#topic(stream, id), { last })
    return items.map(({ html }) => html).join('')
  }

  #topic({ name }: AnyStream<Entity>, id: string): Topic {
    return topic(this.#options.name, id, name)
  }
}

/** A patch is for other elements, and so no content of one's own. */
function own(rendered: Rendered): Html {
  return typeof rendered === 'string' ? rendered : ''
}
