/**
 * `examples/chat-llm` as a process of its own, in Chromium, with a provider that does what the test says.
 */
import { Database } from 'bun:sqlite'
import { afterAll, afterEach, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expectAccessible } from '../support/axe'
import { closeBrowser, newPage, type PageOptions, type Seen, until } from '../support/browser'
import {
  closeProviders,
  Drip,
  dripping,
  type Script,
  startProvider,
  type TestProvider,
} from '../support/openai'
import { endOf, expectOwn } from '../support/own-site'

setDefaultTimeout(60_000)

const program = join(import.meta.dir, '../../examples/chat-llm/main.tsx')
const folder = mkdtempSync(join(tmpdir(), 'chat-'))
const running: Bun.Subprocess[] = []
const key = 'sk-very-secret'

afterEach(async () => {
  closeProviders()
  for (const child of running.splice(0)) {
    child.kill('SIGKILL')
    await child.exited
  }
})
afterAll(async () => {
  await closeBrowser()
  rmSync(folder, { recursive: true, force: true })
})

test('a question is sent with Enter, answered live as markdown, announced at start and end, and there after a reload', async () => {
  const { url, provider } = await start()
  const drip = new Drip()
  provider.next({ tokens: drip })
  const { page, seen } = await openPage(url)
  expect(await page.textContent('.hello')).toContain('Answers come from test-model.')
  await page.keyboard.type('What is it?')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('really')
  await page.keyboard.press('Enter')
  await page.waitForSelector('.answer .hw-text-stop')
  expect(await titles(page)).toEqual(['What is it?'])
  expect(new URL(page.url()).pathname).toStartWith('/chats/')
  expect(await page.textContent('h1')).toBe('What is it?')
  expect(await page.textContent('#chats [aria-current]')).toBe('What is it?')
  expect(await page.textContent('.question .words')).toBe('What is it?\nreally')
  expect(provider.asked[0]?.body.messages.at(-1)?.content).toBe('What is it?\nreally')
  expect(provider.asked[0]?.headers.authorization).toBe(`Bearer ${key}`)

  const names = await page.$$eval('article', (all) =>
    all.map(
      (one) => document.getElementById(one.getAttribute('aria-labelledby') ?? '')?.textContent,
    ),
  )
  expect(names).toEqual([
    expect.stringMatching(/^You \d\d:\d\d$/),
    expect.stringMatching(/^test-model \d\d:\d\d$/),
  ])
  for (const token of [
    'It is **bo',
    'ld**',
    '.\n\n- one\n- t',
    'wo\n\n```js\nlet a = "<b>"',
    '\n```\n',
  ]) {
    drip.give(token)
    await until(async () => (await answer(page)).includes(plain(token)))
  }
  expect(await page.$('.answer [aria-busy=true]')).not.toBeNull()
  drip.end()
  await page.waitForSelector('.retry')
  await until(async () => (await page.$('.answer [aria-busy=true]')) === null)
  expect(await page.isVisible('.hw-text-stop')).toBe(false)
  const live = await content(page)
  expect(live).toContain('<strong>bold</strong>')
  expect(live).toContain('let a = "&lt;b&gt;"')

  // The next one is sent from here, and the field is ready for another.
  await page.evaluate(listenToStatus)
  const second = new Drip()
  provider.next({ tokens: second })
  await page.keyboard.type('And then?')
  await page.click('#composer button')
  await until(async () => (await page.evaluate(heard)).join() === 'Writing')
  second.give('Hello')
  second.give(' there.')
  await until(async () => (await answer(page, 1)).includes('Hello there.'))
  second.end()
  await until(async () => (await page.locator('.retry').count()) === 2)
  await until(async () => (await page.evaluate(heard)).join() === 'Writing,Done')
  expect(await page.inputValue('#text')).toBe('')
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('text')
  expect(await page.locator('.retry:visible').count()).toBe(1)
  expect(provider.asked).toHaveLength(2)
  const articles = () =>
    page.$$eval('article :is(.who, .words, .hw-text-content)', (all) =>
      all.map((one) => (one as HTMLElement).textContent.trim()),
    )
  const before = await articles()
  expect(before).toHaveLength(8)
  await page.reload()
  expect(await articles()).toEqual(before)
  expect(await content(page)).toBe(live)
  // What is over is not followed: the list and the messages alone are.
  expect(await page.locator('[data-stream]').count()).toBe(0)
  expectClean(seen)
})

