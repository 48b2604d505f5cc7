/**
 * The example of sessions as a process of its own, in Chromium: who may follow what, and how it ends.
 */
import { afterAll, afterEach, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hub } from 'headwater'
import type { Page } from 'playwright-core'
import { expectAccessible } from '../support/axe'
import { closeBrowser, html, newPage, type PageOptions, serve, until } from '../support/browser'
import { connect } from '../support/client'
import { endOf, expectOwn } from '../support/own-site'

setDefaultTimeout(60_000)

const program = join(import.meta.dir, '../../examples/session/main.tsx')
const folder = mkdtempSync(join(tmpdir(), 'session-'))
const running: Bun.Subprocess[] = []

afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL')
    await child.exited
  }
})
afterAll(async () => {
  await closeBrowser()
  rmSync(folder, { recursive: true, force: true })
})

async function start(database = join(folder, `${crypto.randomUUID()}.db`), env = {}) {
  const child = Bun.spawn([process.execPath, program], {
    env: { ...process.env, DATABASE: database, PORT: '0', ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  running.push(child)
  const { value } = await child.stdout.getReader().read()
  const url = new TextDecoder().decode(value).match(/http:\/\/127\.0\.0\.1:\d+/)?.[0]
  if (!url) throw new Error(`It printed no address: ${await new Response(child.stderr).text()}`)
  return { url, database, child }
}

async function signIn(url: string, user: string, options?: PageOptions) {
  const opened = await newPage(options)
  await opened.page.goto(url)
  await opened.page.fill('#user', user)
  await opened.page.click('button:text("Sign in")')
  await opened.page.waitForSelector('text=Notes of')
  return opened
}

async function add(page: Page, text: string) {
  await page.fill('#text', text)
  await page.click('button:text("Add")')
}

const notes = (page: Page) =>
  page.$$eval('.hw-lines > li', (all) => all.map((li) => li.textContent))
const signedIn = (page: Page) => page.textContent('header > p[role=status]')
const address = (page: Page) => page.getAttribute('[sse-connect]', 'sse-connect')

test('H-10 signing out ends the streams of all tabs of the session at once, and they say so', async () => {
  const { url } = await start()
  const ann = await signIn(url, 'Ann')
  const tab = await ann.context.newPage()
  await tab.goto(url)
  const elsewhere = await signIn(url, 'Ann')
  const bob = await signIn(url, 'Bob')
  const everybody = [ann.page, tab, elsewhere.page, bob.page]
  for (const page of everybody) await until(async () => (await signedIn(page)) === '3 signed in')

  await add(ann.page, 'milk <b>&')
  for (const page of everybody.slice(0, 3)) {
    await until(async () => (await notes(page)).join() === 'milk <b>&')
  }
  await add(bob.page, 'bread')
  await until(async () => (await notes(bob.page)).join() === 'bread')
  expect(await ann.page.inputValue('#text')).toBe('')
  const old = (await address(tab)) as string
  const [cookie] = await ann.context.cookies()
  expect(cookie).toMatchObject({ name: 'session', httpOnly: true, sameSite: 'Lax' })

  // Who reads without a browser does not leave by itself.
  const reader = await connect(url + old, { headers: { cookie: `session=${cookie?.value}` } })
  expect(reader.status).toBe(200)
  await ann.page.click('button:text("Sign out")')
  await ann.page.waitForSelector('#user')
  await reader.until(() => reader.ended, 1_000)
  await tab.waitForSelector('text=You are signed out', { timeout: 2_000 })
  expect(await tab.$('[sse-connect]')).toBeNull()
  for (const page of [elsewhere.page, bob.page]) {
    await until(async () => (await signedIn(page)) === '2 signed in')
  }
  await add(elsewhere.page, 'eggs')
  await until(async () => (await notes(elsewhere.page)).join() === 'milk <b>&,eggs')
  expect(await tab.textContent('body')).not.toContain('eggs')

  // What the tab had been given opens nothing any more, with its cookie neither.
  const again = await connect(url + old, { headers: { cookie: `session=${cookie?.value}` } })
  expect([401, 403]).toContain(again.status)
  await tab.click('text=Sign in')
  await tab.waitForSelector('#user')
  for (const { seen } of [ann, elsewhere, bob]) {
    expect([seen.pageErrors, seen.violations, seen.consoleErrors]).toEqual([[], [], []])
  }
  // The tab came back to no stream: it left by itself.
  expect(ann.seen.follows).toHaveLength(1)
})

test('C-28 the stream of another user can not be opened, whatever one has', async () => {
  const { url } = await start()
  const ann = await signIn(url, 'Ann')
  const bob = await signIn(url, 'Bob')
  const of = await bob.context.cookies()
  const asBob = { headers: { cookie: `session=${of[0]?.value}` } }
  const anns = (await address(ann.page)) as string
  const bobs = (await address(bob.page)) as string
  const status = async (path: string, options = {}) => (await connect(url + path, options)).status
  expect(await status(bobs, asBob)).toBe(200)
  for (const path of [
    anns,
    '/stream/notes?id=Ann',
    '/stream/notes?all',
    '/stream/notes/list?id=Ann',
    '/stream?topic=notes:Ann:list',
    '/stream?topic=notes:*:list',
    '/stream?topic=**',
    `/stream?topic=${new URL(anns, url).searchParams.getAll('topic')[2]}`,
  ]) {
    expect([path, await status(path, asBob)]).toEqual([path, 403])
    expect([401, 403]).toContain(await status(path))
  }
  expect(await status('/stream/notes?id=Bob', asBob)).toBe(200)
})

test('H-10 who is signed out stays so after a restart; who is not keeps notes and stream', async () => {
  const { url, database, child } = await start()
  const ann = await signIn(url, 'Ann')
  const bob = await signIn(url, 'Bob')
  await add(bob.page, 'bread')
  await until(async () => (await notes(bob.page)).length === 1)
  await expectAccessible(bob.page)
  const [anns] = await ann.context.cookies()
  const [bobs] = await bob.context.cookies()
  await ann.page.click('button:text("Sign out")')
  await ann.page.waitForSelector('#user')
  child.kill('SIGTERM')
  expect(await child.exited).toBe(0)
  const anew = await start(database)
  const page = async (value: string | undefined) =>
    (await fetch(anew.url, { headers: { cookie: `session=${value}` } })).text()
  expect(await page(anns?.value)).toContain('id="user"')
  const html = await page(bobs?.value)
  expect(html).toContain('bread')
  const path = html.match(/sse-connect="([^"]+)"/)?.[1]?.replaceAll('&amp;', '&')
  const stream = await connect(anew.url + path, { headers: { cookie: `session=${bobs?.value}` } })
  expect(stream.status).toBe(200)
})

test('H-13 it works without script, in the narrow, and in the dark', async () => {
  const { url } = await start()
  const { page, seen } = await signIn(url, '<b>Zoë & co', {
    javaScript: false,
    colorScheme: 'dark',
    viewport: { width: 320, height: 640 },
  })
  expect(await page.textContent('h1')).toContain('<b>Zoë & co')
  await add(page, 'by hand')
  await until(async () => (await notes(page)).join() === 'by hand')
  expect(await signedIn(page)).toBe('1 signed in')
  const width = await page.evaluate(() => document.documentElement.scrollWidth).catch(() => 320)
  expect(width).toBeLessThanOrEqual(320)
  await page.click('button:text("Sign out")')
  await page.waitForSelector('#user')
  expect(seen.violations).toEqual([])
})

test('bad input is refused in words, and nobody is signed in by another site', async () => {
  const { url } = await start()
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(url + path, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body,
    })
  const none = await post('/sign-in', 'user=+')
  expect([none.status, await none.text()]).toEqual([
    400,
    expect.stringContaining('Expected a name'),
  ])
  expect((await post('/sign-in', `user=${'x'.repeat(41)}`)).status).toBe(400)
  expect((await post('/sign-in', 'name=x')).status).toBe(422)
  expect((await post('/sign-in', 'user=x', { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
  const unsigned = await post('/notes', 'text=x')
  expect([unsigned.status, unsigned.headers.get('location')]).toEqual([303, '/'])
  const htmx = await post('/notes', 'text=x', { 'hx-request': 'true' })
  expect(htmx.headers.get('hx-redirect')).toBe('/')
})

test('a host that is none of this machine, and another site, get nothing; a host that is named does', async () => {
  const { url } = await start(undefined, { HOSTS: 'jobs.example,other.example' })
  await expectOwn(
    url,
    ['/', '/style.css', '/nowhere', '/stream'],
    ['/sign-in', '/notes', '/nowhere'],
  )
})

test('a port that is taken is not shared: it ends in one sentence', async () => {
  const { url } = await start()
  const { port } = new URL(url)
  const DATABASE = join(folder, 'second.db')
  for (const [PORT, words] of [
    [port, `Port ${port} is taken.`],
    ['abc', 'Expected PORT to be a number from 0 to 65535, got "abc".'],
  ] as const) {
    const end = await endOf([program], { DATABASE, PORT })
    expect(end).toEqual({ code: 2, said: expect.stringContaining(words) })
  }
})

test('H-10 what Chromium sends: its own page is served, that of another site is not, unless it is granted', async () => {
  const asked: string[] = []
  const listen = (origins: string[]) => {
    const hub = new Hub({ origins, onRefuse: () => {} })
    hub.topic('room:*', { kind: 'state', guard: 'public' })
    const site = serve(async (request, server) => {
      const page = html('<title>x</title><link rel="icon" href="data:,">')
      if (!hub.serves(new URL(request.url).pathname)) return page
      const { headers } = request
      asked.push(`${headers.get('sec-fetch-site')} ${headers.get('origin')}`)
      return (await hub.fetch(request, { server })) ?? page
    })
    return { hub, ...site }
  }
  const strict = listen([])
  const other = serve(() => html('<title>x</title><link rel="icon" href="data:,">'))
  // Another site to the browser: not the same host.
  const friend = other.url.replace('127.0.0.1', 'localhost')
  const open = listen([friend])
  const { page } = await newPage()
  const read = (url: string) =>
    page.evaluate((url) => {
      return new Promise<string>((resolve) => {
        const source = new EventSource(url, { withCredentials: true })
        const end = (word: string) => {
          source.close()
          resolve(word)
        }
        source.addEventListener('room:1', (event) => end((event as MessageEvent).data))
        source.onerror = () => end('refused')
      })
    }, url)
  try {
    for (const { hub } of [strict, open]) await hub.publish('room:1', 'hello')
    await page.goto(strict.url)
    expect(await read('/stream?topic=room:1')).toBe('hello')
    await page.goto(friend)
    expect(await read(`${strict.url}/stream?topic=room:1`)).toBe('refused')
    expect(await read(`${open.url}/stream?topic=room:1`)).toBe('hello')
    expect(asked).toEqual(['same-origin null', `cross-site ${friend}`, `cross-site ${friend}`])
  } finally {
    strict.hub.close()
    open.hub.close()
  }
})
