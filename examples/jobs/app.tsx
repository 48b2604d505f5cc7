/** @jsxImportSource @kitajs/html */
import { html } from '@elysiajs/html'
import { Elysia, t } from 'elysia'
import { type Hub, text } from 'headwater'
import { headwater } from 'headwater/elysia'
import { JobError } from './job'
import { LogPane, Page } from './page'
import type { Runner } from './runner'
import type { Jobs, Logs } from './streams'

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

const verbs = ['start', 'pause', 'resume', 'cancel'] as const

/** The routes: the page, the log of a job, its result, and what can be done to it. */
export function app(options: { hub: Hub; runner: Runner; jobs: Jobs; logs: Logs }) {
  const { hub, runner, jobs, logs } = options
  return new Elysia()
    .use(html())
    .use(headwater(hub))
    .headers({
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
    })
    .onBeforeHandle(({ request, status }) => {
      const site = request.headers.get('sec-fetch-site')
      const own = site === null || site === 'same-origin' || site === 'none'
      return request.method === 'GET' || own ? undefined : status(403, 'Not from another site.')
    })
    .onError(({ error, request, set }) => {
      if (!(error instanceof JobError)) return
      return answer(request, set, error.message, error.status)
    })
    .get('/', () => <Page hub={hub} jobs={jobs} all={runner.jobs()} />)
    .get('/style.css', () => Bun.file(new URL('./style.css', import.meta.url)))
    .get('/jobs/:id/log', async ({ params: { id } }) => {
      const job = runner.result(id)
      const { items } = await hub.history(logs.topic(id, 'lines'), { last: 200 })
      return <LogPane job={job} logs={logs} lines={items.map((item) => item.html)} />
    })
    .get('/jobs/:id', ({ params: { id: file } }) => {
      if (!file.endsWith('.json')) throw new JobError(404, `There is no ${JSON.stringify(file)}.`)
      return runner.result(file.slice(0, -'.json'.length))
    })
    .post('/start', ({ request, set }) => {
      const started = runner.startAll()
      return answer(request, set, `Started ${started.length} jobs.`)
    })
    .post(
      '/jobs',
      async ({ body: { folder }, request, set }) => {
        const { name } = await runner.add(folder)
        return answer(request, set, `Added ${name}.`)
      },
      { body: t.Object({ folder: t.String() }) },
    )
    .post('/jobs/:id/:verb', ({ params: { id, verb }, request, set }) => {
      const known = verbs.find((one) => one === verb)
      if (!known) throw new JobError(404, `A job cannot ${verb}.`)
      const { name, state } = runner[known](id)
      return answer(request, set, `${name} is ${state}.`)
    })
}

/** To htmx a sentence for the notice; to a form without script the page again; to others the status too. */
function answer(
  request: Request,
  set: { status?: number | string; headers: Record<string, string | number> },
  sentence: string,
  status?: number,
) {
  set.headers['content-type'] = 'text/html; charset=utf-8'
  if (request.headers.has('hx-request')) {
    return status ? `<strong role="alert">${text(sentence)}</strong>` : text(sentence)
  }
  set.status = status ?? 303
  if (!status) set.headers.location = '/'
  return text(sentence)
}
