/** @jsxImportSource @kitajs/html */
import { html } from '@elysiajs/html'
import { Elysia, t } from 'elysia'
import { swap, text } from 'headwater'
import { headwater } from 'headwater/elysia'
import { ChatError, type Chats } from './chats'
import { Field, Missing, Page } from './page'

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

/** Bytes of a request, some more than the longest question has as a form sends it: what is beyond gets no words. */
const longestBody = 512 * 1024

const words = { body: t.Object({ text: t.String() }) }

/** The routes: the conversations, and what can be done in them. */
export function app(chats: Chats) {
  return (
    new Elysia({ serve: { maxRequestBodySize: longestBody } })
      .use(html())
      .use(headwater(chats.hub))
      .headers({
        'content-security-policy': policy,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'same-origin',
      })
      .onRequest(({ request }) => refuse(request))
      .onError(({ error, code, request, body, params, set }) => {
        const [status, sentence] = reasonOf(error, code)
        if (status === 500) console.error(error)
        if (isHtmx(request)) {
          // htmx shows nothing of a 4xx. It goes to the notice, as what all forms are answered with.
          set.status = 200
          return markup(set, text(sentence))
        }
        set.status = status
        if (!request.headers.get('accept')?.includes('text/html')) return `${sentence}\n`
        const { id = '' } = (params ?? {}) as { id?: string }
        const conversation = chats.store.conversation(id)
        const isNew = status === 400 || status === 413
        if (!conversation && !isNew) return <Missing chats={chats} notice={sentence} />
        const { text: draft } = (body ?? {}) as { text?: string }
        return <Page chats={chats} conversation={conversation} notice={sentence} draft={draft} />
      })
      .get('/style.css', () => Bun.file(new URL('./style.css', import.meta.url)))
      .get('/chat.js', () => Bun.file(new URL('./chat.js', import.meta.url)))
      .get('/', () => <Page chats={chats} />)
      .get('/chats/:id', ({ params: { id } }) => (
        <Page chats={chats} conversation={chats.conversation(id)} />
      ))
      .post('/chats', async ({ body }) => to(`/chats/${(await chats.ask(body.text)).id}`), words)
      .post(
        '/chats/:id/messages',
        async ({ params: { id }, body, request, set }) => {
          await chats.ask(body.text, id)
          if (!isHtmx(request)) return to(`/chats/${id}#end`)
          return markup(
            set,
            swap.outerHTML('#text', await (<Field />)).innerHTML('#notice', '').html,
          )
        },
        words,
      )
      .post(
        '/chats/:id/messages/:message/edit',
        async ({ params: { id, message }, body, request, set }) => {
          await chats.edit(id, Number(message), body.text)
          return isHtmx(request) ? markup(set, '') : to(`/chats/${id}#end`)
        },
        words,
      )
      .post(
        '/chats/:id/messages/:message/retry',
        async ({ params: { id, message }, request, set }) => {
          await chats.retry(id, Number(message))
          return isHtmx(request) ? markup(set, '') : to(`/chats/${id}#end`)
        },
      )
      .post('/chats/:id/delete', async ({ params: { id }, request, set }) => {
        await chats.remove(id)
        if (!isHtmx(request)) return to('/')
        set.headers['hx-redirect'] = '/'
        return ''
      })
      // Of a path that no route takes, html() swallows a sentence that is no markup.
      .all('/*', () => {
        throw new ChatError(404, 'There is no such page.')
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

function isHtmx(request: Request): boolean {
  return request.headers.has('hx-request')
}

interface Settings {
  headers: Record<string, string | number>
}

function markup(set: Settings, html: string): string {
  set.headers['content-type'] = 'text/html; charset=utf-8'
  return html
}

function to(path: string): Response {
  return new Response(null, { status: 303, headers: { location: path } })
}

/** The status and the sentence of what was thrown. */
function reasonOf(error: unknown, code: string | number): [status: number, sentence: string] {
  if (error instanceof ChatError) return [error.status, error.message]
  if (code === 'VALIDATION' || code === 'PARSE') return [400, 'Write a question first.']
  return [500, 'Something went wrong here; the server has logged it.']
}
