/**
 * What the pages of the runtime's tests are about: cells with a number each, and logs of numbered lines.
 */
import { type Hub, MultiStreamManager } from '../../src'

/** Something with a number. */
export interface Cell {
  id: string
  n: number
}

/** The streams of a board, and what the test says through them. */
export type Board = Awaited<ReturnType<typeof declareBoard>>

/** Declares them; values and lines of before are those in the hub's log. */
export async function declareBoard(hub: Hub) {
  const values = new Map<string, number>()
  const lines = new Map<string, number>()
  const over = new Set<string>()
  const cellOf = (id: string): Cell => ({ id, n: values.get(id) ?? 0 })
  const cells = new MultiStreamManager<Cell>(hub, {
    name: 'cell',
    getEntity: cellOf,
    isActive: ({ id }) => !over.has(id),
  }).register({ name: 'value', kind: 'state', render: ({ n }) => `<b>${n}</b>` })
  const logs = new MultiStreamManager<{ id: string }>(hub, {
    name: 'log',
    getEntity: (id) => ({ id }),
  }).register({
    name: 'lines',
    kind: 'log',
    keep: { count: 10_000 },
    key: (n: number) => n,
    render: (n: number) => `<li>${n}</li>`,
  })
  return {
    hub,
    cells,
    logs,
    value: (id: string) => values.get(id) ?? 0,
    last: (id: string) => lines.get(id) ?? 0,
    /** Takes up what was published before this process. */
    async recall(id: string) {
      const [value] = (await hub.history(cells.topic(id, 'value'), { last: 1 })).items
      const [line] = (await hub.history(logs.topic(id, 'lines'), { last: 1 })).items
      values.set(id, Number(value?.html.replace(/\D/g, '') ?? 0))
      lines.set(id, Number(line?.key ?? 0))
    },
    /** Shows the next number of a cell. */
    async count(id: string) {
      values.set(id, (values.get(id) ?? 0) + 1)
      await cells.publish(id, 'value', cellOf(id))
    },
    /** Adds so many lines. */
    async say(id: string, count = 1) {
      const published: Promise<unknown>[] = []
      for (let i = 0; i < count; i++) {
        const n = (lines.get(id) ?? 0) + 1
        lines.set(id, n)
        published.push(logs.publish(id, 'lines', n))
      }
      await Promise.all(published)
    },
    /** Ends a cell. */
    async finish(id: string) {
      over.add(id)
      await cells.finish(id)
    },
    /** A cell with a connection of its own. */
    cell: (id: string, { as = 'span', connect = true } = {}) =>
      cells.element(id, 'value', {
        as,
        id: `cell-${id}`,
        connect,
        content: `<b>${values.get(id) ?? 0}</b>`,
      }),
    /** The lines of a log, with a connection of its own, and what is kept in it. */
    async list(id: string, { connect = true } = {}) {
      const content = await logs.initial({ id }, 'lines')
      return logs.element(id, 'lines', { as: 'ol', id: `lines-${id}`, connect, content })
    },
  }
}
