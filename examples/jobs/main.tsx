import { Database } from 'bun:sqlite'
import { Hub } from 'headwater'
import { app } from './app'
import { optionsOrExit } from './options'
import { Pool } from './pool'
import { Publisher } from './publisher'
import { Runner } from './runner'
import { Store } from './store'
import { jobStreams, logStreams } from './streams'

const { port, folders, database: file, workers, ...options } = await optionsOrExit()
const uploads = options.uploads ?? (file === ':memory:' ? undefined : `${file}.uploads`)

const database = new Database(file, { create: true, strict: true })
const hub = new Hub({ database })
const jobs = jobStreams(hub, (id) => runner.get(id))
const logs = logStreams(hub, (id) => runner.get(id))
const publisher = new Publisher({ hub, jobs, logs, all: () => runner.jobs() })
const runner = new Runner({
  store: new Store(database),
  pool: new Pool(workers === undefined ? {} : { size: workers }),
  ...(uploads !== undefined && { uploads }),
  ...(options.uploadLimit !== undefined && { uploadLimit: options.uploadLimit }),
  onChange: (job) => publisher.job(job),
  onLine: (job, line) => publisher.line(job, line),
})

// First of all: a process that gets no port may not take up the jobs of the one that has it.
const server = listenOrExit()

// What the last process stored and could not publish any more; a line's number is its key, so none is doubled.
for (const job of runner.jobs()) {
  const after = Math.max(await publisher.lastLine(job), job.lastLine - 1000)
  for (const line of runner.lines(job.id, { after })) publisher.line(job, line)
  publisher.job(job)
}
runner.open()
for (const folder of folders) {
  if (!runner.jobs().some((job) => job.folder === folder)) await runner.add(folder)
}

console.log(`http://127.0.0.1:${server.server?.port}`)

let isStopping = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (!isStopping) void stop()
    isStopping = true
  })
}

/** The work first, then who looks on, so that the last state of each job reaches the pages. */
async function stop(): Promise<void> {
  await runner.close()
  await hub.drain({ within: 500 })
  await server.stop(true)
  hub.close()
  database.close()
  process.exit(0)
}

function listenOrExit() {
  try {
    return app({ hub, runner, jobs, logs }).listen({
      port,
      hostname: '127.0.0.1',
      // The app has limits of its own, which say what is wrong.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      // Elysia would share the port with who has it, and each would get some of the requests.
      reusePort: false,
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    console.error(`Port ${port} is taken. Stop what listens there, or choose another with --port.`)
    process.exit(2)
  }
}
