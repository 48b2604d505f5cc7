/**
 * A manager of jobs: 1 and 2 run, 9 is done, no other is there.
 *
 * ```ts
 * const { jobs, set, finish } = manage(serve())
 * await set('1', 50)
 * await finish('1')
 * ```
 */
import { MultiStreamManager } from 'headwater'
import type { Site } from './serve'

/** An entity of the manager. */
export interface Job {
  id: string
  state: 'running' | 'done'
  value: number
}

/** What of the manager is otherwise. */
export type ManageOptions = Partial<ConstructorParameters<typeof MultiStreamManager<Job>>[1]>

/** Declares it at the hub of a site. */
export function manage({ hub }: Pick<Site, 'hub'>, options: ManageOptions = {}) {
  const rendered: unknown[] = []
  const known = new Map<string, Job>()
  for (const id of ['1', '2', '9']) {
    known.set(id, { id, state: id === '9' ? 'done' : 'running', value: 0 })
  }
  const jobs = new MultiStreamManager<Job>(hub, {
    name: 'job',
    getEntity: (id) => known.get(id),
    isActive: ({ state }) => state !== 'done',
    missing: (id) => `<i>no ${Bun.escapeHTML(id)}</i>`,
    ...options,
  })
    .register({
      name: 'progress',
      kind: 'state',
      render: (job, { final }) => {
        rendered.push(job)
        return `<b>${job.value}${final ? ' final' : ''}</b>`
      },
    })
    .register({ name: 'lines', kind: 'log', render: (line: string) => `<li>${line}</li>` })
  return {
    jobs,
    /** What the manager finds. */
    known,
    /** What it was rendered for, oldest first. */
    rendered,
    /** Publishes a job's new value. */
    set(id: string, value: number) {
      const job: Job = { id, state: 'running', value }
      known.set(id, job)
      return jobs.publish(id, 'progress', job)
    },
    /** Ends a job, at 100. */
    async finish(id: string) {
      known.set(id, { id, state: 'done', value: 100 })
      await jobs.finish(id)
    },
  }
}
