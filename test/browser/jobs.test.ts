/**
 * `examples/jobs` as people run it: the real program in a process of its own, over made folders, seen in Chromium
 * with stock htmx as the page itself loads it.
 */
import { Database } from 'bun:sqlite'
import { afterAll, afterEach, expect, setDefaultTimeout, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Page } from 'playwright-core'
import * as cells from '../../examples/jobs/cells'
import type { Job, JobResult } from '../../examples/jobs/job'
import { noise } from '../../examples/jobs/testing'
import { expectAccessible } from '../support/axe'
import { closeBrowser, newPage, type OpenPage, until as soon } from '../support/browser'
import { endOf } from '../support/own-site'
import { startProxy } from '../support/proxy'

setDefaultTimeout(60_000)

/** Milliseconds from a click's request to its whole answer, seen on two cores with all workers busy; a test allows ten times as many. */
const click = 50

const main = join(import.meta.dir, '..', '..', 'examples', 'jobs', 'main.tsx')
const demo = join(import.meta.dir, '..', '..', 'scripts', 'demo.ts')

afterEach(() => Program.endAll())
afterAll(closeBrowser)

test('2,000 files in 50 jobs: one request for all cells, clicks answer meanwhile, and every figure is that of sha256sum and wc -l', async () => {
  await using space = new Space()
  const folders = Array.from({ length: 50 }, (_, i) =>
    space.folder(`job ${String(i).padStart(2, '0')}`, variousFiles(i)),
  )
  const program = await Program.start(space, { folders })
  const { page, seen } = await open(program.url)
  expect(await rows(page)).toHaveLength(50)
  await page.click('text=Start all')
  await until(async () => /\d running/.test((await page.textContent('#summary')) ?? ''))

  // Clicks while the workers are busy: a log, a pause, and the going on.
  const jobs = await program.jobs(page)
  const [last, other] = [jobs.at(-1) as string, jobs.at(-2) as string]
  const answers = new Map<string, number>()
  page.on('requestfinished', (request) => {
    answers.set(new URL(request.url()).pathname, request.timing().responseEnd)
  })
  await page.click(`#${css(last)}-log`)
  await page.waitForSelector('#log-title:has-text("job 49")')
  await page.click(`#${css(other)}-go`)
  await page.waitForSelector(`#${css(other)}-state:has-text("paused")`)
  await shows(page, 'notice', 'job 48 is paused.')
  await page.click(`#${css(other)}-go`)
  await page.waitForSelector(`#${css(other)}-state:not(:has-text("paused"))`)
  // Resumed, it is the last to run: the others were busy until here.
  expect((await program.job(other)).state).not.toBe('done')
  const clicks = [`/jobs/${last}/log`, `/jobs/${other}/pause`, `/jobs/${other}/resume`]
  await until(() => clicks.every((path) => answers.has(path)))
  for (const path of clicks) expect(answers.get(path)).toBeLessThan(10 * click)

  await allBecome(page, 'done')
  await shows(page, 'summary', '50 jobs50 done')
  await expectEqual(page, program)
  expect(follows(seen, 'job')).toHaveLength(1)
  expect(follows(seen, 'log')).toHaveLength(1)
  expect(new Set(seen.follows.map(({ connection }) => connection)).size).toBe(1)

  const sums = await figures(space.root)
  expect(sums.size).toBe(2000)
  for (const id of jobs) {
    const { folder, name, files, bytesDone, filesDone, state } = await program.job(id)
    const own = new Map([...sums].filter(([path]) => dirname(path) === folder))
    expect({ name, files: own.size }).toEqual({ name, files: 40 })
    for (const { path, sha256, lines, size } of files) {
      expect({ path, sha256, lines, size }).toEqual({ path, ...figure(own, join(folder, path)) })
    }
    const bytes = [...own.values()].reduce((sum, { size }) => sum + size, 0)
    expect({ state, filesDone, bytesDone }).toEqual({
      state: 'done',
      filesDone: 40,
      bytesDone: bytes,
    })
    const bar = page.locator(`[id="${id}-progress"] progress`)
    expect(Number(await bar.getAttribute('max'))).toBe(bytes)
    expect(Number(await bar.getAttribute('value'))).toBe(bytes)
  }
  await expectLayout(page)

  await page.click('.close')
  await until(async () => (await page.locator('#log > *').count()) === 0)
  expect(new URL(page.url()).pathname).toBe('/')
  expectClean(seen, program)
})