test('D-10 stop ends the request to the provider within 50 ms, keeps what came, and can be tried again', async () => {
  const { url, provider } = await start()
  const { page, seen } = await openPage(url)
  const times: number[] = []
  let heardAt = 0
  page.on('request', (request) => {
    if (request.url().includes('/-/stop')) heardAt = performance.now()
  })
  await ask(page, 'a long one')
  await page.waitForSelector('.retry')
  // At the first try, or at a later one: another program may have had the processors.
  for (let n = 0; n < 5 && Math.min(...times) >= 50; n++) {
    const drip = new Drip()
    provider.next({ tokens: drip })
    await page.click('.retry:visible button')
    await page.waitForSelector('.answer .hw-text-stop:visible')
    drip.give('some **of it')
    await until(async () => (await answer(page)).includes('some'))
    const asked = provider.asked.at(-1)
    await page.click('.hw-text-stop:visible button')
    await until(() => asked?.leftAt)
    times.push((asked?.leftAt ?? 0) - heardAt)
    await page.waitForSelector('.answer .hint:text("Stopped.")')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('text')
  }
  expect(Math.min(...times)).toBeLessThan(50)
  expect(await answer(page)).toContain('some **of it')
  await page.reload()
  expect(await answer(page)).toContain('some **of it')
  await page.waitForSelector('.answer .hint:text("Stopped.")')
  await page.click('.retry:visible button')
  await until(async () => (await answer(page)).includes('Hello there.'))
  await page.waitForSelector('.retry')
  expect(await page.locator('article').count()).toBe(2)
  expectClean(seen)
})

test('every fault of the provider is said beside what came, on all pages, and after a reload', async () => {
  const { url, provider } = await start({ OPENAI_PATIENCE: '4000' })
  const drip = new Drip()
  const faults: [Script, fault: RegExp, kept: string][] = [
    [{ tokens: drip }, /was cut/, 'Half'],
    [{ status: 401, body: `{"error":{"message":"bad key ${key}"}}` }, /OPENAI_API_KEY/, ''],
    [{ status: 429, headers: { 'retry-after': '7' } }, /Try again in 7 s\./, ''],
    [{ tokens: ['Half', ' of'], malformedAfter: 1 }, /no part of an answer/, 'Half'],
    [{ tokens: ['Half', ' of'], errorAfter: 1 }, /broke off/, 'Half'],
    [{ firstByteAfter: 20_000 }, /said nothing for 4 s/, ''],
    [{ tokens: dripping(['Half', ' of'], 20_000) }, /said nothing for 4 s/, 'Half'],
    [{ tokens: [] }, /empty answer/, ''],
    [{ status: 503 }, /fault of its own/, ''],
  ]
  const { page, seen } = await openPage(url)
  const [first] = faults as [(typeof faults)[number]]
  provider.next(first[0])
  drip.give('Half')
  await ask(page, 'What now?')
  await page.waitForSelector('.answer')
  const other = await openPage(page.url())
  for (const one of [page, other.page])
    await until(async () => (await answer(one)).includes('Half'))
  drip.cut()
  for (const [at, [, fault, kept]] of faults.entries()) {
    for (const shown of [page, other.page]) {
      await until(async () => fault.test(await error(shown)), {
        what: String(fault),
        timeout: 10_000,
      })
      const words = (await answer(shown)).trim()
      expect([at, words.slice(0, kept.length || 99)]).toEqual([at, kept])
      await shown.waitForSelector('.retry button:text("Try again")')
    }
    const before = await content(page)
    await other.page.reload()
    expect(await error(other.page)).toBe(await error(page))
    if (at === 0) await expectAccessible(page)
    expect(await content(other.page)).toBe(before)
    expect(await page.content()).not.toContain(key)
    provider.next(faults[at + 1]?.[0] ?? { tokens: ['All ', 'is well.'] })
    const old = await page.getAttribute('.answer', 'id')
    await page.click('.retry button')
    for (const shown of [page, other.page]) await shown.waitForSelector(`.answer:not(#${old})`)
  }
  for (const shown of [page, other.page]) {
    await until(async () => (await answer(shown)).includes('All is well.'))
    expect(await error(shown)).toBe('')
    expect(await shown.locator('article').count()).toBe(2)
  }
  expectClean(seen)
})

