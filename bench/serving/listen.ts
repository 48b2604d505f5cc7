import type { Server } from 'bun'

/** Plain `Bun.serve`, without an idle limit of its own. */
export function listen(
  fetch: (request: Request, server: Server<undefined>) => Response | Promise<Response | undefined>,
): number {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    fetch: async (request, server) => (await fetch(request, server)) ?? new Response('?'),
  })
  return server.port as number
}
