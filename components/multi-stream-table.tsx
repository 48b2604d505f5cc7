/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import type { Html } from '../src/html'
import type { MultiStreamManager, Streams } from '../src/manager'
import { Connected } from './connected'
import { type Cell, MultiStreamRow } from './multi-stream-row'
import { isContent, Tag } from './tag'

/** What every column says. */
interface AnyColumn {
  header: string | number
  /** The tag of its cells; `th` heads the row. @default 'td' */
  as?: 'td' | 'th' | undefined
  /** Of its cells and its header. */
  class?: string | undefined
}

/** A column of cells that change. */
export interface StreamColumn<Name extends string> extends AnyColumn {
  stream: Name
  render?: undefined
}

/** A column of cells that stay as they are, with trusted content. */
export interface StaticColumn<Entity> extends AnyColumn {
  stream?: undefined
  render: (entity: Entity) => JSX.Element
}

/**
 * A column of a table.
 *
 * @example const columns: Column<Job, typeof jobs>[] = [{ header: 'Name', render: Name, as: 'th' }, { header: 'State', stream: 'state' }]
 */
export type Column<Entity, Manager extends { readonly streams: readonly string[] }> =
  | StreamColumn<Manager['streams'][number]>
  | StaticColumn<Entity>

/** What {@link tableRow} is told. */
export interface TableRowProps<Entity, Declared extends Streams> {
  manager: MultiStreamManager<Entity, Declared>
  entity: NoInfer<Entity>
  columns: readonly NoInfer<StreamColumn<keyof Declared & string> | StaticColumn<Entity>>[]
}

/** What {@link MultiStreamTable} is told. */
export interface MultiStreamTableProps<Entity, Declared extends Streams>
  extends Omit<TableRowProps<Entity, Declared>, 'entity'> {
  /** One row each. A row's id is `<manager>-<entity>`. */
  entities: Iterable<NoInfer<Entity>>
  caption: string | number
  /** That of the table; the body of its rows is `<id>-rows`, its caption `<id>-caption`. @default 'hw-<manager>' */
  id?: string | undefined
  /** What stands under the header while there are no rows. @default nothing */
  empty?: Children
  /** What stands below the table, on the same connection. */
  children?: Children
}

/**
 * A table of entities, live over one connection, to {@link MultiStreamManager.all}.
 *
 * An entity that comes later is a patch: `swap.beforeend('#hw-job-rows', await tableRow({ manager, entity, columns }))`,
 * published to a topic of that entity before its cells.
 */
export function MultiStreamTable<Entity, Declared extends Streams>({
  manager,
  entities,
  columns,
  caption,
  id = `hw-${manager.name}`,
  empty,
  children,
}: MultiStreamTableProps<Entity, Declared>) {
  const rows = [...entities].map((entity) => tableRow({ manager, entity, columns }))
  return (
    <Connected to={manager.all()}>
      <Tag as="div" class="hw-table" role="region" aria-labelledby={`${id}-caption`} tabindex={0}>
        <Tag as="table" id={id}>
          <Tag as="caption" id={`${id}-caption`} text={caption} />
          <thead>
            <tr>
              {columns.map(({ header, class: name }) => (
                <Tag as="th" scope="col" class={name} text={header} />
              ))}
            </tr>
          </thead>
          <Tag as="tbody" id={`${id}-rows`}>
            {rows}
          </Tag>
          {isContent(empty) && (
            // Hidden, not absent: with the theme it comes when the last row goes.
            <tbody class="hw-empty" hidden={rows.length > 0}>
              <tr>
                <td colspan={columns.length}>{empty}</td>
              </tr>
            </tbody>
          )}
        </Tag>
      </Tag>
      {children}
    </Connected>
  )
}

/** One row exactly as {@link MultiStreamTable} makes it, for the patch that adds or replaces it. */
export function tableRow<Entity, Declared extends Streams>({
  manager,
  entity,
  columns,
}: TableRowProps<Entity, Declared>): JSX.Element {
  const streams = columns.flatMap((column) => (column.render ? [] : [cellOf(column)]))
  const row = (id: string, cells: Record<string, Html>) => (
    <Tag as="tr" id={`${manager.name}-${id}`}>
      {columns.map((column) =>
        column.render ? (
          <Tag as={column.as ?? 'td'} scope={scopeOf(column)} class={column.class}>
            {column.render(entity)}
          </Tag>
        ) : (
          (cells[column.stream] as JSX.Element)
        ),
      )}
    </Tag>
  )
  return <MultiStreamRow manager={manager} entity={entity} streams={streams} row={row} />
}

function cellOf<Name extends string>(column: StreamColumn<Name>): Cell<Name> {
  const { stream: name, as, class: className } = column
  return { name, as: as ?? 'td', scope: scopeOf(column), class: className }
}

function scopeOf({ as }: AnyColumn) {
  return as === 'th' ? 'row' : undefined
}
