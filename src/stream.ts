import type { Guard } from './declarations'
import type { all } from './door'
import type { Attributes, Html } from './html'
import type { Awaitable, Keep, Kind } from './log'
import type { Rendered } from './publisher'
import type { Source } from './source'

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
  /**
   * What is shown of an entity that is not active. Needed where a source yields something else than the entity, so
   * that `render` can not take it.
   * @default what `render` makes of the entity
   */
  final?: ((entity: Entity, context: RenderContext) => Rendered | Promise<Rendered>) | undefined
  /** For kind `log`. @default { count: 1000, age: 86_400_000 } */
  keep?: Partial<Keep> | undefined
  /** How content is put into a slot: a swap of htmx, or `morph`. @default 'beforeend' for kind log, else 'innerHTML' */
  swap?: string | undefined
}

/** Of kind `state`, `render` is given the entity in the end, unless `final` is; types ask for one of the two. */
export type NeedsFinal<Entity, Item> = Entity extends Item
  ? unknown
  :
      | { kind: 'log' | 'signal' }
      | { final: NonNullable<StreamOptions<Entity, string, Item>['final']> }

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
  /** A function is asked with each id, and with the symbol {@link all} for all entities. @default 'signed' */
  guard?: Guard<string | typeof all> | undefined
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
  /** Trusted HTML it begins with. @default nothing; with a connection of its own it is sent what there is */
  content?: Html | undefined
}

/** The items of each stream, by name. */
export type Streams = Record<string, unknown>

/** A stream whose item's type does not matter. */
export type AnyStream<Entity> = StreamOptions<Entity, string, unknown>
