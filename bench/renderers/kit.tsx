/** @jsxImportSource @kitajs/html */
/** The table as the kit's components make it. */
import { Hub, MultiStreamManager } from 'headwater'
import { MultiStreamTable, ProgressBar, StatusBadge } from 'headwater/components'
import type { Job } from './jobs'

const manager = new MultiStreamManager<Job>(new Hub(), {
  name: 'job',
  getEntity: () => undefined,
  guard: 'public',
})
  .register({
    name: 'state',
    kind: 'state',
    render: (job: Job) => <StatusBadge state={job.state} />,
  })
  .register({
    name: 'progress',
    kind: 'state',
    render: ({ name, done }: Job) => <ProgressBar label={`Progress of ${name}`} value={done} />,
  })

/** The table of these jobs. */
export function table(jobs: Job[]) {
  return (
    <MultiStreamTable
      manager={manager}
      entities={jobs}
      caption="Jobs"
      columns={[
        { header: 'Name', as: 'th', render: ({ name }) => <b safe>{name}</b> },
        { header: 'State', stream: 'state' },
        { header: 'Progress', stream: 'progress' },
      ]}
    />
  )
}
