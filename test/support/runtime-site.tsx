/**
 * A hub behind a real server, with pages that load what `HeadwaterHead` gives them, for htmx 2 or 4, under a strict
 * content security policy; and the record of all stream requests, as the server saw them.
 *
 * ```ts
 * const site = await startRuntimeSite({ htmx: 4 }, ({ board }) => ({ '/': () => board.cell('1') }))
 * site.intercept = () => new Response('busy', { status: 503 })
 * ```
 *
 * Run as a program, it is a server that is killed and started again: {@link startSiteProgram}.
 */
import type { Server } from 'bun'
import { HeadwaterHead } from '../../components'
import { Hub } from '../../src'
import type { HubOptions } from '../../src/options'
import { given, Program, say } from './program'
import { type Board, declareBoard } from './runtime-board'

/** Of htmx. */
export type Major = 2 | 4

/** How scripts and styles are let in. Without `worker-src` the browser starts no worker. */
export type Policy = 'self' | 'nonce' | 'nonce without worker'

/** How a site is made, beside how its hub is. */
export interface RuntimeSiteOptions extends HubOptions {
  htmx: Major
  /** @default true */
  runtime?: boolean | undefined
  /** @default 'self' */
  policy?: Policy | undefined
  /** @default a free one */
  port?: number | undefined
  /** Changes what stands in the head. */
  head?: ((markup: string) => string) | undefined
  /** Awaited before a file is served, by its name. */
  file?: ((name: string) => unknown) | undefined
}

/** A request to the hub's path, other than for a file. */
export interface StreamRequest {
  method: string
  /** With the query. */
  path: string
  /** The connection that is to be changed. */
  connection?: string | undefined
  /** The addresses that it asks for. */
  follow: { id: string; address: string; cursor?: string | undefined }[]
  /** The ids that it gives up. */
  drop: string[]
  headers: Headers
  at: number
}

/** Content of a page by its path. A response is sent as it is. */
export type Routes = Record<
  string,
  (request: Request, url: URL) => JSX.Element | Response | Promise<Response>
>

/** A running site. */
export interface RuntimeSite {
  hub: Hub
  board: Board
  port: number
  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  url: string
  /** All stream requests so far, oldest first. */
  readonly requests: StreamRequest[]
  /** Those that ask for a stream, not for a change of one. */
  readonly opens: StreamRequest[]
  /** Answers stream requests with what it gives. */
  intercept: ((asked: StreamRequest) => Response | undefined) | undefined
  /** What `onError` was told. */
  errors: unknown[]
  close(): Promise<void>
}

const workers = "connect-src 'self'; img-src data:; worker-src 'self'"
const policies: Record<Policy, (nonce: string) => string> = {
  self: () => `default-src 'none'; script-src 'self'; style-src 'self'; ${workers}`,
  nonce: (nonce) =>
    `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; ${workers}`,
  'nonce without worker': (nonce) =>
    `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; img-src data:`,
}

/** Starts one. `routes` are asked inside of `hub.page`, after the cursor was taken. */
export async function startRuntimeSite(
  { htmx, runtime = true, policy = 'self', port = 0, head, file, ...options }: RuntimeSiteOptions,
  routes: (site: { hub: Hub; board: Board }) => Routes = () => ({}),
): Promise<RuntimeSite> {
  const errors: unknown[] = []
  const hub = new Hub({
    secret: 'of the tests',
    onRefuse: () => {},
    onError: (error) => errors.push(error),
    ...options,
  })
  const board = await declareBoard(hub)
  const pages: Routes = { '/answer': () => `<b>${Date.now()}</b>`, ...routes({ hub, board }) }
  const show = async (request: Request) => {
    const url = new URL(request.url)
    const content = await pages[url.pathname]?.(request, url)
    if (content === undefined) return new Response('There is no such page.', { status: 404 })
    if (content instanceof Response) return content
    const nonce = policy === 'self' ? undefined : crypto.randomUUID()
    const headers = {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policies[policy](nonce ?? ''),
    }
    const { headers: asked } = request
    if (asked.has('hx-request') && !asked.has('hx-history-restore-request')) {
      return new Response(content, { headers })
    }
    return new Response(await wholePage({ hub, htmx, runtime, nonce, content, head }), { headers })
  }
  const server: Server<undefined> = Bun.serve({
    hostname: '127.0.0.1',
    port,
    idleTimeout: 0,
    async fetch(request, server) {
      const { pathname } = new URL(request.url)
      if (pathname === '/page.css') return stylesheet()
      if (pathname.startsWith(`${hub.path}/-/`)) await file?.(pathname.split('/').at(-1) ?? '')
      else if (hub.serves(pathname)) {
        const asked = await read(request)
        site.requests.push(asked)
        const instead = site.intercept?.(asked)
        if (instead) return instead
      }
      return (await hub.fetch(request, { server })) ?? hub.page(request, () => show(request))
    },
  })
  const site: RuntimeSite = {
    hub,
    board,
    port: server.port ?? 0,
    url: `http://127.0.0.1:${server.port}`,
    requests: [],
    get opens() {
      return site.requests.filter(({ connection }) => connection === undefined)
    },
    intercept: undefined,
    errors,
    async close() {
      hub.close()
      await server.stop(true)
    },
  }
  return site
}

