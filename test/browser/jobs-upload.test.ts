/**
 * Uploads to `examples/jobs` as people do them: the real program in a process of its own, files chosen in Chromium, sent
 * through a slow network, under the program's own content security policy.
 */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { noise } from '../../examples/jobs/testing'
import { closeBrowser, newPage, type OpenPage, until } from '../support/browser'
import { endJobs, type Jobs, startJobs, startSlowProxy } from '../support/jobs'

setDefaultTimeout(60_000)
afterEach(endJobs)
afterAll(closeBrowser)

const files = 'input[type=file]'

/** A file to choose. */
async function made(jobs: Jobs, name: string, content: Uint8Array): Promise<string> {
  const path = join(jobs.root, name)
  await Bun.write(path, content)
  return path
}

async function open(url: string): Promise<OpenPage> {
  const opened = await newPage()
  await opened.page.goto(url)
  await until(() => opened.seen.follows.length > 0)
  return opened
}

/** What the row of an upload shows. */
function rowOf(page: Page, name: string) {
  const row = page.locator('#jobs-rows > tr', { has: page.locator(`th :text-is("${name}")`) })
  const bar = row.locator('progress')
  return {
    row,
    state: () => row.locator('td.state').textContent(),
    bytes: async () => Number(await bar.getAttribute('value')),
    total: async () => Number(await bar.getAttribute('max')),
    speed: () => row.locator('[id$="-speed"]').textContent(),
    chart: () => row.locator('[id$="-rates"] svg').getAttribute('aria-label'),
    points: () =>
      row.locator('[id$="-rates"] path').evaluateAll((all) => all[1]?.getAttribute('d') ?? ''),
    fault: () => row.locator('.fault').textContent(),
    cancel: () => row.getByRole('button', { name: 'Cancel' }).click(),
  }
}

function becomes(condition: () => Promise<boolean>, what: string): Promise<true> {
  return until(condition, { timeout: 25_000, what }) as Promise<true>
}

function expectClean({ seen }: OpenPage, jobs: Jobs): void {
  const { consoleErrors, pageErrors, violations } = seen
  expect({ consoleErrors, pageErrors, violations, complained: jobs.complained }).toEqual({
    consoleErrors: [],
    pageErrors: [],
    violations: [],
    complained: '',
  })
}

