import { Database } from 'bun:sqlite'
import { Hub, swap } from 'headwater'
import { tableRow } from 'headwater/components'
import { app } from './app'
import type { Job } from './job'
import { optionsOrExit } from './options'
import { columns } from './page'
import { Pool } from './pool'
import { Runner } from './runner'
import { Store } from './store'
import { jobStreams, logStreams } from './streams'

const { port, folders, database: file } = await optionsOrExit()

const database = new Database(file, { create: true, strict: true })
const hub = new Hub({ database })
const jobs = jobStreams(hub, (id) => runner.get(id))
const logs = logStreams(hub, (id) => runner.get(id))
/** What stands still while a job runs, by job: published only when it changes. */
const shown = new Map<string, string>()
const runner = new Runner({
  store: new Store(database),
  pool: new Pool(),
  onChange: show,
  onLine: ({ id }, line) => report(logs.publish(id, 'lines', line)),
})

// What the last process stored and could not publish any more; a line's number is its key, so none is doubled.
for (const job of runner.jobs()) {
  const { items } = await hub.history(logs.topic(job.id, 'lines'), { last: 1 })
  for (const line of runner.lines(job.id, { after: Number(items[0]?.key ?? 0) })) {
    report(logs.publish(job.id, 'lines', line))
  }
  show(job)
}
runner.open()
for (const folder of folders) {
  if (!runner.jobs().some((job) => job.folder === folder)) await runner.add(folder)
}

const server = app({ hub, runner, jobs, logs }).listen({ port, hostname: '127.0.0.1' })
console.log(`http://127.0.0.1:${server.server?.port}`)

let stopping: Promise<void> | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stopping ??= stop()
  })
}

/** Publishes a job: its row when it is new, then the cells that may look different. */
function show(job: Job): void {
  const still = JSON.stringify([job.state, job.error])
  if (!shown.has(job.id)) report(addRow(job))
  if (shown.get(job.id) !== still) {
    report(jobs.publish(job.id, 'state', job))
    report(jobs.publish(job.id, 'actions', job))
  }
  shown.set(job.id, still)
  for (const stream of ['progress', 'files', 'speed', 'left', 'current'] as const) {
    report(jobs.publish(job.id, stream, job))
  }
}

/** A page that follows all jobs gets the row before what comes of its cells. */
async function addRow(job: Job): Promise<void> {
  const row = await tableRow({ manager: jobs, entity: job, columns })
  await hub.publish(`job:${job.id}:row`, swap.beforeend('#jobs-rows', row), { key: 'row' })
}

function report(published: Promise<unknown>): void {
  published.catch((error) => console.error(error))
}

async function stop(): Promise<void> {
  await runner.close()
  await hub.drain({ within: 500 })
  await server.stop(true)
  hub.close()
  database.close()
  process.exit(0)
}
