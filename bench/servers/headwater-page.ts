/** Pages of jobs: `/<head>?rows=<count>`, with `own` a connection for each cell. */
import { join } from 'node:path'
import { Hub } from 'headwater'
import { Jobs } from '../browser/jobs'
import { declare, heads, Page } from '../browser/page'
import { answer, say } from '../child'
import { listen } from '../serving/listen'
import { byTheClock, cpuTime, timed } from '../serving/serve'

const { folder } = JSON.parse(process.argv[2] as string) as { folder: string }
const hub = new Hub({ database: join(folder, 'bench.db') })
const manager = declare(hub, (id) => jobs.all[Number(id)])
let jobs = new Jobs(0)

/** How often streams were asked for: the runtime posts what its page follows. */
const asked = { GET: 0, POST: 0 }

const port = listen(async (request, server) => {
  const { pathname, searchParams } = new URL(request.url)
  const stream = await hub.fetch(request, { server })
  if (stream && !pathname.startsWith(`${hub.path}/-/`)) asked[request.method as 'GET' | 'POST']++
  if (stream) return stream
  if (pathname === '/click') return new Response('clicked')
  const head = pathname.slice(1)
  if (!isHead(head)) return new Response('', { status: 404 })
  const own = searchParams.has('own')
  const page = await hub.page(request, () => Page({ hub, manager, jobs: jobs.all, head, own }))
  // What the page does not have yet: only its stream can bring it.
  if (searchParams.has('late')) await Promise.all([...jobs.changeAll()].map(publish))
  return new Response(`<!doctype html>${page}`, { headers: { 'content-type': 'text/html' } })
})

function isHead(name: string): name is keyof typeof heads {
  return Object.hasOwn(heads, name)
}

function publish({ job, field }: ReturnType<Jobs['change']>) {
  return manager.publish(job.id, field, job)
}

say({ port })
answer({
  rows: ({ rows }: { rows: number }) => {
    jobs = new Jobs(rows)
  },
  /** Changes one cell after the other by the clock. */
  update: ({ perSecond, seconds }: { perSecond: number; seconds: number }) =>
    timed(() => byTheClock(perSecond, seconds, () => publish(jobs.change()))),
  job: ({ id }: { id: string }) => jobs.all[Number(id)] ?? {},
  cpu: () => ({ cpu: cpuTime() }),
  asked: () => asked,
  stats: () => hub.stats(),
})
