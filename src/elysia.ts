import { Elysia } from 'elysia'
import type { Hub } from './hub'
import { warnings } from './markup'
import { urlOf } from './origin'

/**
 * The Elysia plugin: serves the hub's streams, and takes the cursor of every page before its data is read.
 *
 * Give the server to it before the routes that render pages. Pages that hold addresses are marked
 * `Cache-Control: private, no-store`, unless they say something else.
 *
 * For a path that no route takes, `onError` answers with markup: of text and data `html()` makes nothing, and a `Response` goes
 * out unmarked. A last route `.all('/*', …)` that throws has neither limit.
 *
 * Unless `NODE_ENV` is `production`, whole pages are checked, and each {@link warnings | warning} is printed once.
 *
 * @example new Elysia().use(html()).use(headwater(hub)).get('/', () => <Page />)
 */
export function headwater(hub: Hub) {
  const serve = ({ request, server }: { request: Request; server: unknown }) =>
    hub.fetch(request, { server: (server as Bun.Server<unknown> | null) ?? undefined })
  const check = process.env.NODE_ENV === 'production' ? undefined : printer()
  return (
    new Elysia({ name: 'headwater', seed: hub.path })
      .onRequest(({ request }) =>
        hub.serves(urlOf(request).pathname) ? undefined : hub.enter(request),
      )
      // Pages of errors too, which `onAfterHandle` does not see.
      .mapResponse({ as: 'global' }, ({ set, responseValue, error }: Answer) => {
        if (hub.current?.addressed) set.headers['cache-control'] ??= 'private, no-store'
        check?.(responseValue)
        return isErrorPage(responseValue, error) ? responseValue : undefined
      })
      .all(hub.path, serve, unparsed)
      .all(`${hub.path}/*`, serve, unparsed)
  )
}

/** Else a hook of the app that asks for bodies would have the server take in one of any size before the refusal. */
const unparsed = { parse: 'none' } as const

/** What is read of Elysia's context, whose type leaves out `error`. All of it at once would have Elysia read every body. */
interface Answer {
  set: { headers: Record<string, string | number> }
  responseValue: unknown
  error?: unknown
}

/**
 * Whether it is the answer of an `onError`. Where no route has thrown, as for an unknown path, Elysia 1.4 sends what
 * `mapResponse` gives, be it nothing. The words of an error that no `onError` took are left to the next plugin.
 *
 * The type is narrower than the truth: Elysia maps whatever it is given, but declares a `Response`.
 */
function isErrorPage(value: unknown, error: unknown): value is Response {
  return error !== undefined && value !== Object(error).response
}

/** Prints each warning of whole pages once. */
function printer() {
  const printed = new Set<string>()
  return (page: unknown) => {
    // A page for each entity may have its own warning; after so many the point is made.
    if (typeof page !== 'string' || !page.includes('<html') || printed.size >= 100) return
    for (const warning of warnings(page)) {
      if (printed.has(warning)) continue
      printed.add(warning)
      console.warn(`headwater: ${warning}`)
    }
  }
}
