/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import { start, text } from '../src/html'
import type { MultiStreamManager, Streams } from '../src/manager'
import { Connected } from './connected'
import { idOf } from './stream-element'
import { isContent, Tag, withHtml } from './tag'

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
  const rows = Array.from(entities, rowsOf(manager, columns))
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
  return rowsOf(manager, columns)(entity)
}

/** Makes the row of an entity; what all rows share is made once. */
function rowsOf<Entity, Declared extends Streams>(
  manager: MultiStreamManager<Entity, Declared>,
  columns: TableRowProps<Entity, Declared>['columns'],
): (entity: Entity) => JSX.Element {
  const cells = columns.map((column) =>
    column.render ? staticCell(column) : streamCell(manager, column),
  )
  const before = `<tr id="${text(manager.name)}-`
  return (entity) => {
    const id = idOf(manager, entity)
    return withHtml(
      cells.map((cell) => cell(entity, id)),
      (html) => `${before}${text(id)}">${html}</tr>`,
    )
  }
}

/** Makes the cell of an entity, whose id it is told too. */
type MakeCell<Entity> = (entity: Entity, id: string) => JSX.Element

function staticCell<Entity>(column: StaticColumn<Entity>): MakeCell<Entity> {
  const { as = 'td', class: className, render } = column
  const before = `${start(as, { scope: scopeOf(column), class: className })}>`
  const after = `</${as}>`
  return (entity) => withHtml(render(entity), (html) => before + html + after)
}

function streamCell<Entity, Declared extends Streams>(
  manager: MultiStreamManager<Entity, Declared>,
  column: StreamColumn<keyof Declared & string>,
): MakeCell<Entity> {
  const { stream, as = 'td', class: className } = column
  const cell = manager.elements(stream, as, { scope: scopeOf(column), class: className })
  return (entity, id) => {
    // A text is an id: nothing else is known of its entity.
    if (typeof entity === 'string') return cell(id)
    const begins = manager.initial(entity, stream)
    return withHtml(begins, (content) => cell(id, { content, active: manager.isActive(entity) }))
  }
}

function scopeOf({ as }: AnyColumn) {
  return as === 'th' ? 'row' : undefined
}