test('D-13 two tabs and another person see the same, and a reload in mid-answer goes on at the same character', async () => {
  const { url, provider } = await start()
  const drip = new Drip()
  provider.next({ tokens: drip })
  const ann = await openPage(url)
  await ask(ann.page, 'Count, please')
  const tab = await ann.context.newPage()
  await tab.goto(ann.page.url())
  const bob = await openPage(ann.page.url())
  const all = [ann.page, tab, bob.page]
  const tokens = Array.from(
    { length: 300 },
    (_, n) => `${n}${n % 40 === 39 ? '.\n\n' : n % 7 ? ' ' : ', '}`,
  )
  const words = spaced(tokens.join(''))
  for (const [n, token] of tokens.entries()) {
    drip.give(token)
    if (n % 50 !== 25) continue
    await until(async () => (await answer(ann.page)).includes(` ${n}`))
    const had = (await answer(tab)).length
    await tab.reload({ waitUntil: 'commit' })
    await tab.waitForSelector('.answer .hw-text-content')
    const has = await answer(tab)
    expect(has.length).toBeGreaterThanOrEqual(had)
    expect(words).toStartWith(spaced(has))
  }
  drip.end()
  for (const page of all) {
    await page.waitForSelector('.retry')
    expect(spaced(await answer(page))).toBe(words)
  }
  const html = await content(ann.page)
  for (const page of all) expect(await content(page)).toBe(html)

  // Asked at the other one's, shown at both; each conversation is in each list.
  await ask(bob.page, 'And again')
  for (const page of all) {
    await until(async () => (await page.locator('article').count()) === 4)
    await until(async () => (await page.locator('.retry').count()) === 2)
    await until(async () => (await answer(page, 1)).trim() === 'Hello there.')
  }
  const third = await openPage(url)
  await ask(third.page, 'Another <i>matter</i>')
  for (const page of all) {
    await until(
      async () => (await titles(page)).join('|') === 'Another <i>matter</i>|Count, please',
    )
  }
  for (const { seen } of [ann, bob, third]) expectClean(seen)
})

test('a question that is edited is asked anew in all tabs, what came after it is gone, and the conversation has its name', async () => {
  const { url } = await start()
  const { page, context, seen } = await openPage(url)
  await ask(page, 'first')
  await page.waitForSelector('.retry')
  await ask(page, 'second')
  await until(async () => (await page.locator('.retry').count()) === 2)
  const tab = await context.newPage()
  await tab.goto(page.url())

  await page.click('.question >> nth=0 >> summary')
  const field = page.locator('.question >> nth=0 >> textarea')
  expect(await field.inputValue()).toBe('first')
  expect(await page.textContent('.question >> nth=0 >> .hint')).toContain('is deleted')
  await until(() => page.evaluate(() => document.activeElement?.tagName === 'TEXTAREA'))
  await field.fill('\nfirst, but <b>better</b>\n\nwith lines')
  await field.press('Enter')
  for (const one of [page, tab]) {
    await until(async () => (await one.locator('article').count()) === 2)
    await until(async () => (await one.locator('.retry').count()) === 1)
    expect(await one.textContent('.words')).toBe('first, but <b>better</b>\n\nwith lines')
    expect(await one.textContent('h1')).toBe('first, but <b>better</b>')
    expect(await titles(one)).toEqual(['first, but <b>better</b>'])
    expect(await one.title()).toBe('first, but <b>better</b> · Headwater')
  }
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('text')
  expectClean(seen)
})