/** What a stream request says. Its body is left for the hub. */
async function read(request: Request): Promise<StreamRequest> {
  const { pathname, search } = new URL(request.url)
  const said = request.method === 'POST' ? JSON.parse(await request.clone().text()) : {}
  return {
    method: request.method,
    path: pathname + search,
    connection: said.connection,
    follow: said.follow ?? [],
    drop: said.drop ?? [],
    headers: request.headers,
    at: Date.now(),
  }
}

interface WholePageProps {
  hub: Hub
  htmx: Major
  runtime: boolean
  nonce: string | undefined
  content: JSX.Element
  head: RuntimeSiteOptions['head']
}

async function wholePage({ hub, htmx, runtime, nonce, content, head }: WholePageProps) {
  const own = await HeadwaterHead({ hub, htmx, runtime, nonce, title: 'Runtime' })
  return (
    <>
      {'<!doctype html>'}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <link rel="icon" href="data:," />
          <link rel="stylesheet" href="/page.css" nonce={nonce} />
          {head?.(own) ?? own}
        </head>
        <body>
          {content}
          <button id="ask" type="button" hx-get="/answer" hx-target="#answer" hx-swap="innerHTML">
            ask
          </button>
          <p id="answer" />
        </body>
      </html>
    </>
  )
}

/** For boxes that scroll: a style attribute is blocked. */
function stylesheet(): Response {
  const css = '.box { height: 60px; overflow: auto } .tall { height: 600px }'
  return new Response(css, { headers: { 'content-type': 'text/css' } })
}

/** What a program of {@link startSiteProgram} is started with. */
interface SiteProgramOptions {
  htmx: Major
  database: string
  port: number
  retry: number
}

type Order = { count: string } | { say: [id: string, count: number] }
type Said = { port: number } | { done: true } | { active: number }

/** A site in a process of its own, with a page of one cell and one log of the id `1`. */
export async function startSiteProgram(options: SiteProgramOptions) {
  const program = new Program<Said>(import.meta.path, options)
  const { port } = await program.hears((said) => 'port' in said)
  let told = 0
  const tell = async (order: Order) => {
    const wanted = ++told
    program.tell(order)
    await program.until(({ said }) => said.filter((one) => 'done' in one).length >= wanted)
  }
  return {
    port,
    count: (id: string) => tell({ count: id }),
    say: (id: string, count: number) => tell({ say: [id, count] }),
    /** Open streams, as the server says them last. */
    active: () => {
      const last = program.said.findLast((said) => 'active' in said)
      return last?.active
    },
    /** Ends it with SIGKILL, by its pid. */
    kill: () => program.kill(),
  }
}

if (import.meta.main) {
  const { htmx, database, port, retry } = given<SiteProgramOptions>()
  const {
    board,
    hub,
    port: at,
  } = await startRuntimeSite({ htmx, database, port, limits: { retry } }, ({ board }) => ({
    '/': async () => board.cell('1') + (await board.list('1')),
  }))
  await board.recall('1')
  let active = -1
  setInterval(() => {
    if (active === hub.stats().active) return
    active = hub.stats().active
    say({ active })
  }, 5)
  process.on('message', async (order: Order) => {
    if ('count' in order) await board.count(order.count)
    else await board.say(...order.say)
    say({ done: true })
  })
  say({ port: at })
}
