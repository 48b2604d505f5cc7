/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import type { MultiStreamManager, Streams } from '../src/manager'
import { type ElementAttributes, withHtml } from './tag'

/** How one stream of an entity is shown. */
export interface ShowOptions extends ElementAttributes {
  /** Its tag. */
  as?: string | undefined
  /**
   * What it begins with, trusted.
   * @default for an entity its own render, or what is kept; for an id nothing, until its connection brings it
   */
  content?: Children
  /** Whether it may still change; static otherwise. @default for an entity what the manager says, else true */
  active?: boolean | undefined
  /** Of a `<th>`. */
  scope?: 'row' | 'col' | undefined
}

/** What {@link StreamElement} is told; what is not named becomes an attribute. */
export interface StreamElementProps<Entity, Declared extends Streams> extends ShowOptions {
  manager: MultiStreamManager<Entity, Declared>
  /** Its id, or the entity itself. */
  entity: string | NoInfer<Entity>
  stream: NoInfer<keyof Declared & string>
  /** Its tag. @default 'span' */
  as?: string | undefined
  /** Whether it opens a connection of its own; not inside a connected parent. @default true */
  connect?: boolean | undefined
}

/**
 * The element that shows one stream of one entity.
 *
 * @throws TypeError for an unknown stream.
 * @example <StreamElement manager={jobs} entity={job} stream="progress" as="td" connect={false} />
 */
export function StreamElement<Entity, Declared extends Streams>({
  manager,
  entity,
  stream,
  as = 'span',
  id,
  connect = true,
  active,
  content,
  ...attributes
}: StreamElementProps<Entity, Declared>): JSX.Element {
  const known = typeof entity === 'string' ? undefined : entity
  const begins =
    content === undefined && known !== undefined ? manager.initial(known, stream) : content
  return withHtml(begins, (html) =>
    manager.element(idOf(manager, entity), stream, {
      ...attributes,
      as,
      ...(id !== undefined && { id }),
      connect,
      active: active ?? (known === undefined || manager.isActive(known)),
      content: begins === undefined ? undefined : html,
    }),
  )
}

/** The id of an entity that is given as such or as its id. */
export function idOf<Entity, Declared extends Streams>(
  manager: MultiStreamManager<Entity, Declared>,
  entity: string | NoInfer<Entity>,
): string {
  return typeof entity === 'string' ? entity : manager.idOf(entity)
}