test('a reload in mid-run is right at once, and goes on live', async () => {
  await using space = new Space()
  const folders = ['one', 'two'].map((name) => space.folder(name, slowFiles(60)))
  const program = await Program.start(space, { folders, workers: 2 })
  const { page, seen } = await open(program.url)
  const ids = await program.jobs(page)
  await page.click('text=Start all')
  const [id] = ids as [string]
  for (const id of ids) await until(async () => (await program.job(id)).filesDone > 2)

  for (let reloads = 1; reloads <= 3; reloads++) {
    const before = await Promise.all(ids.map((id) => program.job(id)))
    const response = await page.reload({ waitUntil: 'commit' })
    const html = (await response?.text()) ?? ''
    const after = await Promise.all(ids.map((id) => program.job(id)))
    for (const [i, id] of ids.entries()) {
      const shown = await figuresIn(html, id)
      expect(shown.state).toBe('running')
      expect(shown.bytes).toBeGreaterThanOrEqual(before[i]?.bytesDone ?? 0)
      expect(shown.bytes).toBeLessThanOrEqual(after[i]?.bytesDone ?? 0)
      expect(shown.files).toBeGreaterThanOrEqual(before[i]?.filesDone ?? 0)
      expect(shown.files).toBeLessThanOrEqual(after[i]?.filesDone ?? 0)
      expect(shown.bytes).toBeGreaterThan(0)
    }
    const { bytes } = await figuresIn(html, id)
    await until(async () => (await bytesOn(page, id)) > bytes)
    expect(follows(seen, 'job')).toHaveLength(reloads + 1)
  }
  await allBecome(page, 'done')
  await expectEqual(page, program)
  expectClean(seen, program)
})

test('a job that is added in mid-run is a live row of the other page: once, also after a reload and after a cut', async () => {
  await using space = new Space()
  const running = space.folder('running', slowFiles(150))
  const late = space.folder('late', slowFiles(30))
  const program = await Program.start(space, { folders: [running], workers: 2 })
  const proxy = await startProxy(Number(new URL(program.url).port))
  const first = await open(`http://127.0.0.1:${proxy.port}`)
  const second = await open(program.url)
  await first.page.click('text=Start all')
  await first.page.waitForSelector('#jobs .state:has-text("running")')

  await second.page.fill('#folder', late)
  await second.page.click('text=Add')
  await second.page.waitForSelector('#notice:text-is("Added late.")')
  for (const { page } of [first, second]) {
    await page.waitForSelector('#jobs-rows th span:text-is("late")')
  }
  const [, id] = (await program.jobs(first.page)) as [string, string]
  await second.page.click(`#${css(id)}-go`)
  const steps = new Set<number>()
  await until(async () => {
    steps.add(await bytesOn(first.page, id))
    return (await stateOn(first.page, id)) === 'done'
  })
  expect(steps.size).toBeGreaterThan(2)
  const documents = first.seen.requests.filter((url) => new URL(url).pathname === '/')
  expect(documents).toHaveLength(1)
  expect(follows(first.seen, 'job')).toHaveLength(1)
  expect(await rows(first.page)).toEqual(['running', 'late'])

  const [other] = (await program.jobs(first.page)) as [string]
  const atCut = await bytesOn(first.page, other)
  proxy.cut()
  await until(() => follows(first.seen, 'job').length === 2)
  await until(async () => (await bytesOn(first.page, other)) > atCut)
  expect(await rows(first.page)).toEqual(['running', 'late'])

  await first.page.reload()
  expect(await rows(first.page)).toEqual(['running', 'late'])
  await allBecome(first.page, 'done')
  await allBecome(second.page, 'done')
  for (const { page } of [first, second]) await expectEqual(page, program)
  expect(await rows(first.page)).toEqual(['running', 'late'])
  expect(first.seen.violations).toEqual([])
  expectClean(second.seen, program)
  await proxy.close()
})

