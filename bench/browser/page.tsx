/** @jsxImportSource @kitajs/html */
import { type Hub, MultiStreamManager } from 'headwater'
import {
  HeadwaterHead,
  MultiStreamRow,
  MultiStreamTable,
  ProgressBar,
  StatusBadge,
} from 'headwater/components'
import type { Job } from './jobs'

/** How a page is made live. */
export const heads = {
  /** htmx 2 with its extension, and nothing of Headwater's. */
  stock: { htmx: 2, runtime: false },
  /** htmx 4 with Headwater's extension, which gives it `sse-connect` and `sse-swap`, and nothing else of it. */
  'extension-htmx4': { htmx: 4, runtime: false },
  headwater: { htmx: 2, runtime: true },
  'headwater-htmx4': { htmx: 4, runtime: true },
} as const

export type Manager = ReturnType<typeof declare>

/** The streams: a state of each field. */
export function declare(hub: Hub, find: (id: string) => Job | undefined) {
  return new MultiStreamManager<Job>(hub, { name: 'job', getEntity: find, guard: 'public' })
    .register({
      name: 'state',
      kind: 'state',
      render: ({ state }) => <StatusBadge state={state} />,
    })
    .register({
      name: 'done',
      kind: 'state',
      render: ({ id, done }) => <ProgressBar label={`Progress of job ${id}`} value={done} />,
    })
    .register({ name: 'rate', kind: 'state', render: ({ rate }) => `${rate} KB/s` })
    .register({ name: 'note', kind: 'state', render: ({ note }) => <span safe>{note}</span> })
}

/** What {@link Page} is told. */
export interface PageProps {
  hub: Hub
  manager: Manager
  jobs: readonly Job[]
  head: keyof typeof heads
  /** Whether each cell has an `sse-connect` of its own. */
  own: boolean
}

/** All jobs, live. */
export function Page({ hub, manager, jobs, head, own }: PageProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <link rel="icon" href="data:," />
        <HeadwaterHead hub={hub} title="Jobs" {...heads[head]} />
      </head>
      <body>
        {own ? <OwnCells manager={manager} jobs={jobs} /> : <Table manager={manager} jobs={jobs} />}
      </body>
    </html>
  )
}

function Table({ manager, jobs }: Pick<PageProps, 'manager' | 'jobs'>) {
  return (
    <MultiStreamTable
      manager={manager}
      entities={jobs}
      caption="Jobs"
      columns={[
        { header: 'Job', as: 'th', render: ({ id }) => <b safe>{id}</b> },
        { header: 'State', stream: 'state' },
        { header: 'Progress', stream: 'done' },
        { header: 'Rate', stream: 'rate' },
        { header: 'Note', stream: 'note' },
      ]}
    />
  )
}

function OwnCells({ manager, jobs }: Pick<PageProps, 'manager' | 'jobs'>) {
  return (
    <table>
      <tbody>
        {jobs.map((job) => (
          <MultiStreamRow
            manager={manager}
            entity={job}
            streams={['state', 'done', 'rate', 'note']}
            connect
            row={(id, safe) => (
              <tr>
                <th scope="row" safe>
                  {id}
                </th>
                {safe.state}
                {safe.done}
                {safe.rate}
                {safe.note}
              </tr>
            )}
          />
        ))}
      </tbody>
    </table>
  )
}
