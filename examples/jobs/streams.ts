import { type Hub, MultiStreamManager, swap } from 'headwater'
import { tableRow } from 'headwater/components'
import * as cells from './cells'
import type { Job, Line } from './job'
import { columns } from './page'

export type Jobs = ReturnType<typeof jobStreams>
export type Logs = ReturnType<typeof logStreams>

/** What the rows of the table show. A job that has ended may be started again, so none is ever static. */
export function jobStreams(hub: Hub, getEntity: (id: string) => Job | undefined) {
  // Of no entity, yet among the topics that the table's one connection follows.
  hub.topic(SUMMARY, { kind: 'state' })
  return new MultiStreamManager<Job>(hub, { name: 'job', getEntity })
    .register({ name: 'state', kind: 'state', render: cells.State })
    .register({ name: 'progress', kind: 'state', render: cells.Progress })
    .register({ name: 'files', kind: 'state', render: cells.Files })
    .register({ name: 'speed', kind: 'state', render: cells.Speed })
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

/** What {@link Publisher} is told. */
export interface PublisherOptions {
  hub: Hub
  jobs: Jobs
  logs: Logs
  /** All jobs as they stand. */
  all: () => Job[]
}

/** Publishes what happens to jobs. What fails is printed: the jobs go on. */
export class Publisher {
  readonly #options: PublisherOptions
  /** The state of each job as it was published last. */
  readonly #states = new Map<string, Job['state']>()

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** A job changed, or is new: then its row comes first. */
  job(job: Job): void {
    const { jobs } = this.#options
    const before = this.#states.get(job.id)
    this.#states.set(job.id, job.state)
    if (before === undefined) report(this.#addRow(job))
    if (before !== job.state) {
      report(jobs.publish(job.id, 'state', job))
      report(jobs.publish(job.id, 'actions', job))
      report(this.#summary())
    }
    for (const stream of ['progress', 'files', 'speed', 'left', 'current'] as const) {
      report(jobs.publish(job.id, stream, job))
    }
  }

  /** A job has a new line. */
  line({ id }: Job, line: Line): void {
    report(this.#options.logs.publish(id, 'lines', line))
  }

  /** The number of the newest line that was published, of those that are kept. */
  async lastLine({ id }: Job): Promise<number> {
    const { hub, logs } = this.#options
    const { items } = await hub.history(logs.topic(id, 'lines'), { last: 1 })
    return Number(items[0]?.key ?? 0)
  }

  /** With a key, so that the row of an earlier process is not added again. */
  async #addRow(job: Job): Promise<void> {
    const { hub, jobs } = this.#options
    const row = tableRow({ manager: jobs, entity: job, columns })
    await hub.publish(`job:${job.id}:row`, swap.beforeend('#jobs-rows', row), { key: 'row' })
  }

  async #summary(): Promise<void> {
    const { hub, all } = this.#options
    await hub.publish(SUMMARY, swap.innerHTML('#summary', cells.Summary({ jobs: all() })), {
      key: 'summary',
    })
  }
}

const SUMMARY = 'job:all:summary'

function report(published: Promise<unknown>): void {
  published.catch((error) => console.error(error))
}
