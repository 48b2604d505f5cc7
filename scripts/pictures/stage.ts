/**
 * What takes the pictures of `docs/pictures/`: programs as people start them, seen in Chromium.
 *
 * The page is what the program serves; nothing is drawn over it. Where a picture shows work, the work is really going on.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { root } from '../setup'

/** Some pictures of one page. */
export interface Scene {
  /** With what its pictures' names begin; `bun run pictures NAME …` takes only these. */
  name: string
  /** Starts what serves the page. */
  start: (made: string) => Promise<Site>
  /**
   * Brings the page to what is to be seen, and takes the pictures.
   * @default waits until it is live and `ready` is there, then takes `light`, `dark` and `narrow`
   */
  show?: (stage: Stage) => Promise<void>
  /** A selector of what is waited for. */
  ready?: string
  /** @default '/' */
  path?: string
  /** In CSS pixels. @default 1280 × 700 */
  viewport?: { width: number; height: number }
}

/** A server of a scene. */
export interface Site {
  url: string
  stop(): Promise<void>
}

/** Where a scene is shown. */
export interface Stage {
  page: Page
  site: Site
  /** A folder for what the scene makes; its path is the same on every machine, because pictures show it. */
  made: string
  /** Opens a path, and resolves when its streams are open. */
  open(path?: string): Promise<void>
  /** Takes a picture of what is there: `<scene>-<what>.png`, or with '' `<scene>.png`. */
  shoot(what: string, options?: { fullPage?: boolean }): Promise<void>
  /** Takes it in light, dark and narrow. */
  shootAll(what?: string): Promise<void>
}

/** Milliseconds that a scene may take. */
const LIMIT = 90_000

const target = join(root, 'docs', 'pictures')

/** @throws what the scene throws, or an error when it takes too long. */
export async function play(browser: Browser, scene: Scene): Promise<void> {
  const made = join('/tmp/headwater-pictures', scene.name)
  rmSync(made, { recursive: true, force: true })
  mkdirSync(made, { recursive: true })
  mkdirSync(target, { recursive: true })
  const viewport = scene.viewport ?? { width: 1280, height: 700 }
  const context = await browser.newContext({ viewport, colorScheme: 'light' })
  context.setDefaultTimeout(20_000)
  let site: Site | undefined
  try {
    site = await within(10_000, `${scene.name} did not start`, scene.start(made))
    const stage = await setUp(await context.newPage(), site, { scene, made, viewport })
    const shown = (scene.show ?? showAsItIs)(stage, scene)
    await within(LIMIT, `${scene.name} took more than ${LIMIT / 1000} s`, shown)
  } finally {
    await context.close()
    await site?.stop()
    rmSync(made, { recursive: true, force: true })
  }
}

async function showAsItIs({ open, page, shootAll }: Stage, { ready }: Scene): Promise<void> {
  await open()
  if (ready !== undefined) await page.locator(ready).first().waitFor()
  await shootAll()
}

async function setUp(
  page: Page,
  site: Site,
  {
    scene,
    made,
    viewport,
  }: { scene: Scene; made: string; viewport: { width: number; height: number } },
): Promise<Stage> {
  let live = Promise.withResolvers<void>()
  // Before the script that calls it: in the other order the page may begin without it, and nobody would ever be told.
  await page.exposeFunction('isLive', () => live.resolve())
  await page.addInitScript(reportLive)
  const open = async (path = scene.path ?? '/') => {
    live = Promise.withResolvers<void>()
    await page.goto(site.url + path)
    const streams = await page.locator('[sse-connect]').count()
    if (streams > 0) await within(10_000, `${scene.name} did not come alive`, live.promise)
  }
  const shoot: Stage['shoot'] = async (what, { fullPage = false } = {}) => {
    const name = `${[scene.name, what].filter(Boolean).join('-')}.png`
    const path = join(target, name)
    await page.screenshot({ path, fullPage })
    console.log(`${name} ${Math.round(Bun.file(path).size / 1000)} KB`)
  }
  const shootAll: Stage['shootAll'] = async (what) => {
    const named = (look: string) => (what === undefined ? look : `${what}-${look}`)
    await page.mouse.move(0, 0)
    await shoot(named('light'))
    await page.emulateMedia({ colorScheme: 'dark' })
    await shoot(named('dark'))
    await page.emulateMedia({ colorScheme: 'light' })
    await page.setViewportSize({ width: 390, height: 780 })
    await shoot(named('narrow'))
    await page.setViewportSize(viewport)
  }
  return { page, site, made, open, shoot, shootAll }
}

/** Runs in the page: the stream is a worker's, whose requests nobody here sees. */
function reportLive(): void {
  document.addEventListener('headwater:open', () => {
    ;(globalThis as unknown as { isLive: () => void }).isLive()
  })
}

/**
 * Starts an example as people do, and resolves when it has printed its address.
 *
 * @param main its file, from the root of the repository
 */
export async function program(
  main: string,
  words: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Site> {
  const child = Bun.spawn([process.execPath, join(root, main), ...words], {
    env: { ...process.env, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const stop = async () => {
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await child.exited
    clearTimeout(late)
  }
  const reader = child.stdout.getReader()
  const decoder = new TextDecoder()
  let said = ''
  for (;;) {
    const { value, done } = await reader.read()
    said += decoder.decode(value, { stream: true })
    const [url] = /http:\/\/[\w.:]+/.exec(said) ?? []
    // A program whose words nobody reads any more would stop when the pipe is full.
    if (url && said.includes('\n')) {
      void drain(reader)
      return { url, stop }
    }
    if (done) throw new Error(`${main} ended before it printed an address`)
  }
}

async function drain(reader: { read(): Promise<{ done: boolean }> }): Promise<void> {
  while (!(await reader.read()).done);
}

async function within<T>(limit: number, late: string, promise: Promise<T>): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(late)), limit)
  return Promise.race([promise, over]).finally(() => clearTimeout(timer))
}