test('a deleted conversation leaves all lists and the database, and the page of it says so', async () => {
  const { url, provider, database } = await start()
  const { page, context, seen } = await openPage(url)
  await ask(page, 'to stay')
  await page.waitForSelector('.retry')
  // What takes its place leaves nothing of it, either.
  provider.next({ tokens: ['An answer ', 'to go.'] }, { tokens: ['Another.'] })
  await page.click('.retry button')
  await until(async () => (await answer(page)).includes('to go.'))
  await page.click('.retry button')
  await until(async () => (await answer(page)).includes('Another.'))
  await page.waitForSelector('.retry')
  const drip = new Drip()
  provider.next({ tokens: drip })
  await page.goto(url)
  await ask(page, 'to go')
  await page.waitForSelector('.hw-text-stop')
  const tab = await context.newPage()
  await tab.goto(page.url())
  const path = page.url()
  page.once('dialog', (dialog) => dialog.dismiss())
  await page.click('header button')
  expect(await titles(page)).toEqual(['to go', 'to stay'])
  page.once('dialog', (dialog) => dialog.accept())
  await page.click('header button')
  await page.waitForURL(`${url}/`)
  await until(() => provider.asked.at(-1)?.leftAt)
  await tab.waitForSelector('text=This conversation has been deleted.')
  await until(async () => (await tab.title()) === 'Deleted · Headwater')
  expect(await tab.$('#text')).toBeNull()
  for (const one of [page, tab]) await until(async () => (await titles(one)).join() === 'to stay')
  expect((await fetch(path)).status).toBe(404)
  const lost = await openPage(path)
  expect(await lost.page.textContent('[role=alert]')).toContain('no such conversation')
  await lost.page.click('text=New conversation >> nth=-1')
  await lost.page.waitForSelector('.hello:visible')
  // Its words are not kept in the log either.
  using file = new Database(database, { readonly: true })
  const kept = () => JSON.stringify(file.query('select * from hw_event').all())
  await until(() => !kept().includes('to go'))
  expect(file.query('select count(*) as n from message').get()).toEqual({ n: 2 })
  expectClean(seen)
})

test('an edit that is refused leaves the focus where the words are; one that is taken by another tab does not lose it', async () => {
  const { url, provider } = await start()
  const { page, context, seen } = await openPage(url)
  await ask(page, 'first')
  await page.waitForSelector('.retry')
  const drip = new Drip()
  provider.next({ tokens: drip })
  await ask(page, 'second')
  await page.waitForSelector('.hw-text-stop:visible')
  await page.click('.question >> nth=0 >> summary')
  const field = page.locator('.question >> nth=0 >> textarea')
  await field.fill('first, but')
  await field.press('Enter')
  await page.waitForSelector('#notice:has-text("still being written")')
  await page.keyboard.type(' better')
  expect(await field.inputValue()).toBe('first, but better')
  expect(await page.inputValue('#text')).toBe('')
  drip.end()
  await until(async () => (await page.locator('.hw-text-error').count()) === 1)

  const tab = await context.newPage()
  await tab.goto(page.url())
  await tab.click('.question >> nth=0 >> summary')
  await tab.fill('.question >> nth=0 >> textarea', 'other words')
  await tab.keyboard.press('Enter')
  for (const one of [page, tab]) {
    await until(async () => (await one.textContent('.words')) === 'other words')
    await until(() => one.evaluate(() => document.activeElement?.id === 'text'))
  }
  expectClean(seen)
})

test('what can not be sent is said at the field, and the words stay; other sites can send nothing', async () => {
  const { url, provider } = await start()
  const { page, seen } = await openPage(url)
  const drip = new Drip()
  provider.next({ tokens: drip })
  await ask(page, 'first')
  await page.waitForSelector('.hw-text-stop')
  await ask(page, 'meanwhile')
  await page.waitForSelector('#notice:has-text("still being written")')
  expect(await page.inputValue('#text')).toBe('meanwhile')
  drip.end()
  await page.waitForSelector('.hw-text-error')
  await page.fill('#text', '  \n ')
  await page.press('#text', 'Enter')
  await page.fill('#text', 'x'.repeat(20_001))
  await page.click('#composer button')
  await page.waitForSelector('#notice:has-text("at most 20,000")')
  expect(await page.inputValue('#text')).toHaveLength(20_001)
  await page.click('.retry button')
  await until(async () => (await page.textContent('#notice')) === '')
  await until(async () => (await answer(page)).includes('Hello there.'))
  await page.fill('#text', 'x'.repeat(20_001))
  await page.click('#composer button')
  await page.waitForSelector('#notice:has-text("at most 20,000")')
  await ask(page, 'second')
  await until(async () => (await page.textContent('#notice')) === '')
  await until(async () => (await page.locator('article').count()) === 4)

  // Sent twice, because the server is slow, it is one conversation.
  const again = await openPage(url)
  let sent = 0
  await again.page.route('**/chats', async (route) => {
    sent++
    await until(() => pressed)
    await route.continue()
  })
  let pressed = false
  await again.page.fill('#text', 'only once')
  await again.page.keyboard.press('Enter')
  await until(() => sent === 1)
  await again.page.keyboard.press('Enter')
  await Bun.sleep(50)
  pressed = true
  await again.page.waitForSelector('.retry')
  expect([sent, await titles(again.page)]).toEqual([1, ['only once', 'first']])

  const chat = new URL(page.url()).pathname
  const post = (path: string, text: string, headers: Record<string, string> = {}) =>
    fetch(url + path, {
      method: 'POST',
      body: new URLSearchParams({ text }),
      headers,
      redirect: 'manual',
    })
  const cases = [
    [await post('/chats', ' '), 400, 'Write a question first.'],
    [await post('/chats', 'x'.repeat(20_001)), 413, 'at most 20,000'],
    [await post('/chats', 'x'.repeat(300_000)), 413, 'at most 20,000'],
    [await post('/chats/nowhere/messages', 'x'), 404, 'no such conversation'],
    [await post(`${chat}/messages/x/edit`, 'x'), 404, 'no such message'],
    [await post(`${chat}/messages/1/fly`, 'x'), 404, 'no such page'],
    [await fetch(`${url}/chats`, { method: 'POST' }), 400, 'Write a question first.'],
    [await post('/chats', 'x', { 'sec-fetch-site': 'cross-site' }), 403, 'another site'],
    [await post(`${chat}/delete`, '', { 'sec-fetch-site': 'same-site' }), 403, 'another site'],
  ] as const
  for (const [response, status, words] of cases) {
    expect([response.status, await response.text()]).toEqual([
      status,
      expect.stringContaining(words),
    ])
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
  }
  expectClean(seen)
})

