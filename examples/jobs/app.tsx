/** @jsxImportSource @kitajs/html */
import { html } from '@elysiajs/html'
import { Elysia, t } from 'elysia'
import { type Hub, text } from 'headwater'
import { headwater } from 'headwater/elysia'
import { count } from './format'
import { JobError } from './job'
import { boundaryOf } from './multipart'
import { LogPane, Page, Refused, UploadForm } from './page'
import type { Runner } from './runner'
import type { Jobs, Logs } from './streams'
import type { Incoming } from './upload'

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "img-src 'self' data:",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Names under which it answers: those of this machine, and what `HOSTS` has, with commas between. */
const hosts = ['127.0.0.1', 'localhost', '[::1]', ...(process.env.HOSTS?.split(',') ?? [])]

/** Bytes of a request that brings no file: such a body is taken in as a whole. */
const SMALL = 1_048_576

const verbs = ['start', 'pause', 'resume', 'cancel'] as const

/** The routes: the page, the log of a job, its result, and what can be done to it. */
export function app(options: { hub: Hub; runner: Runner; jobs: Jobs; logs: Logs }) {
  const { hub, runner, jobs, logs } = options
  return (
    new Elysia()
      .use(html())
      .use(headwater(hub))
      .headers({
        'content-security-policy': policy,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'same-origin',
      })
      .onRequest(({ request }) => refuse(request))
      .onRequest(({ request }) => {
        const { pathname } = new URL(request.url)
        if (pathname === '/uploads' || hub.serves(pathname) || isSmall(request)) return
        return new Response('Expected a small body.\n', {
          status: 413,
          headers: { connection: 'close' },
        })
      })
      .onError(({ error, code, request, set }) => {
        const [status, sentence] = reasonOf(error, code)
        if (status === 500) console.error(error)
        if (isHtmx(request)) {
          // htmx shows nothing of a 4xx, and an error belongs to the notice, whatever the request was to fill.
          set.status = 200
          // A form that was replaced meanwhile could not find it any more; but then it is what it aims at.
          if (request.headers.get('hx-target') !== 'notice') set.headers['hx-retarget'] = '#notice'
          set.headers['hx-reswap'] = 'innerHTML'
          set.headers['hx-replace-url'] = 'false'
          return <Refused sentence={sentence} />
        }
        set.status = status
        if (!request.headers.get('accept')?.includes('text/html')) return `${sentence}\n`
        return <Page hub={hub} jobs={jobs} all={runner.jobs()} notice={sentence} />
      })
      .get('/', () => <Page hub={hub} jobs={jobs} all={runner.jobs()} />)
      .get('/style.css', () => Bun.file(new URL('./style.css', import.meta.url)))
      .get('/jobs/:id/log', ({ params: { id }, request }) => {
        const job = runner.result(id)
        const pane = <LogPane job={job} logs={logs} />
        if (isHtmx(request)) return pane
        return (
          <Page hub={hub} jobs={jobs} all={runner.jobs()}>
            {pane}
          </Page>
        )
      })
      // What the close button puts in the log's place.
      .get('/log', ({ request, redirect }) => (isHtmx(request) ? '' : redirect('/', 303)))
      .get('/jobs/:id', ({ params: { id: file } }) => {
        if (!file.endsWith('.json')) throw new JobError(404, `There is no ${JSON.stringify(file)}.`)
        return runner.result(file.slice(0, -'.json'.length))
      })
      // Another form, for what is uploaded next.
      .get('/uploads', ({ request, redirect }) =>
        isHtmx(request) ? <UploadForm /> : redirect('/', 303),
      )
      .post(
        '/uploads',
        async ({ request, set, server }) => {
          try {
            const { name } = await runner.receive(incoming(request))
            return done(request, set, `Uploaded ${name}.`)
          } catch (error) {
            // What is still to come is swallowed for a few seconds: cut at once, many senders would not see the answer, and
            // Chromium would send it all once more.
            server?.timeout(request, 1)
            throw error
          }
        },
        // Elysia would take in the whole of it first.
        { parse: 'none' },
      )
      .post('/start', ({ request, set }) => {
        const { length } = runner.startAll()
        if (length === 0) return done(request, set, 'No job was waiting to be started.')
        return done(request, set, `Started ${count(length)} ${length === 1 ? 'job' : 'jobs'}.`)
      })
      .post(
        '/jobs',
        async ({ body: { folder }, request, set }) => {
          const { name } = await runner.add(folder)
          return done(request, set, `Added ${name}.`)
        },
        { body: t.Object({ folder: t.String() }) },
      )
      .post('/jobs/:id/:verb', ({ params: { id, verb }, request, set }) => {
        const known = verbs.find((one) => one === verb)
        if (!known) throw new JobError(404, `A job cannot ${verb}.`)
        const { name, state } = runner[known](id)
        return done(request, set, `${name} is ${state}.`)
      })
      // Of a path that no route takes, html() swallows a sentence that is no markup.
      .all('/*', () => {
        throw new JobError(404, 'There is no such page.')
      })
  )
}

/** Refuses what is asked for under another name, which was made to mean this machine, and what another site posts. */
function refuse({ headers, method, url }: Request): Response | undefined {
  const own = URL.parse(url)
  if (!own || !hosts.includes(own.hostname)) return forbidden('Not under this name.')
  const site = headers.get('sec-fetch-site')
  const origin = headers.get('origin')
  const isForeign = site
    ? site !== 'same-origin' && site !== 'none'
    : origin !== null && URL.parse(origin)?.host !== own.host
  return isForeign && method !== 'GET' ? forbidden('Not from another site.') : undefined
}

function forbidden(sentence: string): Response {
  return new Response(`${sentence}\n`, { status: 403 })
}

/** The body of a form with files, nothing of which has been read. */
function incoming(request: Request): Incoming {
  const boundary = boundaryOf(request)
  if (!request.body) throw new JobError(400, 'Expected a file, got none.')
  const length = request.headers.get('content-length')
  return { body: request.body, boundary, size: length === null ? null : Number(length) }
}

function isSmall({ headers }: Request): boolean {
  return Number(headers.get('content-length') ?? 0) <= SMALL && !headers.has('transfer-encoding')
}

function isHtmx(request: Request): boolean {
  return request.headers.has('hx-request')
}

/** The status and the sentence of what was thrown. */
function reasonOf(error: unknown, code: string | number): [status: number, sentence: string] {
  if (error instanceof JobError) return [error.status, error.message]
  if (code === 'VALIDATION' || code === 'PARSE') return [400, 'Expected the path of a folder.']
  return [500, 'Something went wrong here; the server has logged it.']
}

/** To htmx a sentence for the notice; to a form without script the page again. */
function done(
  request: Request,
  set: { status?: number | string; headers: Record<string, string | number> },
  sentence: string,
) {
  set.headers['content-type'] = 'text/html; charset=utf-8'
  if (!isHtmx(request)) {
    set.status = 303
    set.headers.location = '/'
  }
  return text(sentence)
}