describe('a file that is uploaded', () => {
  test('its row is live: bytes, speed, chart and state; the page stays, and another can be sent meanwhile', async () => {
    const jobs = await startJobs()
    const [one, two] = [noise(14_000_000, 1), noise(7_000_000, 2)]
    const paths = [await made(jobs, 'one.bin', one), await made(jobs, 'two.bin', two)] as const
    await using slow = await startSlowProxy(Number(new URL(jobs.url).port), 2_000_000)
    const opened = await open(slow.url)
    const watching = await open(jobs.url)
    const { page } = opened
    await page.setInputFiles(files, paths[0])
    await page.click('#upload')

    const first = rowOf(page, 'one.bin')
    await becomes(async () => (await first.state()) === 'uploading', 'the row')
    expect(await first.total()).toBeGreaterThan(14_000_000)
    // A new form is there: nothing is chosen in it, and it has the focus where it was.
    await becomes(async () => (await page.inputValue(files)) === '', 'an empty form')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('upload')
    await page.setInputFiles(files, paths[1])
    await page.click('#upload')

    const seen = { bytes: new Set<number>(), speeds: new Set<string>(), charts: new Set<string>() }
    const there = rowOf(watching.page, 'one.bin')
    const elsewhere = new Set<number>()
    const second = rowOf(page, 'two.bin')
    let together = false
    await becomes(async () => {
      const [state, other] = [
        await first.state(),
        (await second.row.count()) && (await second.state()),
      ]
      together ||= state === 'uploading' && other === 'uploading'
      if (state !== 'uploading') return true
      const bytes = await first.bytes()
      // What comes next counts from nothing.
      if ((await first.state()) !== 'uploading') return true
      seen.bytes.add(bytes)
      seen.speeds.add((await first.speed()) ?? '')
      seen.charts.add(await first.points())
      elsewhere.add(await there.bytes())
      return false
    }, 'the end of the upload')
    expect(together).toBe(true)
    expect(seen.bytes.size).toBeGreaterThan(8)
    expect(elsewhere.size).toBeGreaterThan(4)
    expect([...seen.speeds].filter((text) => /^[\d.]+ MB\/s$/.test(text)).length).toBeGreaterThan(2)
    expect(seen.charts.size).toBeGreaterThan(3)
    expect([...seen.bytes]).toEqual([...seen.bytes].sort((a, b) => a - b))

    for (const [name, content] of [
      ['one.bin', one],
      ['two.bin', two],
    ] as const) {
      const row = rowOf(page, name)
      await becomes(async () => (await row.state()) === 'done', `${name} done`)
      await becomes(async () => (await row.bytes()) === content.length, `${name} whole`)
      expect(await row.chart()).toMatch(/^Speed of \w+\.bin: [\d.]+ MB\/s, at most [\d.]+ MB\/s$/)
      const { files } = await jobs.until(name, ({ state }) => state === 'done')
      const sha256 = new Bun.CryptoHasher('sha256').update(content).digest('hex')
      expect(files).toMatchObject([{ path: name, size: content.length, sha256 }])
    }
    await page.waitForSelector('#notice:has-text("Uploaded ")')
    const documents = opened.seen.requests.filter((url) => new URL(url).pathname === '/')
    expect(documents).toHaveLength(1)
    expectClean(opened, jobs)
    expectClean(watching, jobs)
  })

  test('the button of its row cuts it; the page says so, and nothing of it is kept', async () => {
    const jobs = await startJobs()
    const path = await made(jobs, 'unwanted.bin', noise(8_000_000))
    await using slow = await startSlowProxy(Number(new URL(jobs.url).port), 1_000_000)
    const { page, seen } = await open(slow.url)
    await page.setInputFiles(files, path)
    await page.click('#upload')
    const row = rowOf(page, 'unwanted.bin')
    await becomes(async () => (await row.bytes()) > 200_000, 'some bytes')
    expect(await row.row.getByRole('button').allTextContents()).toEqual(['Cancel unwanted.bin'])
    await row.cancel()
    await becomes(async () => (await row.state()) === 'cancelled', 'cancelled')
    await page.waitForSelector('#notice:has-text("unwanted.bin")')
    await becomes(async () => jobs.kept().length === 0, 'an empty folder')
    const { bytesDone } = await jobs.until('unwanted.bin', ({ state }) => state === 'cancelled')
    expect(bytesDone).toBeLessThan(8_000_000)
    await becomes(async () => (await row.bytes()) === bytesDone, 'the last bytes')
    // There is nothing to start again, and the browser has not sent it again by itself.
    await becomes(async () => (await row.row.getByRole('button').count()) === 0, 'no button')
    await page.waitForSelector(
      '#notice strong:text-is("The upload of unwanted.bin was cancelled.")',
    )
    expect(await row.row.count()).toBe(1)
    expect(seen.violations).toEqual([])
    expect(seen.pageErrors).toEqual([])
  })

  test('a page that is closed in the middle of it fails it, and the other pages say why', async () => {
    const jobs = await startJobs()
    // Of 40 s: a machine that is busy must not have all of it before the page is closed.
    const path = await made(jobs, 'left.bin', noise(40_000_000))
    const leaving = await open(jobs.url)
    // Not a proxy: what it holds would still come after the page is gone.
    const network = await leaving.context.newCDPSession(leaving.page)
    await network.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: 1_000_000,
    })
    const staying = await open(jobs.url)
    await leaving.page.setInputFiles(files, path)
    await leaving.page.click('#upload')
    const row = rowOf(staying.page, 'left.bin')
    await becomes(async () => (await row.bytes()) > 100_000, 'some bytes')
    await leaving.context.close()
    await becomes(async () => (await row.state()) === 'failed', 'failed')
    expect(await row.fault()).toMatch(
      /^The upload broke off after [\d.]+ [kM]B: the connection was closed\./,
    )
    expectClean(staying, jobs)
  })

  test('more than the limit is refused in place, with the reason', async () => {
    const jobs = await startJobs({ limit: 1 })
    const opened = await open(jobs.url)
    const { page } = opened
    const sentence = 'The upload is larger than 1.0 MB, which is the most that is taken.'
    for (const size of [1_200_000, 30_000_000]) {
      const path = await made(jobs, `large-${size}.bin`, noise(size))
      await page.evaluate(() => document.querySelector('#notice')?.replaceChildren())
      await page.setInputFiles(files, path)
      await page.click('#upload')
      await page.waitForSelector(`#notice strong:text-is("${sentence}")`)
      rmSync(path)
    }
    await page.waitForSelector('#jobs td.state:has-text("failed")')
    expect(jobs.kept()).toEqual([])
    expectClean(opened, jobs)
  })

  test('without script: the form is sent, its row is on the page that comes, and a refusal is a page', async () => {
    const jobs = await startJobs({ limit: 2 })
    const { page, seen } = await newPage({ javaScript: false })
    await page.goto(jobs.url)
    const name = '<b>plain.txt'
    const paths = [
      await made(jobs, name, Buffer.from('one\n')),
      await made(jobs, 'second.txt', Buffer.from('two\n')),
    ]
    await page.setInputFiles(files, paths)
    await Promise.all([page.waitForNavigation(), page.click('#upload')])
    expect(page.url()).toBe(`${jobs.url}/`)
    const { files: done } = await jobs.until(name, ({ state }) => state === 'done')
    expect(done.map(({ path }) => path)).toEqual([name, 'second.txt'])
    await page.reload()
    const row = rowOf(page, name)
    expect(await row.state()).toBe('done')
    expect(await row.chart()).toContain(`Speed of ${name}: `)

    await page.setInputFiles(files, await made(jobs, 'large.bin', noise(2_500_000)))
    const [refused] = await Promise.all([page.waitForNavigation(), page.click('#upload')])
    expect(refused?.status()).toBe(413)
    expect(await page.textContent('#notice')).toBe(
      'The upload is larger than 2.0 MB, which is the most that is taken.',
    )
    expect(await rowOf(page, 'large.bin').state()).toBe('failed')
    expect(seen.violations).toEqual([])
    expect(jobs.complained).toBe('')
  })
})