test('a host that is none of this machine, and another site, get nothing; a host that is named does', async () => {
  const { url } = await start({ HOSTS: 'jobs.example,other.example' })
  await expectOwn(
    url,
    ['/', '/style.css', '/nowhere', '/stream'],
    ['/chats', '/chats/x/delete', '/nowhere'],
  )
})

test('hostile words stay words: of the question, of the answer, and of the provider', async () => {
  const { url, provider } = await start()
  const hostile = [
    '<script>alert(1)</script><img src=x onerror=alert(2)>',
    '[a link](javascript:alert(3)) and <a href="javascript:alert(4)">another</a>',
    '![picture](data:image/svg+xml,<svg onload=alert(5)>)',
    '</textarea></article><h1 id="text">x</h1>',
    '<hx-partial hx-target="body" hx-swap="innerHTML">gone</hx-partial> {{x}} \u202E',
  ]
  const text = hostile.join('\n\n')
  const { page, seen } = await openPage(url)
  const dialogs: string[] = []
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message())
    void dialog.dismiss()
  })
  provider.next({ tokens: Array.from(text) })
  await ask(page, text)
  await page.waitForSelector('.retry')
  const check = async () => {
    expect(await page.textContent('.question .words')).toBe(text)
    expect(await page.inputValue('.question textarea')).toBe(text)
    for (const link of await page.$$('.answer a')) {
      expect(await link.getAttribute('href')).not.toMatch(/^\s*(javascript|data):/i)
    }
    expect(await page.locator('article :is(script, img[onerror], svg, h1, [onload])').count()).toBe(
      0,
    )
    expect(await page.textContent('h1')).toStartWith('<script>alert(1)</script>')
    expect(await answer(page)).toContain('<hx-partial hx-target="body"')
  }
  await check()
  await page.reload()
  await check()
  const body = JSON.stringify({ error: { message: '<img src=x onerror=alert(6)>' } })
  provider.next({ status: 400, body, headers: { 'content-type': 'application/json' } })
  await page.click('.retry button')
  await until(async () => (await error(page)).includes('<img src=x onerror=alert(6)>'))
  await page.reload()
  expect(await error(page)).toContain('<img src=x onerror=alert(6)>')
  expect(dialogs).toEqual([])
  expectClean(seen)
})