test('a server that is killed in mid-run and started again: the page comes back by itself and ends equal to the database', async () => {
  await using space = new Space()
  const folders = ['a', 'b', 'c', 'd'].map((name) => space.folder(name, slowFiles(20)))
  const program = await Program.start(space, { folders, workers: 2 })
  const { page, seen } = await open(program.url)
  const ids = await program.jobs(page)
  const [id] = ids as [string]
  await page.click(`#${css(id)}-log`)
  await page.waitForSelector('.hw-empty:text("No lines yet")')
  await page.click('text=Start all')
  await until(async () => (await lineNumbers(page)).length > 5)

  await program.kill()
  const kept = await rows(page)
  const again = await Program.start(space, { folders, workers: 2, port: program.port })
  expect(again.url).toBe(program.url)
  await allBecome(page, 'done')
  await shows(page, 'summary', '4 jobs4 done')
  await until(async () => (await page.textContent('.hw-lines li:last-child'))?.includes('Finished'))
  await expectEqual(page, again)
  expect(await rows(page)).toEqual(kept)
  const { lastLine, files } = await again.job(id)
  expect(await lineNumbers(page)).toEqual(Array.from({ length: lastLine }, (_, i) => i + 1))
  expect(await page.textContent('.hw-lines')).toContain('Going on after')
  const sums = await figures(folders[0] as string)
  for (const { path, sha256 } of files) {
    expect(sha256).toBe(figure(sums, join(folders[0] as string, path)).sha256)
  }
  const [load, ...more] = seen.requests.filter((url) => new URL(url).pathname === '/')
  expect([load !== undefined, more]).toEqual([true, []])
  expect(seen.violations).toEqual([])
  expect(seen.pageErrors).toEqual([])
})

test('a folder that vanishes, a file that cannot be read, a cancelled job: each in its row, the others finish; a cancelled job can be started again', async () => {
  await using space = new Space()
  const vanishing = space.folder('vanishing', slowFiles(30))
  const broken = space.folder('broken', { 'a.txt': 'a\n', 'z.txt': 'z\n' })
  await addUnreadable(broken)
  const unwanted = space.folder('unwanted', slowFiles(60))
  const fine = space.folder('fine', slowFiles(4))
  const folders = [vanishing, broken, unwanted, fine]
  const program = await Program.start(space, { folders, workers: 1 })
  const { page, seen } = await open(program.url)
  const [a, b, c, d] = (await program.jobs(page)) as [string, string, string, string]
  await page.click('text=Start all')

  await until(async () => (await program.job(a)).filesDone > 1)
  renameSync(vanishing, `${vanishing}.away`)
  await until(async () => (await stateOn(page, a)) === 'failed')
  await shows(page, `${a}-current`, `The folder ${vanishing} is gone.`)
  await until(async () => (await stateOn(page, b)) === 'done')
  await shows(page, `${b}-files`, '3 / 31 failed')
  const unreadable = await page.textContent(`#${css(b)}-current`)
  expect(unreadable).toMatch(/^Not readable: d+….*: name too long \(ENAMETOOLONG\)$/)
  const whole = await page.getAttribute(`#${css(b)}-current .fault`, 'title')
  expect(whole).toBe((await program.job(b)).error)
  await until(async () => (await program.job(c)).filesDone > 1)
  await page.click(`#${css(c)}-cancel`)
  await until(async () => (await stateOn(page, c)) === 'cancelled')
  await until(async () => (await stateOn(page, d)) === 'done')
  await expectEqual(page, program)
  await shows(page, 'summary', '4 jobs2 done1 failed1 cancelled')

  await expectAccessible(page)
  await page.click(`#${css(c)}-go`)
  await until(async () => (await stateOn(page, c)) === 'running')
  await until(async () => (await stateOn(page, c)) === 'done')
  await expectEqual(page, program)
  expectClean(seen, program)
})

