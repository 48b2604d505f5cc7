import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { app } from '../../examples/jobs/app'
import { Pool } from '../../examples/jobs/pool'
import { Runner } from '../../examples/jobs/runner'
import { Store } from '../../examples/jobs/store'
import { jobStreams, logStreams } from '../../examples/jobs/streams'
import { Hub } from '../../src'
import { program, type Scene, type Site, type Stage } from './stage'

/** The pictures of `examples/jobs`, over folders made for them. */
export const jobs: Scene[] = [
  { name: 'jobs', start: states, show: showStates, viewport: { width: 1280, height: 860 } },
  { name: 'jobs-50-rows', start: fifty, show: showFifty, viewport: { width: 1280, height: 900 } },
  { name: 'jobs-empty', start: empty, show: showEmpty, viewport: { width: 1280, height: 360 } },
]

/** The folders of the jobs in all states, by how it goes with them. */
const folders = {
  done: 'release-notes',
  running: 'map-tiles',
  paused: 'sound-library',
  partly: 'mail-archive',
  failed: 'camera-card',
  cancelled: 'old-backups',
  waiting: 'log-files',
  queued: 'drawings',
}

function states(made: string): Promise<Site> {
  const paths = [
    folder(made, folders.done, { files: 120, bytes: 30_000 }),
    folder(made, folders.running, { files: 950, bytes: 400_000 }),
    folder(made, folders.paused, { files: 40, bytes: 3_000_000 }),
    folder(made, folders.partly, { files: 40, bytes: 1_000_000 }),
    folder(made, folders.failed, { files: 60, bytes: 1_500_000 }),
    folder(made, folders.cancelled, { files: 30, bytes: 2_000_000 }),
    folder(made, folders.waiting, { files: 300, bytes: 50_000 }),
    folder(made, folders.queued, { files: 12, bytes: 10_000 }),
  ]
  return start(made, [...paths, '--workers', '1'])
}

/** Jobs in all states, two uploads among them; and the log of one beside a request that was refused. */
async function showStates({ page, site, made, open, shoot, shootAll }: Stage): Promise<void> {
  await open()
  const row = (name: string) => page.locator('#jobs-rows tr', { hasText: name })
  const press = (name: string, button: string) =>
    row(name).getByRole('button', { name: button }).click()
  const becomes = (name: string, state: string) =>
    row(name).locator('.state', { hasText: state }).waitFor()
  const counts = (name: string) =>
    row(name)
      .locator('.figure', { hasText: /^([5-9]|\d\d+) \// })
      .waitFor()
  await press(folders.done, 'Start')
  await becomes(folders.done, 'done')
  for (const [name, end] of [
    [folders.partly, () => rmSync(join(made, folders.partly, 'mail-archive-0040.dat'))],
    [folders.cancelled, () => press(folders.cancelled, 'Cancel')],
    [folders.paused, () => press(folders.paused, 'Pause')],
    [folders.failed, () => renameSync(join(made, folders.failed), join(made, 'away'))],
  ] as const) {
    await press(name, 'Start')
    await counts(name)
    await end()
    await row(name)
      .locator('.state', { hasText: /done|cancelled|paused|failed/ })
      .waitFor()
  }
  await press(folders.running, 'Start')
  await press(folders.waiting, 'Start')
  const broken = await upload(page, site, join(made, 'interview.wav'))
  await row('interview.wav').locator('progress[value]').waitFor()
  await broken.close()
  await becomes('interview.wav', 'failed')
  const going = await upload(page, site, join(made, 'holiday-film.mp4'))
  await row('holiday-film.mp4').locator('.figure', { hasText: 'left' }).waitFor()
  // A chart needs a while to be one.
  for (const name of ['holiday-film.mp4', folders.running]) {
    const line = row(name).locator('.rates path[fill=none]')
    const points = async () => (await line.getAttribute('d'))?.split('L').length ?? 0
    for (let looks = 0; (await points()) < 8 && looks < 200; looks++) await Bun.sleep(50)
  }
  await page.locator('#notice').evaluate((notice) => {
    notice.textContent = ''
  })
  await shootAll()
  await going.close()

  await page.setViewportSize({ width: 1280, height: 1000 })
  await row(folders.partly).getByRole('link', { name: 'Log' }).click()
  await page.getByText('Finished').waitFor()
  await page.fill('#folder', '/no/such/folder')
  await page.getByRole('button', { name: 'Add' }).click()
  await page.locator('#notice strong').waitFor()
  await page.mouse.move(0, 0)
  await shoot('error')
}

/** Another page, whose network is slow, begins to upload a file; it breaks off when that is closed. */
async function upload(page: Page, site: Site, path: string): Promise<Page> {
  writeFileSync(path, content(40_000_000, 7))
  const other = await page.context().newPage()
  await other.goto(site.url)
  const network = await page.context().newCDPSession(other)
  await network.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: 2_500_000,
  })
  await other.setInputFiles('#files', path)
  await other.click('#upload')
  return other
}

