/** @jsxImportSource @kitajs/html */
/**
 * The names that are promised to users, used as the design uses them. Nothing here runs: the type check is the test.
 */

import { Elysia } from 'elysia'
import { Hub, MultiStreamManager, swap, text } from 'headwater'
import {
  HeadwaterHead,
  MultiStreamRow,
  MultiStreamTable,
  StreamElement,
} from 'headwater/components'
import { headwater } from 'headwater/elysia'
import { memoryLog, sqliteLog } from 'headwater/log'

interface Job {
  id: string
  state: string
  done: number
  total: number
}
interface Line {
  n: number
  text: string
}
declare function find(id: string): Job | undefined
declare function tail(
  id: string,
  after: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<Line>
declare const request: Request, server: import('bun').Server<undefined>, list: Job[], job: Job
function Progress({ value, max, label }: { value: number; max: number; label: string }) {
  return <progress value={value} max={max} title={label} />
}
const hub = new Hub({
  database: 'app.db',
  secret: process.env.SECRET,
  path: '/stream',
  viewer: (request) => request.headers.get('x'),
  limits: {},
  onError: console.error,
})
hub.topic('room:*', {
  kind: 'log',
  keep: { count: 1000, age: 86_400_000 },
  guard: (request, topic) => request.method === 'GET' && topic === 'x',
  snapshot: (topic) => <p safe>{topic}</p>,
})
await hub.publish('room:1', <li id="m1">hi</li>, { key: 'a' })
hub.open(request, ['room:1', 'room:2'], { server })
hub.fetch(request, { server })
hub.address(['room:1'], { since: hub.cursor(), viewer: 'x', expires: 5 })
hub.page(request, () => 'x')
await hub.history('room:1', { last: 50 })
hub.stats()
await hub.drain({ within: 5_000 })
hub.close()
const jobs = new MultiStreamManager<Job>(hub, {
  name: 'job',
  getEntity: (id) => find(id),
  isActive: (job) => job.state !== 'done',
  missing: (id) => <i safe>{id}</i>,
  guard: 'signed',
})
  .register({
    name: 'progress',
    kind: 'state',
    render: (job, { id, final }) => (
      <Progress value={job.done} max={final ? job.done : job.total} label={id} />
    ),
  })
  .register({
    name: 'lines',
    kind: 'log',
    key: (line) => line.n,
    source: (id, { signal, after }) => tail(id, after, signal),
    render: (line) => <li safe>{line.text}</li>,
  })
jobs.element('42', 'progress', { as: 'td', id: 'p42', connect: true, content: 'x' })
// @ts-expect-error a typo
jobs.element('42', 'progres')
jobs.publish('42', 'progress', job)
jobs.finish('42')
jobs.all()
export const a = <StreamElement manager={jobs} entity="42" stream="progress" as="td" connect />
export const b = (
  <MultiStreamRow
    manager={jobs}
    entity={job}
    streams={['progress', { name: 'lines', as: 'td', id: 'x', content: 'c', active: true }]}
    active
    row={(id, cells) => (
      <tr id={id}>
        {cells.progress}
        {cells.lines}
      </tr>
    )}
  />
)
export const c = (
  <MultiStreamTable
    manager={jobs}
    entities={list}
    columns={[{ stream: 'progress', header: 'Progress' }]}
    caption="Jobs"
  />
)
new Elysia().use(headwater(hub))
void [memoryLog(), sqliteLog('x'), swap, text, HeadwaterHead]