test('what cannot be added says why in place, and the page stays as it is', async () => {
  await using space = new Space()
  const folder = space.folder('there', { 'a.txt': 'a\n' })
  const program = await Program.start(space, { folders: [folder] })
  const { page, seen } = await open(program.url)
  const refusals = [
    [join(folder, 'a.txt'), `${join(folder, 'a.txt')} is not a folder.`],
    [`${folder}<b>x`, `There is no folder ${folder}<b>x.`],
    [folder, `The folder ${folder} is a job already (`],
  ] as const
  for (const [given, sentence] of refusals) {
    await page.fill('#folder', given)
    await page.click('text=Add')
    await until(async () => (await page.textContent('#notice strong'))?.startsWith(sentence))
    expect(await page.inputValue('#folder')).toBe(given)
  }
  expect(await rows(page)).toEqual(['there'])

  // Another page was faster: the button's job can not be started a second time.
  const [id] = (await program.jobs(page)) as [string]
  await fetch(`${program.url}/jobs/${id}/cancel`, { method: 'POST' })
  await page.request.post(`${program.url}/jobs/${id}/start`)
  await until(async () => (await stateOn(page, id)) === 'done')
  const unknown = await fetch(`${program.url}/jobs/..%2F"x/log`)
  expect([unknown.status, await unknown.text()]).toEqual([404, 'There is no job "../\\"x".\n'])
  const other = await fetch(`${program.url}/start`, {
    method: 'POST',
    headers: { 'sec-fetch-site': 'cross-site' },
  })
  expect(other.status).toBe(403)
  expectClean(seen, program)
})

test('hostile names of folders and files stay text', async () => {
  await using space = new Space()
  const names = [
    '<img src=x onerror=alert(1)>',
    `"quotes' & &lt;entities&gt; <b>`,
    'new\nline',
    'grüße 日本語 😀 \u202Ertl',
    '--><!-- {{x}} %00 \\',
  ]
  const files = Object.fromEntries(names.map((name) => [name, `${name}\n`]))
  const folders = names.map((name) => space.folder(name, files))
  const program = await Program.start(space, { folders: folders.slice(1), workers: 1 })
  const { page, seen } = await open(program.url)
  const dialogs: string[] = []
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message())
    void dialog.dismiss()
  })
  await page.fill('#folder', folders[0] as string)
  await page.click('text=Add')
  await page.waitForSelector(`#notice:has-text("Added <img")`)
  const ordered = [...names.slice(1), names[0] as string]
  await until(async () => (await rows(page)).length === names.length)
  await page.click('text=Start all')
  await allBecome(page, 'done')
  expect(await rows(page)).toEqual(ordered)
  const titles = await page.$$eval('#jobs-rows th span', (all) =>
    all.map((one) => (one as HTMLElement).title),
  )
  expect(titles).toEqual([...folders.slice(1), folders[0] as string])

  for (const [i, id] of (await program.jobs(page)).entries()) {
    await page.click(`#${css(id)}-log`)
    await until(async () => (await page.textContent('#log-title')) === `Log of ${ordered[i]}`)
    const text = (await page.textContent('.hw-lines')) ?? ''
    for (const name of names) expect(text).toContain(`${name.replace('\n', '\\n')}: `)
    const label = await page.getAttribute('.hw-log', 'aria-label')
    expect(label).toBe(`Lines of ${ordered[i]}`)
    expect((await program.job(id)).files.map(({ path }) => path).sort()).toEqual([...names].sort())
  }
  await expectEqual(page, program)
  expect(await page.locator('img, #jobs b, #log b').count()).toBe(0)
  expect(dialogs).toEqual([])
  expectClean(seen, program)
})

