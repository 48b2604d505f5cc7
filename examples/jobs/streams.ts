import { type Hub, MultiStreamManager } from 'headwater'
import * as cells from './cells'
import type { Job, Line } from './job'

/** The topic of the line above the table. Of no entity, yet among those that the table's one connection follows. */
export const SUMMARY = 'job:all:summary'

export type Jobs = ReturnType<typeof jobStreams>
export type Logs = ReturnType<typeof logStreams>

/** What the rows of the table show. A job that has ended may be started again, so none is ever static. */
export function jobStreams(hub: Hub, getEntity: (id: string) => Job | undefined) {
  hub.topic(SUMMARY, { kind: 'state' })
  return new MultiStreamManager<Job>(hub, { name: 'job', getEntity })
    .register({ name: 'state', kind: 'state', render: cells.State })
    .register({ name: 'progress', kind: 'state', render: cells.Progress })
    .register({ name: 'files', kind: 'state', render: cells.Files })
    .register({ name: 'speed', kind: 'state', render: cells.Speed })
    .register({ name: 'rates', kind: 'state', render: cells.Rates })
    .register({ name: 'left', kind: 'state', render: cells.Left })
    .register({ name: 'current', kind: 'state', render: cells.Current })
    .register({ name: 'actions', kind: 'state', render: cells.Actions })
}

/** The lines of a job, apart from its row: only who has opened its log gets them. */
export function logStreams(hub: Hub, getEntity: (id: string) => Job | undefined) {
  return new MultiStreamManager<Job>(hub, { name: 'log', getEntity }).register<'lines', Line>({
    name: 'lines',
    kind: 'log',
    key: (line: Line) => line.n,
    render: cells.LogLine,
  })
}
