/**
 * Chromium under `bun test`: one browser per process, a fresh context per page, everything recorded.
 *
 * ```ts
 * afterAll(closeBrowser)
 *
 * test('C-00 a click reaches the server', async () => {
 *   const site = serve((request) =>
 *     new URL(request.url).pathname === '/htmx.js'
 *       ? javascript(scripts.htmx2)
 *       : html('<script src="/htmx.js"></script><button hx-get="/x">go</button>'),
 *   )
 *   const { page, seen } = await newPage()
 *   await page.goto(site.url)
 *   await page.click('button')
 *   await until(() => seen.requests.some((url) => url.endsWith('/x')))
 *   expect(seen.consoleErrors).toEqual([])
 * })
 * ```
 */
import { readFileSync } from 'node:fs'
import type { Server } from 'bun'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import { chromiumFlags, chromiumPath } from '../../scripts/setup'

/** What a page did since it was opened, oldest first. */
export interface Seen {
  /** Console messages of the level error. A blocked script and a failed request are among them. */
  consoleErrors: string[]
  /** Exceptions that nobody caught. */
  pageErrors: string[]
  /** What a content security policy blocked, as `<directive> <what>`, or the console's own words. */
  violations: string[]
  /** The URL of every request, that of the page too. Those of a worker are not among them. */
  requests: string[]
  /** Each address that came to be followed over the stream of the browser runtime, and its connection. */
  follows: { address: string; connection: string }[]
}

/** A page alone in its context: no cookies, storage or connections of another. */
export interface OpenPage {
  page: Page
  context: BrowserContext
  seen: Seen
}

/** What a page may differ in. */
export interface PageOptions {
  /** @default true */
  javaScript?: boolean
  /** @default 'light' */
  colorScheme?: 'light' | 'dark'
  /** In CSS pixels. @default 1280 × 720 */
  viewport?: { width: number; height: number }
}

/** A server of one test on 127.0.0.1. {@link closeBrowser} closes it if the test did not. */
export interface Site {
  /** `http://127.0.0.1:<port>`, without a slash at the end. */
  url: string
  server: Server<undefined>
  /** Cuts open responses and frees the port. */
  close(): Promise<void>
}

let launched: Promise<Browser> | undefined
const sites = new Set<Site>()

/** The scripts that users load, byte for byte as their packages ship them. */
export const scripts = {
  /** htmx 2. */
  get htmx2() {
    return installed('htmx.org/dist/htmx.min.js')
  },
  /** htmx-ext-sse, the extension of htmx 2. */
  get sse2() {
    return installed('htmx-ext-sse/dist/sse.min.js')
  },
  /** htmx 4. */
  get htmx4() {
    return installed('htmx4/dist/htmx.min.js')
  },
  /** The extension that htmx 4 ships for SSE. */
  get sse4() {
    return installed('htmx4/dist/ext/hx-sse.min.js')
  },
}

/** The browser of this process, launched at the first call. */
export function browser(): Promise<Browser> {
  launched ??= chromium.launch({
    executablePath: chromiumPath(),
    headless: true,
    // People have a back/forward cache, and live pages must survive it; Playwright switches it off.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    args: chromiumFlags,
  })
  return launched
}

/** Closes the browser with all its pages, and every server of {@link serve}: `afterAll(closeBrowser)`. */
export async function closeBrowser(): Promise<void> {
  const closing = launched
  launched = undefined
  await (await closing)?.close()
  await Promise.all([...sites].map((site) => site.close()))
}

/** A fresh context with one page, and the record of what it does. */
export async function newPage(options: PageOptions = {}): Promise<OpenPage> {
  const { javaScript = true, colorScheme = 'light', viewport } = options
  const context = await (await browser()).newContext({
    javaScriptEnabled: javaScript,
    colorScheme,
    ...(viewport && { viewport }),
  })
  const seen: Seen = {
    consoleErrors: [],
    pageErrors: [],
    violations: [],
    requests: [],
    follows: [],
  }
  await context.exposeBinding('headwaterViolation', (_, what: string) => seen.violations.push(what))
  await context.exposeBinding('headwaterFollows', (source, follow: Seen['follows'][number]) => {
    if (source.page === page) seen.follows.push(follow)
  })
  await context.addInitScript(reportViolations)
  await context.addInitScript(reportFollows)
  const page = await context.newPage()
  page.on('console', (message) => {
    const text = message.text()
    if (message.type() === 'error') seen.consoleErrors.push(text)
    if (/content security policy/i.test(text)) seen.violations.push(text)
  })
  page.on('pageerror', (error) => seen.pageErrors.push(error.message))
  page.on('request', (request) => seen.requests.push(request.url()))
  return { page, context, seen }
}

/** Serves one test on a free port of 127.0.0.1, without an idle limit. */
export function serve(
  handler: (request: Request, server: Server<undefined>) => Response | Promise<Response>,
): Site {
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, idleTimeout: 0, fetch: handler })
  const site: Site = {
    url: `http://127.0.0.1:${server.port}`,
    server,
    async close() {
      sites.delete(site)
      await server.stop(true)
    },
  }
  sites.add(site)
  return site
}

/** A page as a response. A doctype is put before markup that has none. */
export function html(markup: string, headers: Record<string, string> = {}): Response {
  const whole = /^\s*<!doctype/i.test(markup) ? markup : `<!doctype html>${markup}`
  return new Response(whole, {
    headers: { 'content-type': 'text/html; charset=utf-8', ...headers },
  })
}

/** A script as a response. */
export function javascript(source: string | Uint8Array<ArrayBuffer>): Response {
  return new Response(source, { headers: { 'content-type': 'text/javascript; charset=utf-8' } })
}

/**
 * Waits until `fn` gives a truthy value and returns it; tests never sleep instead.
 *
 * @param options.timeout in milliseconds. @default 5000
 * @param options.what the words for it in the error. @default the source of `fn`
 * @throws Error when the time is over, with the last exception of `fn` as its cause.
 */
export async function until<T>(
  fn: () => T | Promise<T>,
  { timeout = 5_000, what = String(fn) }: { timeout?: number; what?: string } = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + timeout
  let cause: unknown
  do {
    try {
      const value = await fn()
      if (value) return value
    } catch (error) {
      cause = error
    }
    await Bun.sleep(5)
  } while (performance.now() < end)
  throw new Error(`Waited ${timeout} ms in vain for ${what}`, { cause })
}

function installed(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`../../node_modules/${path}`, import.meta.url)))
}

/** Runs in the page, before its own scripts. */
function reportViolations(): void {
  const report = (globalThis as unknown as { headwaterViolation: (what: string) => void })
    .headwaterViolation
  document.addEventListener('securitypolicyviolation', (event) => {
    report(`${event.violatedDirective} ${event.blockedURI || event.sourceFile}`)
  })
}

/** Runs in the page, before its own scripts. */
function reportFollows(): void {
  const report = (
    globalThis as unknown as { headwaterFollows: (follow: Seen['follows'][number]) => void }
  ).headwaterFollows
  document.addEventListener('headwater:open', (event) => {
    const { target, detail } = event as CustomEvent<{ connection: string }>
    const address = (target as Element).getAttribute('sse-connect') ?? ''
    report({ address, connection: detail.connection })
  })
}