test('the page works without script: add, start, pause, cancel, log, and what is refused', async () => {
  await using space = new Space()
  const folder = space.folder('slow', slowFiles(40))
  const program = await Program.start(space, { folders: [folder], workers: 1 })
  const { page, seen } = await newPage({ javaScript: false })
  await page.goto(program.url)
  const [id] = (await program.jobs(page)) as [string]
  const press = async (what: string) => {
    const response = page.waitForResponse((one) => one.request().method() === 'POST')
    await page.click(what)
    expect((await response).status()).toBe(303)
    await page.waitForLoadState()
    expect(page.url()).toBe(`${program.url}/`)
  }
  await press('text=Start all')
  await until(async () => (await program.job(id)).filesDone > 0)
  await press(`#${css(id)}-go`)
  expect(await stateOn(page, id)).toBe('paused')
  await press(`#${css(id)}-go`)
  expect(['waiting', 'running']).toContain(await stateOn(page, id))
  await press(`#${css(id)}-cancel`)
  expect(await stateOn(page, id)).toBe('cancelled')

  await page.click(`#${css(id)}-log`)
  expect(await page.textContent('#log-title')).toBe('Log of slow')
  const { lastLine } = await program.job(id)
  expect(await lineNumbers(page)).toEqual(Array.from({ length: lastLine }, (_, i) => i + 1))
  await page.click('.close')
  expect(await page.locator('.pane').count()).toBe(0)

  await page.fill('#folder', space.folder('more', { 'a.txt': 'a\n' }))
  await press('text=Add')
  expect(await rows(page)).toEqual(['slow', 'more'])
  await page.fill('#folder', join(space.root, 'nowhere'))
  const [refused] = await Promise.all([page.waitForNavigation(), page.click('text=Add')])
  expect(refused?.status()).toBe(404)
  expect(await page.textContent('#notice')).toBe(
    `There is no folder ${join(space.root, 'nowhere')}.`,
  )
  expect(await rows(page)).toEqual(['slow', 'more'])
  expect(seen.violations).toEqual([])
})

test('bun run demo prints one plain address, ends in order on SIGTERM, and has the results again', async () => {
  await using space = new Space()
  const folder = space.folder('kept', { 'a.txt': 'a\nb\n' })
  const program = await Program.start(space, { folders: [folder], script: demo })
  const response = await fetch(program.url)
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
  const { page, seen } = await open(program.url)
  const [id] = (await program.jobs(page)) as [string]
  await page.click('text=Start all')
  await allBecome(page, 'done')
  const before = await program.job(id)
  expect(await program.end()).toBe(0)
  expect(program.said).toBe(`${program.url}\n`)
  expect(program.complained).toBe('')

  const again = await Program.start(space, { folders: [folder], port: program.port })
  expect(await again.job(id)).toEqual(before)
  await until(() => follows(seen, 'job').length > 1)
  await expectEqual(page, again)
  expect(await again.end('SIGINT')).toBe(0)
})

test('a second start on a port that is taken ends in one sentence, and leaves the jobs of the first alone', async () => {
  await using space = new Space()
  const files = Object.fromEntries(
    Array.from({ length: 400 }, (_, i) => [`${i}.bin`, noise(262_144, i)]),
  )
  const folder = space.folder('busy', files)
  const program = await Program.start(space, { folders: [folder], workers: 1 })
  const { page } = await open(program.url)
  const [id] = (await program.jobs(page)) as [string]
  await page.click('text=Start all')
  await until(async () => (await program.job(id)).state === 'running')
  const words = ['--port', String(program.port), '--database', space.database]
  expect(await endOf([main, ...words, '--folder', folder], {})).toEqual({
    code: 2,
    said: expect.stringContaining(`Port ${program.port} is taken.`),
  })
  await allBecome(page, 'done')
  const file = new Database(space.database, { readonly: true })
  const begun = file.query<{ text: string }, []>(
    "select text from job_line where text like 'Started%' or text like 'Going on%'",
  )
  expect(begun.all()).toHaveLength(1)
  file.close()
})

test('a test of the demo that fails leaves no process behind', async () => {
  let pids: number[] = []
  const failing = async () => {
    await using space = new Space()
    const folder = space.folder('left', { 'a.txt': 'a\n' })
    const program = await Program.start(space, { folders: [folder], script: demo })
    pids = [program.pid, ...childrenOf(program.pid)]
    expect(pids.filter(runs)).toHaveLength(2)
    throw new Error('failed')
  }
  await expect(failing()).rejects.toThrow('failed')
  await until(() => !pids.some(runs))
})

/** A folder of its own for one test, removed afterwards. */
class Space implements AsyncDisposable {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'jobs-')))
  readonly database = `${this.root}.db`

  folder(name: string, files: Record<string, string | Uint8Array>): string {
    const path = join(this.root, name)
    mkdirSync(path)
    for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content)
    return path
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Program.endAll()
    // The system's goes down step by step: Bun's own fails on a path that is too long.
    await shell('rm -rf "$0"', this.root)
    for (const end of ['', '-wal', '-shm']) rmSync(this.database + end, { force: true })
  }
}