test('without JavaScript: asked, stopped, tried again, edited and deleted with forms', async () => {
  const { url, provider } = await start()
  const { page, seen } = await openPage(url, {
    javaScript: false,
    viewport: { width: 360, height: 640 },
  })
  const drip = new Drip()
  provider.next({ tokens: drip })
  await page.fill('#text', 'by hand')
  await page.click('#composer button')
  expect(await page.textContent('h1')).toBe('by hand')
  drip.give('some of')
  await until(async () => {
    await page.reload()
    return (await answer(page)).includes('some of')
  })
  expect(await page.textContent('noscript')).toContain('Load it again')
  await page.fill('#text', 'meanwhile')
  await page.click('#composer button')
  expect(await page.textContent('#notice')).toContain('still being written')
  expect(await page.inputValue('#text')).toBe('meanwhile')
  await page.click('noscript a')
  await page.click('.hw-text-stop button')
  await until(async () => {
    await page.reload()
    return (await page.locator('.answer .hint').count()) === 1
  })
  expect(provider.asked[0]?.leftAt).toBeGreaterThan(0)
  await page.click('.retry button')
  await until(async () => {
    await page.reload()
    return (await answer(page)).includes('Hello there.')
  })
  await page.click('.edit summary')
  await page.fill('.edit textarea', 'in other words')
  await page.click('.edit button')
  expect(await page.textContent('h1')).toBe('in other words')
  await page.fill('#text', 'x'.repeat(20_001))
  await page.click('#composer button')
  expect(await page.textContent('#notice')).toMatch(/at most 20,000/)
  expect(await page.textContent('h1')).toBe('in other words')
  await page.click('header button')
  expect(new URL(page.url()).pathname).toBe('/')
  expect(await titles(page)).toEqual([])
  expect(seen.violations).toEqual([])
})

test('kill -9 in mid-answer: after the restart the open page has what came, an error, and a way to try again', async () => {
  const { url, provider, child, database } = await start()
  const drip = new Drip()
  provider.next({ tokens: drip })
  const { page, seen } = await openPage(url)
  await ask(page, 'What is it?')
  drip.give('It is **half')
  drip.give('** of')
  await until(async () => (await answer(page)).includes('** of'))
  const file = new Database(database, { readonly: true })
  const kept = file.query<{ text: string }, []>("select text from message where state = 'running'")
  await until(() => kept.get()?.text === 'It is **half** of', { timeout: 1_000 })
  file.close()
  child.kill('SIGKILL')
  await child.exited
  const anew = await start({ PORT: new URL(url).port }, { provider, database })
  expect(anew.url).toBe(url)
  await until(async () => (await error(page)).includes('The server was stopped'), {
    timeout: 20_000,
  })
  await page.waitForSelector('.retry')
  expect(await content(page)).toContain('It is <strong>half</strong> of')
  const other = await openPage(page.url())
  expect(await other.page.textContent('.hw-text-error')).toContain('The server was stopped')
  expect(await content(other.page)).toContain('It is <strong>half</strong> of')
  await page.click('.retry button')
  for (const one of [page, other.page]) {
    await until(async () => (await answer(one)).includes('Hello there.'))
    expect(await one.locator('article').count()).toBe(2)
  }
  expect(seen.violations).toEqual([])
  expect(seen.pageErrors).toEqual([])
})

test('a second start, on the same port or another, is refused in words, and the answer of the first goes on', async () => {
  const { url, provider, child, database } = await start()
  const { port } = new URL(url)
  const drip = new Drip()
  provider.next({ tokens: drip })
  const { page, seen } = await openPage(url)
  await ask(page, 'What is it?')
  drip.give('It is')
  await until(async () => (await answer(page)).includes('It is'))
  const link = join(folder, 'link.db')
  await symlink(database, link)
  const other = join(folder, `${crypto.randomUUID()}.db`)
  const local = { OPENAI_BASE_URL: '', OPENAI_API_KEY: '' }
  for (const [env, words] of [
    [{ PORT: port, DATABASE: database }, 'Another process has'],
    [{ PORT: '0', DATABASE: database }, 'Another process has'],
    [{ PORT: '0', DATABASE: link }, 'Another process has'],
    [{ PORT: port, DATABASE: other }, `Port ${port} is taken.`],
    [{ PORT: 'abc', DATABASE: other }, 'Expected PORT to be a number'],
  ] as const) {
    const end = await endOf([program], { ...local, ...env })
    expect(end).toEqual({ code: 2, said: expect.stringContaining(words) })
  }
  drip.give(' well.')
  drip.end()
  await page.waitForSelector('.retry')
  expect((await answer(page)).trim()).toBe('It is well.')
  expect(await error(page)).toBe('')
  expectClean(seen)

  // Nothing of a process that was killed stands in the way.
  child.kill('SIGKILL')
  await child.exited
  const anew = await start({ PORT: port }, { provider, database })
  expect(anew.url).toBe(url)
})

test('without a file nobody has it: two run beside one another', async () => {
  const one = await start({}, { database: ':memory:' })
  const two = await start({}, { database: ':memory:' })
  expect(one.url).not.toBe(two.url)
})

