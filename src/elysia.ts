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
      .mapResponse({ as: 'global' }, ({ set, responseValue }) => {
        if (hub.current?.addressed) set.headers['cache-control'] ??= 'private, no-store'
        check?.(responseValue)
      })
      .all(hub.path, serve, unparsed)
      .all(`${hub.path}/*`, serve, unparsed)
  )
}

/** Else a hook of the app that asks for bodies would have the server take in one of any size before the refusal. */
const unparsed = { parse: 'none' } as const

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
