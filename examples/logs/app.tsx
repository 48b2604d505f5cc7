/** @jsxImportSource @kitajs/html */
import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { html } from '@elysiajs/html'
import { Elysia, t } from 'elysia'
import { type Hub, swap, text } from 'headwater'
import { headwater } from 'headwater/elysia'
import type { Board, Log } from './board'
import type { Folders } from './folders'
import { Page, Panel, Refused } from './page'
import { Refusal } from './refusal'
import { readAt } from './stretch'

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  'img-src data:',
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Names under which it answers: those of this machine, and what `HOSTS` has, with commas between. */
const hosts = ['127.0.0.1', 'localhost', '[::1]', ...(process.env.HOSTS?.split(',') ?? [])]

/** Earlier lines of one answer. */
const most = 1_000
/** Lines before them, of which colours and levels may hold on. */
const looked = 100
/** Bytes of a download that are read at a time. */
const chunk = 256 * 1_024

/** The routes: the page, to open, stop and close a log, its earlier lines, and all of it as a file. */
export function app({ hub, board, folders }: { hub: Hub; board: Board; folders: Folders }) {
  const page = async (notice?: string) => (
    <Page hub={hub} board={board} files={await folders.list()} notice={notice} />
  )
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
      .onError(async ({ error, code, request, set }) => {
        const [status, sentence] = reasonOf(error, code)
        if (status === 500) console.error(error)
        if (isHtmx(request)) {
          // htmx shows nothing of a 4xx, and an error belongs to the notice, whatever the request was to fill.
          set.status = 200
          set.headers['hx-retarget'] = '#notice'
          set.headers['hx-reswap'] = 'innerHTML'
          return <Refused sentence={sentence} />
        }
        set.status = status
        if (!request.headers.get('accept')?.includes('text/html')) return `${sentence}\n`
        return page(sentence)
      })
      .get('/', () => page())
      .get('/style.css', () => Bun.file(new URL('./style.css', import.meta.url)))
      .get('/logs.js', () => Bun.file(new URL('./logs.js', import.meta.url)))
      .post('/files', async ({ body, request }) => opened(request, await board.file(body.file)), {
        body: t.Object({ file: t.String() }),
      })
      .post(
        '/programs',
        async ({ body, request }) => opened(request, await board.run(body.command)),
        {
          body: t.Object({ command: t.String() }),
        },
      )
      .post('/logs/:id/stop', ({ params: { id }, request }) => {
        const { name } = board.stop(id)
        return isHtmx(request) ? answer(text(`${name} was told to stop.`)) : home()
      })
      .post('/logs/:id/close', async ({ params: { id }, request }) => {
        await board.close(id)
        return isHtmx(request) ? answer('') : home()
      })
      .get(
        '/logs/:id/earlier',
        async ({ params: { id }, query: { before, count } }) => {
          const { lines, tail } = board.find(id)
          const wanted = Math.min(count, most)
          const all = await tail.before(before, wanted + looked)
          const from = Math.max(0, all.length - wanted)
          return answer(lines.rows(all.slice(from), all.slice(0, from)))
        },
        {
          query: t.Object({ before: t.Integer(), count: t.Integer({ minimum: 1, default: 200 }) }),
        },
      )
      .get('/logs/:id/file', async ({ params: { id } }) => {
        const log = board.find(id)
        // Asked again: since it was opened something else may have taken its name.
        const { handle, path } = log.isProgram
          ? { handle: await open(log.path), path: log.path }
          : await folders.open(log.path)
        return new Response(await contentOf(handle), {
          headers: {
            'content-type': 'text/plain; charset=utf-8',
            'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(basename(path))}`,
          },
        })
      })
      // Of a path that no route takes, html() swallows a sentence that is no markup.
      .all('/*', () => {
        throw new Refusal(404, 'There is no such page.')
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

/** What is in a file by now, of the very one that was checked. It is closed at the end, and when the reader leaves. */
async function contentOf(handle: FileHandle): Promise<ReadableStream<Uint8Array>> {
  const { size } = await handle.stat()
  let at = 0
  return new ReadableStream({
    async pull(controller) {
      try {
        const bytes = await readAt(handle, at, Math.min(chunk, size - at))
        at += bytes.length
        if (bytes.length > 0) return controller.enqueue(bytes)
        controller.close()
        await handle.close()
      } catch (error) {
        await handle.close()
        throw error
      }
    },
    cancel: () => handle.close(),
  })
}

function isHtmx(request: Request): boolean {
  return request.headers.has('hx-request')
}

/** To htmx the log, to a form without script the page again. */
async function opened(request: Request, log: Log): Promise<Response> {
  if (!isHtmx(request)) return home()
  // What was refused before is settled.
  return answer((await (<Panel log={log} />)) + swap.innerHTML('#notice', '').html)
}

function answer(markup: string): Response {
  return new Response(markup, { headers: { 'content-type': 'text/html; charset=utf-8' } })
}

function home(): Response {
  return new Response(null, { status: 303, headers: { location: '/' } })
}

/** The status and the sentence of what was thrown. */
function reasonOf(error: unknown, code: string | number): [status: number, sentence: string] {
  if (error instanceof Refusal) return [error.status, error.message]
  if (code === 'VALIDATION' || code === 'PARSE') return [400, 'That was not understood.']
  return [500, 'Something went wrong here; the server has logged it.']
}