test('SIGTERM in mid-answer: the page is told, and the process ends', async () => {
  const { url, provider, child } = await start()
  const drip = new Drip()
  provider.next({ tokens: drip })
  const { page } = await openPage(url)
  await ask(page, 'What is it?')
  drip.give('half')
  await until(async () => (await answer(page)).includes('half'))
  // That may have come with the page; this shows that it is live.
  drip.give(' of it')
  await until(async () => (await answer(page)).includes('half of it'))
  child.kill('SIGTERM')
  await until(async () => (await error(page)).includes('The server was stopped'))
  expect(await child.exited).toBe(0)
  expect(await answer(page)).toContain('half')
})

test('while the server is away, what is sent is not lost, and it is said', async () => {
  const { url, child } = await start()
  const { page } = await openPage(url)
  await ask(page, 'one')
  await page.waitForSelector('.retry')
  child.kill('SIGKILL')
  await child.exited
  await ask(page, 'two')
  await page.waitForSelector('#notice:has-text("can not be reached")')
  expect(await page.inputValue('#text')).toBe('two')
})

test('D-07 who reads at the end is taken along, who reads further up is not, and a button leads to the newest', async () => {
  const { url, provider } = await start()
  const { page, seen } = await openPage(url, { viewport: { width: 900, height: 500 } })
  const drip = new Drip()
  provider.next({ tokens: drip })
  await ask(page, 'long')
  const line = (n: number) => `Line ${n} of many.\n\n`
  for (let n = 0; n < 40; n++) drip.give(line(n))
  await until(async () => (await answer(page)).includes('Line 39'))
  await until(async () => (await distance(page)) < 5)
  await page.hover('.answer')
  await page.mouse.wheel(0, -600)
  await until(async () => (await distance(page)) > 400)
  const { top } = await place(page)
  for (let n = 40; n < 60; n++) drip.give(line(n))
  await until(async () => (await answer(page)).includes('Line 59'))
  await page.waitForSelector('.hw-jump:visible')
  expect((await place(page)).top).toBe(top)
  await page.click('.hw-jump')
  await until(async () => (await distance(page)) < 5)
  drip.end()
  await page.waitForSelector('.retry')
  await until(async () => !(await page.isVisible('.hw-jump')))

  // A question of one's own comes into view from anywhere.
  await page.evaluate(() => document.querySelector('.scroll')?.scrollTo(0, 0))
  await ask(page, 'next')
  await until(async () => (await page.locator('.retry').count()) === 2)
  await until(async () => (await distance(page)) < 100)
  await page.reload()
  expect(await distance(page)).toBeLessThan(5)
  expectClean(seen)
})

test('narrow: one column, the list behind its heading, nothing beyond the edge; wide: the list is open', async () => {
  const { url, provider } = await start()
  const wide = await openPage(url)
  const code = `\`\`\`\n${'x'.repeat(300)}\n\`\`\`\n\n${'y'.repeat(300)}`
  provider.next({ tokens: [code] })
  await ask(wide.page, `${'z'.repeat(200)} and more`)
  await wide.page.waitForSelector('.retry')
  expect(await wide.page.isVisible('#chats a')).toBe(true)
  expect(await wide.page.isVisible('.chats summary')).toBe(false)
  for (const width of [320, 700]) {
    const { page, seen } = await openPage(wide.page.url(), {
      viewport: { width, height: 640 },
      colorScheme: 'dark',
    })
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width)
    expect(await page.evaluate(() => document.querySelector('.scroll')?.scrollWidth)).toBe(width)
    expect(await page.isVisible('#chats a')).toBe(false)
    await page.click('.chats summary')
    expect(await page.isVisible('#chats a')).toBe(true)
    const { y, height } = (await page.locator('#composer').boundingBox()) ?? { y: 999, height: 0 }
    expect(y + height).toBeLessThanOrEqual(640)
    expectClean(seen)
  }
})

