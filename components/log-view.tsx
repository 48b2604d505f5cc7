/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import type { MultiStreamManager, Streams } from '../src/manager'
import { idOf, StreamElement } from './stream-element'
import { classes, type ElementAttributes, isContent, Tag, withHtml } from './tag'

/** What {@link LogView} is told; what is not named becomes an attribute. */
export interface LogViewProps<Entity, Declared extends Streams> extends ElementAttributes {
  manager: MultiStreamManager<Entity, Declared>
  /** Its id, or the entity itself. */
  entity: string | NoInfer<Entity>
  /** One of kind `log` whose render makes `<li>`. */
  stream: NoInfer<keyof Declared & string>
  /** Its accessible name. */
  label: string | number
  /** The lines that it begins with, trusted `<li>`. @default those that are kept */
  lines?: Children
  /** How many kept lines it begins with. @default 200 */
  max?: number | undefined
  /** Whether it opens a connection of its own; not inside a connected parent. @default true */
  connect?: boolean | undefined
  /** Whether lines may still come. @default for an entity what the manager says, else true */
  active?: boolean | undefined
  /** What stands in it while there are no lines. @default nothing */
  empty?: Children
  /** Whether a screen reader says each new line: for few lines only. @default false */
  announce?: boolean | undefined
}

/**
 * The lines of a log in a box that scrolls, and stays at its end while one does not scroll up.
 *
 * @throws TypeError for an unknown stream.
 * @example <LogView manager={jobs} entity={job} stream="lines" label={`Lines of ${job.name}`} empty="No lines yet" />
 */
export function LogView<Entity, Declared extends Streams>({
  manager,
  entity,
  stream,
  label,
  lines,
  max = 200,
  connect = true,
  active,
  empty,
  announce = false,
  ...rest
}: LogViewProps<Entity, Declared>): JSX.Element {
  const begins = lines === undefined ? kept(manager, idOf(manager, entity), stream, max) : lines
  return withHtml(begins, (html) => (
    <Tag
      as="section"
      role="log"
      tabindex={0}
      {...rest}
      class={classes('hw-log', rest.class)}
      aria-label={label}
      aria-live={announce ? 'polite' : 'off'}
    >
      <StreamElement
        manager={manager}
        entity={entity}
        stream={stream}
        as="ol"
        class="hw-lines"
        connect={connect}
        active={active}
        content={html}
      />
      {isContent(empty) && (
        // Hidden, not absent: with the theme it comes and goes with the lines.
        <p class="hw-empty" hidden={html !== ''}>
          {empty}
        </p>
      )}
    </Tag>
  ))
}

async function kept<Entity, Declared extends Streams>(
  manager: MultiStreamManager<Entity, Declared>,
  id: string,
  stream: keyof Declared & string,
  last: number,
): Promise<string> {
  const { items } = await manager.hub.history(manager.topic(id, stream), { last })
  return items.map(({ html }) => html).join('')
}
