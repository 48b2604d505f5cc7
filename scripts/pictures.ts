/**
 * `bun run pictures`: takes the pictures of `docs/pictures/` anew, of the real `examples/jobs` over folders made for them.
 *
 * The page is what the program serves; nothing is drawn over it. Where a picture shows work, the work is really going on.
 */
import { Database } from 'bun:sqlite'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import { app } from '../examples/jobs/app'
import { Pool } from '../examples/jobs/pool'
import { Runner } from '../examples/jobs/runner'
import { Store } from '../examples/jobs/store'
import { jobStreams, logStreams } from '../examples/jobs/streams'
import { Hub } from '../src'
import { ensureChromium, ensureDependencies, root } from './setup'

ensureDependencies()
const executablePath = ensureChromium()
if (!executablePath) process.exit(1)

/** Its path is seen in the messages of the pictures, so it is the same on every machine. */
const made = '/tmp/headwater-pictures'
const target = join(root, 'docs', 'pictures')
rmSync(made, { recursive: true, force: true })
mkdirSync(made, { recursive: true })
mkdirSync(target, { recursive: true })

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
try {
  await manyStates(browser)
  await fiftyRows(browser)
  await empty(browser)
} finally {
  await browser.close()
  rmSync(made, { recursive: true, force: true })
}