function fifty(made: string): Promise<Site> {
  const paths = Array.from({ length: 50 }, (_, i) =>
    folder(made, `volume-${String(i + 1).padStart(2, '0')}`, {
      files: 12 + ((i * 7) % 30),
      bytes: 300_000,
    }),
  )
  return start(made, paths)
}

/** Fifty jobs, started at once. */
async function showFifty({ page, open, shoot }: Stage): Promise<void> {
  await open()
  await page.getByRole('button', { name: 'Start all' }).click()
  await page.locator('#summary', { hasText: /[1-4]\d done/ }).waitFor()
  await shoot('', { fullPage: true })
}

/** Before the first job: the program begins with the packages of the project, so here its parts run without any. */
async function empty(): Promise<Site> {
  const { Database } = await import('bun:sqlite')
  const hub = new Hub({ database: new Database(':memory:') })
  const runner = new Runner({ store: new Store(new Database(':memory:')), pool: new Pool() })
  const find = (id: string) => runner.get(id)
  const site = app({ hub, runner, jobs: jobStreams(hub, find), logs: logStreams(hub, find) })
  site.listen({ port: 0, hostname: '127.0.0.1' })
  return {
    url: `http://127.0.0.1:${site.server?.port}`,
    async stop() {
      await runner.close()
      await site.server?.stop(true)
      hub.close()
    },
  }
}

async function showEmpty({ open, shoot }: Stage): Promise<void> {
  await open()
  await shoot('')
}

/** The program as `bun run demo` starts it, over these folders, with a database of its own. */
function start(made: string, paths: readonly string[]): Promise<Site> {
  const words = paths.flatMap((path) => (path.startsWith('/') ? ['--folder', path] : [path]))
  return program('examples/jobs/main.tsx', ['--database', join(made, 'jobs.db'), ...words])
}

/** A folder with text of about so many bytes a file; some files are larger, as they are in life. */
function folder(
  made: string,
  name: string,
  { files, bytes }: { files: number; bytes: number },
): string {
  const path = join(made, name)
  mkdirSync(path)
  const nameOf = (i: number) => join(path, `${name}-${String(i).padStart(4, '0')}.dat`)
  for (let i = 1; i <= files; i++) {
    // To write a gigabyte takes longer than all the pictures: what is alike is there once.
    if (i > 3) linkSync(nameOf(((i - 1) % 3) + 1), nameOf(i))
    else writeFileSync(nameOf(i), content(Math.round(bytes * (0.5 + (i % 3) / 2)), i))
  }
  return path
}

/** Lines of digits, repeated beyond what gzip looks back, so that it has work with them. */
function content(bytes: number, seed: number): string {
  let line = ''
  for (let n = seed; line.length < 65_536; n = (n * 48_271) % 2_147_483_647) line += `${n}\n`
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes)
}
