/** @jsxImportSource @kitajs/html */
import type { Html } from '../src/html'
import type { MultiStreamManager, Streams } from '../src/manager'
import { idOf, type ShowOptions, StreamElement } from './stream-element'

/** A stream, and how its cell is made; what is not named becomes an attribute. */
export interface Cell<Name extends string> extends ShowOptions {
  name: Name
  /** Its tag. @default 'td' */
  as?: string | undefined
  /** @default '<entity>-<stream>' */
  id?: string | undefined
}

/** What {@link MultiStreamRow} is told. */
export interface MultiStreamRowProps<
  Entity,
  Declared extends Streams,
  Name extends keyof Declared & string,
> {
  manager: MultiStreamManager<Entity, Declared>
  /** Its id, or the entity itself. */
  entity: string | NoInfer<Entity>
  /** The streams of the row, by name or with options. */
  streams: readonly (Name | Cell<Name>)[]
  /** Whether the cells may still change. @default for an entity what the manager says, else true */
  active?: boolean | undefined
  /** Whether each cell opens a connection of its own; a browser has six. @default false */
  connect?: boolean | undefined
  /** Puts the cells, which are trusted markup, into a row. */
  row: (id: string, cells: Record<Name, Html>) => JSX.Element
}

/**
 * The cells of one entity's streams, in a row that the app writes.
 *
 * @throws TypeError for an unknown stream.
 * @example
 * <MultiStreamRow manager={jobs} entity={job} streams={['state', { name: 'progress', class: 'wide' }]}
 *   row={(id, cells) => <tr id={`job-${id}`}>{cells.state}{cells.progress}</tr>} />
 */
export function MultiStreamRow<
  Entity,
  Declared extends Streams,
  const Name extends keyof Declared & string,
>({
  manager,
  entity,
  streams,
  active,
  connect = false,
  row,
}: MultiStreamRowProps<Entity, Declared, Name>): JSX.Element {
  const id = idOf(manager, entity)
  const names: Name[] = []
  const cells: JSX.Element[] = []
  for (const stream of streams) {
    const { name, ...options }: Cell<Name> = typeof stream === 'string' ? { name: stream } : stream
    names.push(name)
    cells.push(
      <StreamElement
        as="td"
        id={`${id}-${name}`}
        {...options}
        active={options.active ?? active}
        manager={manager}
        entity={entity}
        stream={name}
        connect={connect}
      />,
    )
  }
  const whole = (html: Html[]) =>
    row(id, Object.fromEntries(names.map((name, i) => [name, html[i]])) as Record<Name, Html>)
  return cells.every((cell) => typeof cell === 'string')
    ? whole(cells)
    : Promise.all(cells).then(whole)
}