/** Eight jobs in all states: light, dark, narrow, and the log of the one that failed. */
async function manyStates(browser: Browser): Promise<void> {
  const done = folder('release-notes', { files: 120, bytes: 30_000 })
  const partly = folder('mail-archive', { files: 40, bytes: 1_000_000 })
  const cancelled = folder('old-backups', { files: 30, bytes: 2_000_000 })
  const paused = folder('sound-library', { files: 40, bytes: 3_000_000 })
  const failed = folder('camera-card', { files: 60, bytes: 1_500_000 })
  const running = [
    folder('photos-2025', { files: 90, bytes: 4_000_000 }),
    folder('map-tiles', { files: 900, bytes: 400_000 }),
  ]
  const waiting = folder('log-files', { files: 300, bytes: 50_000 })
  const queued = folder('drawings', { files: 12, bytes: 10_000 })
  const order = [done, ...running, paused, partly, failed, cancelled, waiting, queued]
  await using example = await start('states', ['--workers', '2', ...words(order)])

  const page = await example.open(browser, { width: 1280, height: 700 })
  const row = (path: string) => page.locator('#jobs-rows tr', { hasText: nameOf(path) })
  const press = (path: string, name: string) => row(path).getByRole('button', { name }).click()
  const becomes = (path: string, state: string) =>
    row(path).locator('.state', { hasText: state }).waitFor()
  await press(done, 'Start')
  await becomes(done, 'done')
  for (const [path, state, end] of [
    [partly, 'running', () => rmSync(join(partly, 'mail-archive-0040.dat'))],
    [cancelled, 'running', () => press(cancelled, 'Cancel')],
    [paused, 'running', () => press(paused, 'Pause')],
    [failed, 'running', () => rmSync(failed, { recursive: true })],
  ] as const) {
    await press(path, 'Start')
    await becomes(path, state)
    await row(path)
      .locator('.figure', { hasText: /^([5-9]|\d\d) \// })
      .waitFor()
    await end()
  }
  await becomes(failed, 'failed')
  for (const path of running) await press(path, 'Start')
  for (const path of running) await becomes(path, 'running')
  await press(waiting, 'Start')
  await row(running[0] as string)
    .locator('.figure', { hasText: 'left' })
    .waitFor()
  await row(running[1] as string)
    .locator('.figure', { hasText: 'left' })
    .waitFor()
  await row(running[1] as string)
    .getByText(/^\d\d+ \//)
    .waitFor()
  await page.locator('#notice').evaluate((notice) => {
    notice.textContent = ''
  })
  await page.mouse.move(0, 0)
  await shoot(page, 'jobs-light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await shoot(page, 'jobs-dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 390, height: 780 })
  await shoot(page, 'jobs-narrow')

  await page.setViewportSize({ width: 1280, height: 860 })
  await row(partly).getByRole('link', { name: 'Log' }).click()
  await page.getByText('Finished').waitFor()
  await page.fill('#folder', '/no/such/folder')
  await page.getByRole('button', { name: 'Add' }).click()
  await page.locator('#notice strong').waitFor()
  await page.mouse.move(0, 0)
  await shoot(page, 'jobs-error')
}

/** Fifty jobs, started at once. */
async function fiftyRows(browser: Browser): Promise<void> {
  const folders = Array.from({ length: 50 }, (_, i) =>
    folder(`volume-${String(i + 1).padStart(2, '0')}`, {
      files: 12 + ((i * 7) % 30),
      bytes: 150_000,
    }),
  )
  await using example = await start('fifty', words(folders))
  const page = await example.open(browser, { width: 1280, height: 900 })
  await page.getByRole('button', { name: 'Start all' }).click()
  await page.locator('#summary', { hasText: /1\d done/ }).waitFor()
  await shoot(page, 'jobs-50-rows', true)
}

/** Before the first job: the program begins with the packages of the project, so here its parts run without any. */
async function empty(browser: Browser): Promise<void> {
  const database = new Database(':memory:')
  const hub = new Hub({ database })
  const runner = new Runner({ store: new Store(database), pool: new Pool() })
  const find = (id: string) => runner.get(id)
  const site = app({ hub, runner, jobs: jobStreams(hub, find), logs: logStreams(hub, find) })
  site.listen({ port: 0, hostname: '127.0.0.1' })
  const page = await browser.newPage({ viewport: { width: 1280, height: 360 } })
  await page.goto(`http://127.0.0.1:${site.server?.port}`)
  await shoot(page, 'jobs-empty')
  await page.close()
  await runner.close()
  await site.server?.stop(true)
  hub.close()
}

/** The program as `bun run demo` starts it, with a database of its own. */
async function start(name: string, words: string[]) {
  const main = join(root, 'examples', 'jobs', 'main.tsx')
  const database = join(made, `${name}.db`)
  const child = Bun.spawn([process.execPath, main, '--database', database, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { value } = await child.stdout.getReader().read()
  const address = new TextDecoder().decode(value).trim()
  return {
    async open(browser: Browser, viewport: { width: number; height: number }): Promise<Page> {
      const page = await browser.newPage({ viewport, colorScheme: 'light' })
      const live = new Promise<void>((resolve) => page.exposeFunction('isLive', resolve))
      await page.addInitScript(reportLive)
      await page.goto(address)
      await live
      return page
    },
    async [Symbol.asyncDispose](): Promise<void> {
      child.kill('SIGTERM')
      await child.exited
    },
  }
}

/** Runs in the page: the stream is a worker's, whose requests nobody here sees. */
function reportLive(): void {
  const { isLive } = globalThis as unknown as { isLive: () => void }
  document.addEventListener('headwater:open', () => isLive())
}

async function shoot(page: Page, name: string, fullPage = false): Promise<void> {
  const path = join(target, `${name}.png`)
  await page.screenshot({ path, fullPage })
  console.log(`${name}.png ${Math.round(Bun.file(path).size / 1000)} KB`)
}

/** A folder with text of about so many bytes a file; some files are larger, as they are in life. */
function folder(name: string, { files, bytes }: { files: number; bytes: number }): string {
  const path = join(made, name)
  mkdirSync(path)
  for (let i = 1; i <= files; i++) {
    const number = String(i).padStart(4, '0')
    writeFileSync(
      join(path, `${name}-${number}.dat`),
      content(Math.round(bytes * (0.5 + (i % 3) / 2)), i),
    )
  }
  return path
}

/** Lines of digits, repeated beyond what gzip looks back, so that it has work with them. */
function content(bytes: number, seed: number): string {
  let line = ''
  for (let n = seed; line.length < 65_536; n = (n * 48_271) % 2_147_483_647) line += `${n}\n`
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes)
}

function words(folders: readonly string[]): string[] {
  return folders.flatMap((path) => ['--folder', path])
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