interface StartOptions {
  folders: string[]
  workers?: number
  port?: number
  script?: string
}

/** The running program. */
class Program {
  static readonly #all = new Set<Program>()
  /** What it printed. */
  said = ''
  /** What it printed as errors. */
  complained = ''
  readonly #child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>
  readonly #read: Promise<unknown>

  private constructor(words: string[]) {
    this.#child = Bun.spawn([process.execPath, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#read = Promise.all([
      read(this.#child.stdout, (text) => {
        this.said += text
      }),
      read(this.#child.stderr, (text) => {
        this.complained += text
      }),
    ])
    Program.#all.add(this)
  }

  /** Resolves once it serves. */
  static async start(
    { database }: Space,
    { folders, workers, port = 0, script = main }: StartOptions,
  ): Promise<Program> {
    const words = ['--port', String(port), '--database', database]
    if (workers !== undefined) words.push('--workers', String(workers))
    for (const folder of folders) words.push('--folder', folder)
    const program = new Program([script, ...(script === demo ? ['--'] : []), ...words])
    await until(() => program.said.endsWith('\n') || program.#child.exitCode !== null)
    if (program.#child.exitCode !== null) throw new Error(program.complained)
    return program
  }

  static async endAll(): Promise<void> {
    await Promise.all([...Program.#all].map((program) => program.kill()))
  }

  /** The first line: the plain address. */
  get url(): string {
    return this.said.split('\n', 1)[0] ?? ''
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  async job(id: string): Promise<JobResult> {
    const response = await fetch(`${this.url}/jobs/${id}.json`)
    return (await response.json()) as JobResult
  }

  /** The ids of the rows, in order. */
  jobs(page: Page): Promise<string[]> {
    return page.$$eval('#jobs-rows > tr', (all) => all.map(({ id }) => id.slice('job-'.length)))
  }

  get pid(): number {
    return this.#child.pid
  }

  /** Asks it to end; resolves with its exit code. */
  async end(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<number> {
    this.#child.kill(signal)
    const code = await this.#child.exited
    Program.#all.delete(this)
    await this.#read
    return code
  }

  /** With its children: the demo is one of `scripts/demo.ts`, which can not pass a SIGKILL on. */
  async kill(): Promise<void> {
    Program.#all.delete(this)
    if (this.#child.exitCode === null) {
      for (const pid of childrenOf(this.pid)) process.kill(pid, 'SIGKILL')
      this.#child.kill('SIGKILL')
    }
    await this.#child.exited
  }
}

/** Whether the process is there, where Linux tells; one that has ended and is not asked for yet has no words. */
function runs(pid: number): boolean {
  const file = `/proc/${pid}/cmdline`
  return existsSync(file) && readFileSync(file, 'utf8') !== ''
}

/** The processes that it has started, where Linux tells. */
function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number)
}

async function read(stream: ReadableStream<Uint8Array>, onText: (text: string) => void) {
  const decoder = new TextDecoder()
  const write = (chunk: Uint8Array) => onText(decoder.decode(chunk, { stream: true }))
  await stream.pipeTo(new WritableStream({ write }))
}

/** As `until` of the support, with patience for real work. */
function until<T>(condition: () => T | Promise<T>): Promise<NonNullable<T>> {
  return soon(condition, { timeout: 25_000 })
}

/** A page of the program whose stream is open. */
async function open(url: string): Promise<OpenPage> {
  const opened = await newPage()
  await opened.page.goto(url)
  await until(() => follows(opened.seen, 'job').length === 1)
  return opened
}

/** An id in a selector may not begin with a digit. */
function css(id: string): string {
  return id.replace(/^\d/, (digit) => `\\3${digit} `)
}

function rows(page: Page): Promise<string[]> {
  return page.$$eval('#jobs-rows th[scope=row]', (all) => all.map((one) => one.textContent ?? ''))
}

async function stateOn(page: Page, id: string): Promise<string> {
  return (await page.textContent(`#${css(id)}-state`)) ?? ''
}

async function bytesOn(page: Page, id: string): Promise<number> {
  return Number(await page.getAttribute(`#${css(id)}-progress progress`, 'value'))
}

/** The element with the id comes to hold exactly this text. */
async function shows(page: Page, id: string, text: string): Promise<void> {
  const shown = () => page.textContent(`#${css(id)}`)
  await until(async () => (await shown()) === text).catch(() => {})
  expect(await shown()).toBe(text)
}

/** All rows of the page show the state. */
async function allBecome(page: Page, state: string): Promise<void> {
  await until(async () => {
    const states = await page.$$eval('#jobs-rows .state', (all) =>
      all.map((one) => one.textContent),
    )
    return states.length > 0 && states.every((one) => one === state)
  })
}

function lineNumbers(page: Page): Promise<number[]> {
  return page.$$eval('.hw-lines > li', (all) => all.map((one) => (one as HTMLLIElement).value))
}

/** How often an address of a manager came to be followed. */
function follows({ follows }: OpenPage['seen'], name: string): string[] {
  return follows
    .map(({ address }) => address)
    .filter(
      (address) => address.startsWith(`/stream/${name}?`) || address.startsWith(`/stream/${name}/`),
    )
}

function expectClean(
  { consoleErrors, pageErrors, violations }: OpenPage['seen'],
  { complained }: Program,
): void {
  expect({ consoleErrors, pageErrors, violations, complained }).toEqual({
    consoleErrors: [],
    pageErrors: [],
    violations: [],
    complained: '',
  })
}

const columns: Record<string, (job: Job) => JSX.Element> = {
  state: cells.State,
  progress: cells.Progress,
  files: cells.Files,
  speed: cells.Speed,
  left: cells.Left,
  current: cells.Current,
  actions: cells.Actions,
}

/** Each cell of the page, and their number, is what the database holds. */
async function expectEqual(page: Page, program: Program): Promise<void> {
  const ids = await program.jobs(page)
  expect(new Set(ids).size).toBe(ids.length)
  const wanted: Record<string, string> = {}
  for (const id of ids) {
    const job = await program.job(id)
    for (const [name, cell] of Object.entries(columns)) wanted[`${id}-${name}`] = `${cell(job)}`
  }
  const differing = () =>
    page.evaluate((wanted) => {
      const template = document.createElement('template')
      return Object.entries(wanted).flatMap(([id, html]) => {
        template.innerHTML = html
        const [is, ...more] = document.querySelectorAll(`[id="${id}"]`)
        const same = is?.innerHTML === template.innerHTML && more.length === 0
        return same
          ? []
          : [{ id, is: is?.innerHTML, wanted: template.innerHTML, more: more.length }]
      })
    }, wanted)
  // The last cell may come a moment after the state that was waited for.
  await until(async () => (await differing()).length === 0).catch(() => {})
  expect(await differing()).toEqual([])
}

/** Nothing is cut off at 1280 pixels, the table scrolls in its box at 390, and the log is docked and at its end. */
async function expectLayout(page: Page): Promise<void> {
  const measure = () =>
    page.evaluate(() => {
      const box = document.querySelector('.hw-table') as HTMLElement
      const pane = document.querySelector('.pane')?.getBoundingClientRect() as DOMRect
      const lines = document.querySelector('.hw-log') as HTMLElement
      const right = [...document.querySelectorAll('.actions > *')].map(
        (one) => one.getBoundingClientRect().right,
      )
      return {
        table: box.scrollWidth - box.clientWidth,
        page: document.documentElement.scrollWidth - window.innerWidth,
        buttons: Math.max(...right) <= box.getBoundingClientRect().right,
        bottom: Math.round(window.innerHeight - pane.bottom),
        height: pane.height / window.innerHeight,
        fromEnd: Math.abs(lines.scrollTop),
        scrolls: lines.scrollHeight > lines.clientHeight,
      }
    })
  const wide = await measure()
  expect(wide).toMatchObject({ table: 0, buttons: true, bottom: 0, fromEnd: 0, scrolls: true })
  expect(wide.page).toBeLessThanOrEqual(0)
  expect(wide.height).toBeLessThanOrEqual(0.4)
  await page.setViewportSize({ width: 390, height: 780 })
  const narrow = await measure()
  expect(narrow).toMatchObject({ bottom: 0, fromEnd: 0 })
  expect(narrow.table).toBeGreaterThan(300)
  expect(narrow.page).toBeLessThanOrEqual(0)
  await page.setViewportSize({ width: 1280, height: 720 })
}

/** What a page shows of a job before any event, from its HTML as it was sent. */
async function figuresIn(html: string, id: string) {
  const found = { bytes: Number.NaN, files: Number.NaN, state: '' }
  let files = ''
  await new HTMLRewriter()
    .on(`[id="${id}-progress"] progress`, {
      element: (bar) => {
        found.bytes = Number(bar.getAttribute('value'))
      },
    })
    .on(`[id="${id}-files"]`, {
      text: ({ text }) => {
        files += text
      },
    })
    .on(`[id="${id}-state"]`, {
      text: ({ text }) => {
        found.state += text
      },
    })
    .transform(new Response(html))
    .text()
  found.files = Number.parseInt(files, 10)
  return found
}

/** Forty files: empty, without a newline at the end, binary, long, and many small ones. */
function variousFiles(job: number): Record<string, string | Uint8Array> {
  const files: Record<string, string | Uint8Array> = {
    empty: '',
    'no newline': `${job}\nand no end`,
    'crlf.txt': 'a\r\nb\r\n'.repeat(job),
    'binary.bin': noise(300_000 + job * 1000, job + 1),
    'chunk.bin': noise(1024 * 1024 + job, job + 7),
    'long.txt': Array.from({ length: 9_000 + job }, (_, n) => `${n} ${(n * 7919) % 1009}`).join(
      '\n',
    ),
    // Else the workers would be done before the clicks are.
    ...slowFiles(2),
  }
  for (let i = Object.keys(files).length; i < 40; i++) {
    files[`file ${i}.txt`] = `${job} ${i}\n`.repeat((i * 37 + job) % 900)
  }
  return files
}

/** Files of four letters in no order, which gzip is slow with: about 50 ms each. */
function slowFiles(count: number): Record<string, Uint8Array> {
  letters ??= noise(500_000).map((byte) => 'ACGT'.charCodeAt(byte % 4))
  const files: Record<string, Uint8Array> = {}
  for (let i = 0; i < count; i++) {
    files[`slow ${String(i).padStart(2, '0')}.txt`] = letters.subarray(i * 100)
  }
  return files
}

let letters: Uint8Array | undefined

/** A file that nobody can open by its whole path, root neither. */
async function addUnreadable(folder: string): Promise<void> {
  const name = 'd'.repeat(199)
  const down = `for i in $(seq 20); do mkdir ${name}; cd -P ${name}; done; echo x > ${name}`
  await shell(`cd -P "$0"; ${down}`, folder)
}

interface Figures {
  sha256: string
  lines: number
  size: number
}

/** What `sha256sum`, `wc -l` and `find` say of every file below a folder whose names have no newline. */
async function figures(folder: string): Promise<Map<string, Figures>> {
  const list = 'find "$0" -type f -print0'
  const [sums, counts, sizes] = await Promise.all([
    shell(`${list} | xargs -0 sha256sum`, folder),
    shell(`${list} | wc -l --files0-from=-`, folder),
    shell(`find "$0" -type f -printf '%s %p\\n'`, folder),
  ])
  const all = new Map<string, Figures>()
  for (const line of sums)
    all.set(line.slice(66), { sha256: line.slice(0, 64), lines: -1, size: -1 })
  for (const [, count, path] of counts.map((line) => line.match(/^ *(\d+) (.*)$/) ?? [])) {
    if (path !== 'total') figure(all, path ?? '').lines = Number(count)
  }
  for (const [, size, path] of sizes.map((line) => line.match(/^(\d+) (.*)$/) ?? [])) {
    figure(all, path ?? '').size = Number(size)
  }
  return all
}

function figure(all: Map<string, Figures>, path: string): Figures {
  const found = all.get(path)
  if (!found) throw new Error(`${basename(path)} is not among the files`)
  return found
}

async function shell(command: string, folder: string): Promise<string[]> {
  const child = Bun.spawn(['sh', '-c', command, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const text = await new Response(child.stdout).text()
  return text.split('\n').filter(Boolean)
}
