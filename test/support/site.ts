/**
 * A hub behind a real server, with pages that load stock htmx 2 and its extension and nothing else.
 */
import type { Server } from 'bun'
import { Hub } from '../../src'
import type { HubOptions } from '../../src/options'
import { html, javascript, scripts } from './browser'

/** A running site. */
export interface LiveSite {
  hub: Hub
  url: string
  port: number
  /** The paths of all requests so far, with their Last-Event-ID. */
  requests: { path: string; lastEventId: string | null; at: number }[]
  /** Answers the next stream requests with this, as long as it gives something. */
  intercept: ((request: Request) => Response | undefined) | undefined
  close(): Promise<void>
}

const head = `<meta charset="utf-8"><title>test</title>
<meta name="htmx-config" content='{"includeIndicatorStyles":false,"allowEval":false}'>
<link rel="icon" href="data:,"><script src="/htmx.js"></script><script src="/sse.js"></script>`

/** Starts it. `routes` render pages by path, inside `hub.page`, after the cursor was taken. */
export function startSite(
  options: HubOptions & { port?: number },
  routes: (hub: Hub) => Record<string, (url: URL) => string | Promise<string>>,
): LiveSite {
  const { port = 0, ...rest } = options
  const hub = new Hub({ onRefuse: () => {}, ...rest })
  const pages = routes(hub)
  const server: Server<undefined> = Bun.serve({
    port,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    async fetch(request, server) {
      const url = new URL(request.url)
      const lastEventId = request.headers.get('last-event-id')
      site.requests.push({ path: url.pathname, lastEventId, at: Date.now() })
      if (url.pathname === '/htmx.js') return javascript(scripts.htmx2)
      if (url.pathname === '/sse.js') return javascript(scripts.sse2)
      if (url.pathname.startsWith(hub.path)) {
        const instead = site.intercept?.(request)
        if (instead) return instead
      }
      const stream = await hub.fetch(request, { server })
      if (stream) return stream
      const page = pages[url.pathname]
      if (!page) return new Response('', { status: 404 })
      const body = await hub.page(request, () => page(url))
      return request.headers.has('hx-request')
        ? html(body)
        : html(`<!doctype html><html lang="en"><head>${head}</head><body>${body}</body></html>`)
    },
  })
  const site: LiveSite = {
    hub,
    url: server.url.href,
    port: server.port ?? 0,
    requests: [],
    intercept: undefined,
    async close() {
      hub.close()
      await server.stop(true)
    },
  }
  return site
}