test('without a key the example answers by itself: differently, and at a human pace', async () => {
  const { url } = await start({ OPENAI_BASE_URL: '', OPENAI_API_KEY: '', CHAT_PACE: '5' })
  const { page, seen } = await openPage(url)
  expect(await page.textContent('.hello')).toContain('n-gram model of the docs')
  for (const question of ['What is a topic?', 'Who may follow?', 'qwertz'])
    await askAndWait(page, question)
  const answers = await page.$$eval('.answer .hw-text-content', (all) =>
    all.map((one) => one.textContent),
  )
  expect(new Set(answers).size).toBe(3)
  for (const one of answers) expect(one.length).toBeGreaterThan(20)
  const old = await page.getAttribute('.answer:last-child', 'id')
  await page.click('.retry:visible button')
  await page.waitForSelector(`.answer:last-child:not(#${old}) .retry`)
  await page.waitForSelector(newest, { state: 'attached' })
  const other = await answer(page, 2)
  expect(other.length).toBeGreaterThan(20)
  expect(other).not.toBe(answers[2] as string)
  expectClean(seen)
})

interface Started {
  url: string
  provider: TestProvider
  child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>
  database: string
}

/** Starts the program; resolves when it serves. */
async function start(
  env: Record<string, string> = {},
  again: Partial<Started> = {},
): Promise<Started> {
  const { provider = startProvider(), database = join(folder, `${crypto.randomUUID()}.db`) } = again
  const remote = { OPENAI_BASE_URL: provider.url, OPENAI_API_KEY: key, OPENAI_MODEL: 'test-model' }
  const child = Bun.spawn([process.execPath, program], {
    env: { ...process.env, DATABASE: database, PORT: '0', ...remote, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.push(child)
  const { value } = await child.stdout.getReader().read()
  const url = new TextDecoder().decode(value).match(/http:\/\/127\.0\.0\.1:\d+/)?.[0]
  if (!url) throw new Error(`It printed no address: ${await new Response(child.stderr).text()}`)
  return { url, provider, child, database }
}

async function openPage(url: string, options?: PageOptions) {
  const opened = await newPage(options)
  await opened.page.goto(url)
  return opened
}

async function ask(page: Page, text: string): Promise<void> {
  // Before its script is there, Enter is a new line.
  await page.waitForLoadState()
  await page.fill('#text', text)
  await page.press('#text', 'Enter')
}

/** The text of the last answer, once all of it is there: it comes on its own way, beside the messages. */
const newest = '.answer:last-child [data-state=done]'

async function askAndWait(page: Page, text: string): Promise<void> {
  const { length } = await page.$$('.retry')
  await ask(page, text)
  await until(async () => (await page.locator('.retry').count()) > length, { timeout: 30_000 })
  await page.waitForSelector(newest, { state: 'attached' })
}

/** The words of an answer. */
async function answer(page: Page, at = 0): Promise<string> {
  const all = await page.$$eval('.answer .hw-text-content', (found) =>
    found.map((one) => one.textContent),
  )
  return all[at] ?? ''
}

function spaced(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

/** The markup of the first answer. */
function content(page: Page): Promise<string> {
  return page.$eval('.answer .hw-text-content', (one) => one.innerHTML.trim())
}

/** What is said of why the first answer failed. */
async function error(page: Page): Promise<string> {
  return (
    (await page.$eval('.answer', (one) => one.querySelector('.hw-text-error')?.textContent)) ?? ''
  )
}

function titles(page: Page): Promise<string[]> {
  return page.$$eval('#chats a', (all) => all.map((one) => one.textContent ?? ''))
}

function place(page: Page): Promise<{ top: number; end: number }> {
  return page.$eval('.scroll', ({ scrollTop, scrollHeight, clientHeight }) => ({
    top: scrollTop,
    end: scrollHeight - clientHeight,
  }))
}

async function distance(page: Page): Promise<number> {
  const { top, end } = await place(page)
  return end - top
}

/** The last word of a piece of markdown, as it is shown. */
function plain(token: string): string {
  return token.match(/[\w"<>]+(?=\W*$)/)?.[0] ?? ''
}

/** In the page: notes what a screen reader is told of answers from here on. */
function listenToStatus(): void {
  const said: string[] = []
  ;(globalThis as unknown as { said: string[] }).said = said
  const listen = (changes: MutationRecord[]) => {
    for (const { target } of changes) {
      const status = (target as Element).closest?.('.answer [role=status]')
      if (status?.textContent) said.push(status.textContent)
    }
  }
  new MutationObserver(listen).observe(document.body, { childList: true, subtree: true })
}

/** In the page. */
function heard(): string[] {
  return (globalThis as unknown as { said: string[] }).said
}

function expectClean({ consoleErrors, pageErrors, violations }: Seen): void {
  expect([pageErrors, violations, consoleErrors]).toEqual([[], [], []])
}
