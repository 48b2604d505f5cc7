import { type Hub, swap } from 'headwater'
import { tableRow } from 'headwater/components'
import * as cells from './cells'
import type { Job, Line } from './job'
import { columnsOf } from './page'
import { type Jobs, type Logs, SUMMARY } from './streams'

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
  /** And the points of its chart: a change of the job seldom is one of them. */
  readonly #rates = new Map<string, Job['rates']>()

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** A job changed, or is new: then its row comes first. Its state comes last, so that "done" never stands beside older figures. */
  job(job: Job): void {
    const { jobs } = this.#options
    const before = this.#states.get(job.id)
    this.#states.set(job.id, job.state)
    if (before === undefined) report(this.#addRow(job))
    if (this.#rates.get(job.id) !== job.rates) report(jobs.publish(job.id, 'rates', job))
    this.#rates.set(job.id, job.rates)
    for (const stream of ['progress', 'files', 'speed', 'left', 'current'] as const) {
      report(jobs.publish(job.id, stream, job))
    }
    if (before === job.state) return
    report(jobs.publish(job.id, 'state', job))
    report(jobs.publish(job.id, 'actions', job))
    report(this.#summary())
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
    const { jobs } = this.#options
    const row = tableRow({ manager: jobs, entity: job, columns: columnsOf(jobs) })
    await jobs.patch(job.id, swap.beforeend('#jobs-rows', row), { key: 'row' })
  }

  async #summary(): Promise<void> {
    const { hub, all } = this.#options
    await hub.publish(SUMMARY, swap.innerHTML('#summary', cells.Summary({ jobs: all() })), {
      key: 'summary',
    })
  }
}

function report(published: Promise<unknown>): void {
  published.catch((error) => console.error(error))
}
