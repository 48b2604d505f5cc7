import { Elysia } from 'elysia'
import type { Hub } from './hub'

/**
 * The Elysia plugin: serves the hub's streams, and takes the cursor of every page before its data is read.
 *
 * Give the server to it before the routes that render pages. Pages that hold addresses are marked
 * `Cache-Control: private, no-store`, unless they say something else.
 *
 * @example new Elysia().use(html()).use(headwater(hub)).get('/', () => <Page />)
 */
export function headwater(hub: Hub) {
  const serve = ({ request, server }: { request: Request; server: unknown }) =>
    hub.fetch(request, { server: (server as Bun.Server<unknown> | null) ?? undefined })
  return new Elysia({ name: 'headwater', seed: hub.path })
    .onRequest(({ request }) => {
      if (!new URL(request.url).pathname.startsWith(hub.path)) return hub.enter(request)
      return undefined
    })
    .onAfterHandle({ as: 'global' }, ({ set }) => {
      if (hub.current?.addressed) set.headers['cache-control'] ??= 'private, no-store'
    })
    .all(hub.path, serve)
    .all(`${hub.path}/*`, serve)
}
