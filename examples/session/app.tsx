/** @jsxImportSource @kitajs/html */
import { html } from '@elysiajs/html'
import { Elysia, t } from 'elysia'
import { headwater } from 'headwater/elysia'
import { cookieName, type Live, sessionOf } from './live'
import { NoteField, Notes, SignIn } from './page'
import { lasts, type Store } from './store'

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

/** The routes: the page, to sign in and out, and to add a note. */
export function app(live: Live, store: Store) {
  return new Elysia()
    .use(html())
    .use(headwater(live.hub))
    .headers({
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
    })
    .onRequest(({ request }) => refuse(request))
    .get('/style.css', () => Bun.file(new URL('./style.css', import.meta.url)))
    .get('/', ({ request, set }) => {
      set.headers['cache-control'] = 'private, no-store'
      const session = sessionOf(request, store)
      return session ? (
        <Notes live={live} store={store} session={session} />
      ) : (
        <SignIn live={live} />
      )
    })
    .post(
      '/sign-in',
      async ({ request, body, set }) => {
        const user = body.user.trim().toWellFormed()
        if (user === '' || user.length > 40) {
          set.status = 400
          return <SignIn live={live} notice="Expected a name of 1 to 40 characters." />
        }
        const { id } = sessionOf(request, store) ?? {}
        if (id !== undefined) await live.signOut(id)
        const { cookie } = store.signIn(user)
        await live.counted()
        return home(cookieOf(request, cookie, lasts / 1_000))
      },
      { body: t.Object({ user: t.String() }) },
    )
    .post('/sign-out', async ({ request }) => {
      const session = sessionOf(request, store)
      if (session) await live.signOut(session.id)
      return home(cookieOf(request, '', 0))
    })
    .post(
      '/notes',
      async ({ request, body, set }) => {
        const session = sessionOf(request, store)
        const isHtmx = request.headers.has('hx-request')
        if (!session) {
          if (!isHtmx) return home()
          set.headers['hx-redirect'] = '/'
          return ''
        }
        const text = body.text.trim().slice(0, 500)
        if (text !== '') {
          await live.notes.publish(session.user, 'list', store.add(session.user, text))
        }
        return isHtmx ? <NoteField /> : home()
      },
      { body: t.Object({ text: t.String() }) },
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

function home(cookie?: string): Response {
  const headers = new Headers({ location: '/' })
  if (cookie !== undefined) headers.set('set-cookie', cookie)
  return new Response(null, { status: 303, headers })
}

/** No script can read it, and no other site's form or picture sends it. */
function cookieOf(request: Request, value: string, maxAge: number): string {
  return new Bun.Cookie(cookieName, value, {
    httpOnly: true,
    sameSite: 'lax',
    secure: new URL(request.url).protocol === 'https:',
    path: '/',
    maxAge,
  }).toString()
}
