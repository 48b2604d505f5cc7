/**
 * The example of logs as a process of its own, in Chromium: real files and real programs, several at once.
 */
import { afterAll, afterEach, expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync, readlinkSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expectAccessible } from '../support/axe'
import { closeBrowser, newPage, until } from '../support/browser'
import { endOf, expectOwn } from '../support/own-site'

setDefaultTimeout(60_000)

const program = join(import.meta.dir, '../../examples/logs/main.tsx')
const running = new Set<Bun.Subprocess>()
const folders: string[] = []

afterEach(async () => {
  for (const child of running) {
    child.kill('SIGTERM')
    await child.exited
  }
  running.clear()
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})
afterAll(closeBrowser)

/** The example, with a folder that it may read and a file beside it that it may not. */
async function start(env: Record<string, string> = {}) {
  const root = await mkdtemp(join(tmpdir(), 'logs-'))
  folders.push(root)
  const folder = join(root, 'logs')
  await mkdir(folder)
  await writeFile(join(root, 'secret.log'), 'secret\n')
  const kept = join(root, 'kept')
  await mkdir(kept)
  const child = Bun.spawn([process.execPath, program], {
    env: {
      ...process.env,
      FOLDERS: folder,
      PORT: '0',
      TMPDIR: kept,
      LINES_COUNT: '200000',
      LINES_SECONDS: '200',
      ...env,
    },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  running.add(child)
  const { value } = await child.stdout.getReader().read()
  const url = new TextDecoder().decode(value).match(/http:\/\/127\.0\.0\.1:\d+/)?.[0]
  if (!url) throw new Error(`It printed no address: ${await new Response(child.stderr).text()}`)
  return { url, root, folder, kept, child }
}

function lines(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}\n`).join('')
}

async function openFile(page: Page, path: string): Promise<void> {
  await page.fill('#file', path)
  await page.click('text=Follow')
}

/** The panel of the log that was opened as the first, second … of those that are there. */
const at = (panel: number) => `#logs > .panel:nth-last-child(${panel})`

/** The ids of the logs that are open, oldest first. */
async function idsOf(url: string): Promise<string[]> {
  const page = await (await fetch(url)).text()
  return [...page.matchAll(/id="panel-(\w+)"/g)].map(([, id]) => id as string).reverse()
}

/** The texts of the lines in a panel. */
function texts(page: Page, panel: number): Promise<string[]> {
  return page.$$eval(`${at(panel)} .hw-line`, (all) => all.map((line) => line.textContent ?? ''))
}

const last = async (page: Page, panel: number) => (await texts(page, panel)).at(-1)
const state = (page: Page, panel: number) => page.textContent(`${at(panel)} .hw-badge`)

async function post(url: string, path: string, fields: Record<string, string>): Promise<Response> {
  return fetch(url + path, {
    method: 'POST',
    body: new URLSearchParams(fields),
    redirect: 'manual',
  })
}

test('D-22 files are followed through rotation, several at once, and closed', async () => {
  const { url, folder } = await start()
  const [a, b] = [join(folder, 'a.log'), join(folder, 'b.log')]
  await writeFile(a, lines(1, 1_500))
  await writeFile(b, '')
  const { page, seen } = await newPage()
  await page.goto(url)
  expect(await page.isVisible('text=Nothing is open')).toBe(true)
  expect(
    await page.$$eval('#files option', (all) => all.map((one) => (one as HTMLOptionElement).value)),
  ).toEqual([a, b])
  await openFile(page, a)
  await until(async () => (await last(page, 1)) === 'line 1500')
  expect(await page.isVisible('text=Nothing is open')).toBe(false)
  expect(await texts(page, 1)).toHaveLength(200)
  await openFile(page, b)
  await page.waitForSelector(at(2))
  expect(await page.isVisible(`${at(2)} >> text=There is nothing in it yet.`)).toBe(true)
  // Shown as they are appended, with both in one page.
  await until(() => seen.follows.length === 5)
  await appendFile(b, '\x1b[31mERROR\x1b[0m <b>broken</b>\n')
  await until(async () => (await last(page, 2)) === 'ERROR <b>broken</b>')
  expect(await page.$$eval(`${at(2)} .hw-fg-red`, (all) => all.length)).toBe(1)
  await appendFile(a, lines(1_501, 1_550))
  await rename(a, `${a}.1`)
  await writeFile(a, lines(1_551, 1_600))
  await until(async () => (await last(page, 1)) === 'line 1600')
  expect(await texts(page, 1)).toEqual(
    lines(1_351 - 50, 1_600)
      .trimEnd()
      .split('\n'),
  )
  expect(await state(page, 1)).toBe('following')
  // What stands further up, in the file that was renamed too.
  await page.locator(at(1)).scrollIntoViewIfNeeded()
  for (const first of [1_101, 901]) {
    await page.$eval(`${at(1)} .hw-log`, (box) => {
      box.scrollTop = 0
    })
    await page.waitForSelector(`${at(1)} [id$="-${first}"]`)
  }
  expect((await texts(page, 1))[0]).toBe('line 901')
  await rm(b)
  await until(async () => (await state(page, 2)) === 'gone')
  // Another tab shows the same.
  const other = await page.context().newPage()
  await other.goto(url)
  expect(await last(other, 1)).toBe('line 1600')
  await expectAccessible(page)
  await page.click(`${at(2)} >> text=Close`)
  for (const one of [page, other]) await until(async () => (await one.$(at(2))) === null)
  expect(await last(other, 1)).toBe('line 1600')
  expect([...seen.violations, ...seen.consoleErrors, ...seen.pageErrors]).toEqual([])
})

test('D-22 programs run, are stopped, and what they printed can be loaded as a whole', async () => {
  const { url, folder, kept, child } = await start()
  await mkdir(join(folder, 'inner'))
  await writeFile(join(folder, 'inner', 'x.log'), '')
  const { page, seen } = await newPage()
  await page.goto(url)
  await page.click('button[value=find]')
  await until(async () => (await state(page, 1)) === 'finished')
  expect((await texts(page, 1)).some((line) => line.endsWith('/inner/x.log'))).toBe(true)
  await page.click('button[value=flood]')
  await until(async () => (await texts(page, 2)).length > 100)
  expect(await state(page, 2)).toBe('running')
  await page.click(`${at(2)} .stop button`)
  await until(async () => (await state(page, 2)) === 'stopped')
  expect(await page.isVisible(`${at(2)} .stop button`)).toBe(false)
  expect(await page.textContent('#notice')).toContain('was told to stop')
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.click(`${at(2)} >> text=Download`),
  ])
  const whole = await Bun.file(await download.path()).text()
  const plain = Bun.stripANSI(whole).split('\n')
  expect(plain.pop()).toBe('')
  expect(await last(page, 2)).toBe(plain.at(-1) as string)
  expect(plain.length).toBe(Number((await last(page, 2))?.match(/#(\d+)/)?.[1]))
  expect([...seen.violations, ...seen.consoleErrors, ...seen.pageErrors]).toEqual([])

  // With the process its programs end, and what they printed goes.
  await page.click('button[value=flood]')
  await until(async () => (await texts(page, 3)).length > 10)
  child.kill('SIGTERM')
  expect(await child.exited).toBe(0)
  expect([...new Bun.Glob('**/*.log').scanSync(kept)]).toEqual([])
})

test('D-22 what is outside of the folders is refused with 403, and said in the page', async () => {
  const { url, root, folder } = await start()
  await writeFile(join(folder, 'a.log'), 'a\n')
  await symlink(join(root, 'secret.log'), join(folder, 'link.log'))
  const statuses: [string, number][] = [
    [join(root, 'secret.log'), 403],
    [`${folder}/../secret.log`, 403],
    [join(folder, 'link.log'), 403],
    ['/etc/passwd', 403],
    [`${folder}/%2e%2e/secret.log`, 404],
    [join(folder, 'none.log'), 404],
    [folder, 403],
    [join(folder, 'a.log'), 303],
  ]
  for (const [file, status] of statuses) {
    const response = await post(url, '/files', { file })
    expect([file, response.status]).toEqual([file, status])
    expect(await response.text()).not.toContain('secret\n')
  }
  expect((await post(url, '/programs', { command: 'sh' })).status).toBe(404)
  expect((await post(url, '/programs', { command: '../bin/sh' })).status).toBe(404)
  expect((await post(url, '/files', {})).status).toBe(400)
  const [id] = await idsOf(url)
  expect((await post(url, '/logs/99/stop', {})).status).toBe(404)
  expect((await fetch(`${url}/logs/${id}/earlier?before=x`)).status).toBe(400)
  const foreign = { 'sec-fetch-site': 'cross-site' }
  const asked = { method: 'POST', headers: foreign, body: new URLSearchParams({ command: 'find' }) }
  expect((await fetch(`${url}/programs`, asked)).status).toBe(403)
  const named = await fetch(url, { headers: { host: 'other.example' } })
  expect(named.status).toBe(403)
  // Nor do mistakes show it anything: a page of errors has the lines, and addresses to follow them.
  await writeFile(join(folder, 'b.log'), 'secretline\n')
  expect((await post(url, '/files', { file: join(folder, 'b.log') })).status).toBe(303)
  await until(async () => (await (await fetch(url)).text()).includes('secretline'))
  for (const [method, path] of [
    ['GET', '/nope'],
    ['GET', `/logs/${id}/earlier?before=x`],
    ['GET', `/logs/${(await idsOf(url))[1]}/file`],
    ['POST', '/files'],
    ['POST', '/nope'],
  ] as const) {
    for (const host of ['other.example:1', '127.0.0.1.other.example', 'a b']) {
      const headers = { host, accept: 'text/html' }
      const body = method === 'POST' ? new URLSearchParams({ x: '1' }) : undefined
      const response = await fetch(url + path, { method, headers, body: body ?? null })
      expect([path, host, response.status < 400]).toEqual([path, host, false])
      const told = await response.text()
      expect(told).not.toContain('secretline')
      expect(told).not.toContain('sse-connect')
    }
  }
  // What was a file may have become a link since.
  await rm(join(folder, 'a.log'))
  await symlink(join(root, 'secret.log'), join(folder, 'a.log'))
  expect((await fetch(`${url}/logs/${id}/file`)).status).toBe(403)

  const { page } = await newPage()
  await page.goto(url)
  const shown = await page.locator('.panel').count()
  await openFile(page, '/etc/passwd')
  await until(async () =>
    (await page.textContent('#notice'))?.includes('is outside of the folders'),
  )
  expect(await page.locator('.panel').count()).toBe(shown)
  const plain = await newPage({ javaScript: false })
  await plain.page.goto(url)
  await openFile(plain.page, '/etc/passwd')
  expect(await plain.page.textContent('#notice')).toContain('is outside of the folders')
  expect(await plain.page.locator('.panel').count()).toBe(shown)
})

test('a host that is none of this machine, and another site, get nothing; a host that is named does', async () => {
  const { url } = await start({ HOSTS: 'jobs.example,other.example' })
  await expectOwn(
    url,
    ['/', '/style.css', '/nowhere', '/stream'],
    ['/files', '/programs', '/logs/x/close', '/nowhere'],
  )
  const missing = await fetch(`${url}/nowhere`, { headers: { accept: 'text/html' } })
  expect(missing.status).toBe(404)
  expect(await missing.text()).toContain('There is no such page.')
  expect(missing.headers.get('content-security-policy')).toContain("default-src 'none'")
})

test('D-22 a download is of the very file that was checked, which is closed when its reader leaves', async () => {
  const { url, root, folder, child } = await start()
  const path = join(folder, 'a.log')
  const all = lines(1, 1_000_000)
  await writeFile(path, all)
  await post(url, '/files', { file: path })
  const whole = `${url}/logs/${(await idsOf(url))[0]}/file`
  const links = () => openIn(child.pid, folder)
  await until(() => links() === 1)
  expect(await (await fetch(whole)).text()).toBe(all)
  await fetch(whole, { method: 'HEAD' })
  for (let i = 0; i < 5; i++) {
    const left = new AbortController()
    const { body } = await fetch(whole, { signal: left.signal })
    await body?.getReader().read()
    left.abort()
  }
  await until(() => links() === 1)

  // While a link to a secret takes its name and gives it back, again and again.
  await writeFile(path, 'mine\n')
  const swap = async () => {
    await symlink(join(root, 'secret.log'), `${path}.link`)
    await rename(`${path}.link`, path)
    await writeFile(`${path}.file`, 'mine\n')
    await rename(`${path}.file`, path)
  }
  const end = performance.now() + 3_000
  const swapping = (async () => {
    while (performance.now() < end) await swap()
  })()
  const told = new Map<string, number>()
  const ask = async () => {
    while (performance.now() < end) {
      const response = await fetch(whole)
      const text = response.ok ? await response.text() : `${response.status}`
      told.set(text, (told.get(text) ?? 0) + 1)
    }
  }
  await Promise.all([swapping, ask(), ask(), ask(), ask()])
  expect(told.get('mine\n')).toBeGreaterThan(0)
  const expected = ['mine\n', '403', '404', '409']
  expect([...told.keys()].filter((text) => !expected.includes(text))).toEqual([])
  await until(() => links() <= 8)
})

test('D-22 names of files may have any characters', async () => {
  const { url, folder } = await start()
  const path = join(folder, 'a&quot;b&amp;<i>"c.log')
  await writeFile(path, 'x\n')
  const { page } = await newPage()
  await page.goto(url)
  const offered = page.locator('#files option')
  expect(await offered.evaluate((one) => (one as HTMLOptionElement).value)).toBe(path)
  expect(await page.getAttribute('#file', 'placeholder')).toBe(path)
  await openFile(page, path)
  await until(async () => (await last(page, 1)) === 'x')
  expect(await page.getAttribute(`${at(1)} h2`, 'title')).toBe(path)
  expect(await page.isVisible(`button[aria-label=${JSON.stringify(`Close ${path}`)}]`)).toBe(true)
})

test('D-22 a log that is closed leaves all pages, also one that its live line does not reach', async () => {
  const { url, folder } = await start()
  const path = join(folder, 'a.log')
  await writeFile(path, 'x\n')
  const { page, seen } = await newPage()
  // Without Headwater's own script the page has connections of its own.
  const stock = await newPage()
  const cut = await newPage()
  for (const one of [stock, cut]) {
    await one.page.route(/headwater[^/]*\.js/, (route) => route.abort())
  }
  await cut.page.route(/\/stream/, (route) => route.abort())
  await page.goto(url)
  for (const one of [1, 2]) {
    await openFile(page, path)
    await until(async () => (await last(page, one)) === 'x')
  }
  for (const one of [stock, cut]) await one.page.goto(url)
  await page.click(`${at(2)} >> text=Close`)
  for (const one of [page, stock.page]) {
    await until(async () => (await one.locator('.panel').count()) === 1)
  }
  expect(await cut.page.locator('.panel').count()).toBe(2)
  await cut.page.click(`${at(2)} >> text=Close`)
  await until(async () => (await cut.page.locator('.panel').count()) === 1)
  expect(await cut.page.textContent('#notice')).toBe('')
  await appendFile(path, 'y\n')
  for (const one of [page, stock.page]) await until(async () => (await last(one, 1)) === 'y')
  // Without script, too.
  const plain = await newPage({ javaScript: false })
  await plain.page.goto(url)
  const [id = ''] = await idsOf(url)
  await post(url, `/logs/${id}/close`, {})
  await until(async () => (await page.locator('.panel').count()) === 0)
  await plain.page.click('text=Close')
  expect(await plain.page.isVisible('text=Nothing is open')).toBe(true)
  expect([...seen.violations, ...seen.consoleErrors, ...seen.pageErrors]).toEqual([])
})

test('D-22 a page of before a restart acts on no log that was opened since', async () => {
  const { url, folder, child } = await start()
  const path = join(folder, 'a.log')
  await writeFile(path, 'x\n')
  await post(url, '/files', { file: path })
  const { page } = await newPage()
  await page.goto(url)
  const [old] = await idsOf(url)
  child.kill('SIGTERM')
  await child.exited
  expect(await page.locator('.panel').count()).toBe(1)
  const anew = await start({ PORT: new URL(url).port, FOLDERS: folder })
  expect(anew.url).toBe(url)
  await post(url, '/programs', { command: 'flood' })
  const [id] = await idsOf(url)
  expect(id).not.toBe(old)
  const asked = [
    await post(url, `/logs/${old}/stop`, {}),
    await fetch(`${url}/logs/${old}/file`),
    await fetch(`${url}/logs/${old}/earlier?before=5`),
  ]
  for (const response of asked) {
    expect([response.status, await response.text()]).toEqual([
      404,
      'That log is not open any more.\n',
    ])
  }
  await page.click('text=Close')
  await until(async () => (await page.locator('.panel').count()) === 0)
  expect(await idsOf(url)).toEqual([id as string])
})

test('D-22 the focus stays near: at the heading of what was stopped, and of what is beside what was closed', async () => {
  const { url, folder } = await start()
  const path = join(folder, 'a.log')
  await writeFile(path, 'x\n')
  const { page, seen } = await newPage()
  await page.goto(url)
  await openFile(page, path)
  await until(async () => (await last(page, 1)) === 'x')
  await page.click('button[value=flood]')
  await page.waitForSelector(`${at(2)} .running`)
  const focused = () =>
    page.evaluate(() => {
      const { activeElement: one } = document
      return `${one?.tagName} ${one?.closest('.panel')?.querySelector('h2')?.textContent ?? ''}`
    })
  const name = await page.textContent(`${at(2)} h2`)
  const stop = page.locator(`${at(2)} .stop button`)
  expect(await stop.getAttribute('aria-label')).toBe(`Stop ${name}`)
  await stop.focus()
  await page.keyboard.press('Enter')
  await until(async () => (await state(page, 2)) === 'stopped')
  await until(async () => (await focused()) === `H2 ${name}`)
  // Of a focus that is elsewhere nothing is taken.
  await page.click('button[value=flood]')
  await page.waitForSelector(`${at(3)} .running`)
  await page.focus('#file')
  await page.$eval(`${at(3)} .stop`, (form) => (form as HTMLFormElement).requestSubmit())
  await until(async () => (await state(page, 3)) === 'stopped')
  expect(await focused()).toBe('INPUT ')
  for (const left of [`H2 ${name}`, `H2 ${path}`, 'H1 ']) {
    await page.locator('.panel').first().locator('text=Close').focus()
    await page.keyboard.press('Enter')
    await until(async () => (await focused()) === left, { what: left })
  }
  expect([...seen.violations, ...seen.consoleErrors, ...seen.pageErrors]).toEqual([])
})

test('D-22 narrow: nothing reaches beyond the edge', async () => {
  const { url, folder } = await start()
  const path = join(folder, `${'long-'.repeat(30)}.log`)
  await writeFile(path, `${'x'.repeat(500)}\n`)
  await post(url, '/files', { file: path })
  await post(url, '/programs', { command: 'flood' })
  for (const width of [320, 360, 700]) {
    const { page, seen } = await newPage({ viewport: { width, height: 640 } })
    await page.goto(url)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width)
    await openFile(page, '/etc/passwd')
    await page.waitForSelector('#notice strong')
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width)
    expect([...seen.violations, ...seen.consoleErrors, ...seen.pageErrors]).toEqual([])
  }
})

test('what it is started with is checked: it ends in one sentence, and leaves nothing behind', async () => {
  const { url, root, folder } = await start()
  const none = join(root, 'none')
  const kept = join(root, 'elsewhere')
  await mkdir(kept)
  const end = (env: Record<string, string>) =>
    endOf([program], { FOLDERS: folder, PORT: '0', TMPDIR: kept, ...env })
  const cases: [Record<string, string>, string][] = [
    [{ PORT: new URL(url).port }, `Port ${new URL(url).port} is taken.`],
    [{ PORT: 'abc' }, 'Expected PORT to be a number from 0 to 65535, got "abc".'],
    [{ PORT: '65536' }, 'Expected PORT to be a number'],
    [{ FOLDERS: none }, `Expected FOLDERS to name folders that are there, got "${none}".`],
    [{ FOLDERS: `${none}:${root}/secret.log` }, 'Expected FOLDERS to name folders'],
  ]
  for (const [env, sentence] of cases) {
    expect(await end(env)).toEqual({ code: 2, said: expect.stringContaining(sentence) })
  }
  expect(readdirSync(kept)).toEqual([])
  // One that is there is enough; of the other it is told.
  const { child } = await start({ FOLDERS: `${folder}:${none}` })
  child.kill('SIGTERM')
  expect(await new Response(child.stderr).text()).toBe(
    `FOLDERS: ${none} is not there, or no folder.\n`,
  )
})

test('D-22 a program that can not be started is refused in words, and nothing of it is left', async () => {
  const bin = await mkdtemp(join(tmpdir(), 'logs-bin-'))
  folders.push(bin)
  await writeFile(join(bin, 'find'), '#!/bin/sh\n', { mode: 0o755 })
  const { url, kept, child } = await start({ PATH: bin })
  await rm(join(bin, 'find'))
  const response = await post(url, '/programs', { command: 'find' })
  expect([response.status, await response.text()]).toEqual([
    503,
    expect.stringMatching(/^find .* can not be started \(ENOENT\)\.\n$/),
  ])
  expect(await idsOf(url)).toEqual([])
  expect([...new Bun.Glob('**/*.log').scanSync(kept)]).toEqual([])
  expect(openIn(child.pid, kept)).toBe(0)
})

/** Files of a folder that a process has open. */
function openIn(pid: number, folder: string): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(folder)
    } catch {
      return false
    }
  }).length
}
