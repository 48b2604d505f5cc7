/** @jsxImportSource @kitajs/html */
/**
 * The view of a live log under a strict content security policy, on both majors of htmx: 100,000 lines, the place of
 * who reads, pausing, levels, links, and what stands further up.
 */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Hub, type LogLines, logLines } from 'headwater'
import { HeadwaterHead, LiveLog } from 'headwater/components'
import type { CDPSession, Page } from 'playwright-core'
import { closeBrowser, html, newPage, type PageOptions, serve, until } from '../support/browser'
import { startCuttingProxy } from '../support/cutting-proxy'

setDefaultTimeout(60_000)

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; img-src data:; form-action 'self'; base-uri 'none'"

const hubs: Hub[] = []

afterEach(() => {
  for (const hub of hubs.splice(0)) hub.close()
})
afterAll(closeBrowser)

/** A page with one log, and all lines that were pushed to it. */
function start(
  htmx: 2 | 4,
  lineOf: (n: number) => string = (n) => `line ${n}`,
  first = 1,
  runtime = true,
) {
  const hub = new Hub({ secret: 'of the tests', limits: { retry: 5 } })
  hubs.push(hub)
  /** Answers of `/earlier` other than the lines, next first. */
  const instead: Response[] = []
  const log = logLines(hub, 'log:1', { first })
  const more = logLines(hub, 'log:2')
  const asked: string[] = []
  const show = async () => (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <link rel="icon" href="data:," />
        <HeadwaterHead hub={hub} htmx={htmx} runtime={runtime} logs title="Logs" />
      </head>
      <body>
        <LiveLog log={log} label="Lines" download="/file" earlier="/earlier" empty="No lines yet" />
        <button type="button" hx-get="/more" hx-target="#more" hx-swap="innerHTML">
          more
        </button>
        <div id="more" />
      </body>
    </html>
  )
  const earlier = (url: URL) => {
    asked.push(url.search)
    const before = Number(url.searchParams.get('before'))
    const from = Math.max(1, before - Number(url.searchParams.get('count')))
    return log.rows(
      Array.from({ length: Math.max(0, before - from) }, (_, i) => ({
        n: from + i,
        text: lineOf(from + i),
      })),
    )
  }
  const site = serve(async (request, server) => {
    const url = new URL(request.url)
    if (url.pathname === '/earlier') {
      const lines = earlier(url)
      return instead.shift() ?? html(lines)
    }
    if (url.pathname === '/more') {
      return new Response(await (<LiveLog log={more} label="More" empty="No lines yet" />), {
        headers: { 'content-type': 'text/html' },
      })
    }
    const stream = await hub.fetch(request, { server })
    if (stream) return stream
    const page = await hub.page(request, show)
    return html(page, { 'content-security-policy': policy })
  })
  const push = (count: number) => {
    for (let i = 0; i < count; i++) log.push(lineOf(log.next))
  }
  return { hub, log, more, asked, instead, url: site.url, push }
}

async function open(url: string, options?: PageOptions) {
  const opened = await newPage(options)
  await opened.page.goto(url)
  if (options?.javaScript !== false) await until(() => opened.seen.follows.length === 1)
  return opened
}

/** The numbers of the rows that are in the page. */
function numbers(page: Page): Promise<number[]> {
  return page.$$eval('.hw-lines > li', (all) =>
    all.map((li) => Number((li as HTMLElement).dataset.n)),
  )
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

async function newest(page: Page, n: number, timeout = 5_000): Promise<void> {
  const isThere = () => page.evaluate((n) => !!document.querySelector(`#log-log-1-${n}`), n)
  await until(isThere, { timeout, what: `line ${n}` })
}

/** From where the reader is to the end, in pixels. */
function fromEnd(page: Page): Promise<number> {
  return page.$eval('.hw-log', (box) =>
    Math.round(box.scrollHeight - box.scrollTop - box.clientHeight),
  )
}

/** Scrolls as a wheel does. */
async function scrollBy(page: Page, pixels: number): Promise<void> {
  await page.hover('.hw-log')
  const top = () => page.$eval('.hw-log', (box) => box.scrollTop)
  const before = await top()
  // A busy Chromium drops a wheel that turns before it knows what can be scrolled.
  for (let turns = 0; turns < 3 && (await top()) === before; turns++) {
    await page.mouse.wheel(0, pixels)
    await until(async () => (await top()) !== before, { timeout: 500 }).catch(() => {})
  }
}

/** The number of the first row in sight, and how far below the top of the box it is. */
function place(page: Page): Promise<{ n: number; at: number }> {
  return page.$eval('.hw-log', (box) => {
    const { top } = box.getBoundingClientRect()
    const rows = [...box.querySelectorAll<HTMLElement>('li')]
    const first = rows.find((row) => row.getBoundingClientRect().bottom > top) as HTMLElement
    return { n: Number(first.dataset.n), at: Math.round(first.getBoundingClientRect().top - top) }
  })
}

const isPaused = (page: Page) =>
  page.$eval('.hw-live-log', (root) => 'streamPaused' in (root as HTMLElement).dataset)
const waiting = (page: Page) => page.textContent('.hw-log-newest')

async function metrics(cdp: CDPSession): Promise<Record<string, number>> {
  const { metrics } = await cdp.send('Performance.getMetrics')
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]))
}

/** Counts in the page frames, the most rows after any change, and whether the end was in sight in each frame. */
function observe(page: Page): Promise<void> {
  return page.evaluate(() => {
    const seen = { frames: 0, most: 0, away: 0, longest: 0 }
    ;(globalThis as unknown as { seen: typeof seen }).seen = seen
    const box = document.querySelector('.hw-log') as HTMLElement
    const list = document.querySelector('[sse-swap]') as HTMLElement
    const count = () => {
      seen.most = Math.max(seen.most, list.childElementCount)
    }
    new MutationObserver(count).observe(list, { childList: true })
    let before = performance.now()
    const frame = (now: number) => {
      seen.frames++
      seen.longest = Math.max(seen.longest, now - before)
      before = now
      if (box.scrollHeight - box.scrollTop - box.clientHeight > 2) seen.away++
      count()
      requestAnimationFrame(frame)
    }
    requestAnimationFrame(frame)
  })
}

function seenIn(page: Page) {
  return page.evaluate(
    () =>
      (
        globalThis as unknown as {
          seen: { frames: number; most: number; away: number; longest: number }
        }
      ).seen,
  )
}

/** Pushes lines evenly over a time. */
async function flood(
  log: LogLines,
  count: number,
  milliseconds: number,
  lineOf: (n: number) => string,
) {
  const began = performance.now()
  for (let n = 0; n < count; ) {
    const due = Math.min(count, Math.ceil(((performance.now() - began) / milliseconds) * count))
    const lines: string[] = []
    for (; n < due; n++) lines.push(lineOf(n + 1))
    if (lines.length > 0) log.push(lines)
    await Bun.sleep(4)
  }
}

describe.each([2, 4] as const)('htmx %d', (htmx) => {
  test('D-22 100,000 lines in 10 s: at most 1,000 rows at any time, one layout a frame, the end in sight', async () => {
    const lineOf = (n: number) =>
      `\x1b[36m2026-01-01T00:00:00Z\x1b[0m ${n % 50 ? '\x1b[32mINFO\x1b[0m' : '\x1b[31mERROR\x1b[0m'} request ${n} took ${n % 97} ms`
    const { log, url } = start(htmx)
    const { page, seen } = await open(url)
    const cdp = await page.context().newCDPSession(page)
    await cdp.send('Performance.enable')
    await observe(page)
    const before = await metrics(cdp)
    const began = performance.now()
    await flood(log, 100_000, 10_000, lineOf)
    await newest(page, 100_000, 20_000)
    const took = Math.round(performance.now() - began)
    const after = await metrics(cdp)
    const { frames, most, away, longest } = await seenIn(page)
    const of = (name: string) => (after[name] ?? 0) - (before[name] ?? 0)
    const share = Math.round((of('TaskDuration') / took) * 100_000)
    console.log(
      `htmx ${htmx}: 100,000 lines in ${took} ms, ${frames} frames (longest ${Math.round(longest)} ms), ${of('LayoutCount')} layouts, at most ${most} rows, main thread ${share} %`,
    )
    expect(await numbers(page)).toEqual(range(99_001, 100_000))
    expect(most).toBe(1_000)
    expect(of('LayoutCount')).toBeLessThanOrEqual(frames * 1.1 + 10)
    expect(away).toBeLessThanOrEqual(frames * 0.02 + 2)
    expect(frames).toBeGreaterThan(20)
    expect(took).toBeLessThan(20_000)
    expect(seen.violations).toEqual([])
    expect(seen.consoleErrors).toEqual([])
    expect(seen.pageErrors).toEqual([])
  })

  test('D-22 who scrolls up stays where they are while lines come, is told how many wait, and goes on at the end', async () => {
    const { push, url } = start(htmx)
    push(1_000)
    const { page, seen } = await open(url)
    expect(await fromEnd(page)).toBeLessThan(2)
    await scrollBy(page, -600)
    await until(() => isPaused(page))
    const before = await place(page)
    for (let i = 0; i < 20; i++) {
      push(125)
      await Bun.sleep(20)
      expect(await place(page)).toEqual(before)
    }
    await until(async () => (await waiting(page)) === '2,500 new')
    expect(await numbers(page)).toEqual(range(1, 1_000))
    await page.click('.hw-log-newest')
    await newest(page, 3_500)
    expect(await numbers(page)).toEqual(range(2_501, 3_500))
    await until(async () => (await fromEnd(page)) < 2)
    expect(await page.isVisible('.hw-log-newest')).toBe(false)
    push(10)
    await newest(page, 3_510)
    await until(async () => (await fromEnd(page)) < 2)
    expect([...seen.violations, ...seen.consoleErrors, ...seen.pageErrors]).toEqual([])
  })

  test('D-22 while it is paused nothing moves, and what waits is counted', async () => {
    const { push, url } = start(htmx)
    push(300)
    const { page } = await open(url)
    const pause = page.getByRole('button', { name: 'Pause' })
    await pause.click()
    expect(await pause.getAttribute('aria-pressed')).toBe('true')
    const before = await place(page)
    push(1_500)
    await until(async () => (await waiting(page)) === '1,500 new')
    expect(await place(page)).toEqual(before)
    expect(await numbers(page)).toEqual(range(1, 300))
    await pause.click()
    await newest(page, 1_800)
    expect(await pause.getAttribute('aria-pressed')).toBe('false')
    expect(await numbers(page)).toEqual(range(801, 1_800))
    await until(async () => (await fromEnd(page)) < 2)
  })

  test('D-22 earlier lines come when one scrolls to the top, at their place, and go when one is back', async () => {
    const { push, url, asked } = start(htmx)
    push(1_450)
    const { page, seen } = await open(url)
    expect(asked).toEqual([])
    await page.$eval('.hw-log', (box) => {
      box.scrollTop = 0
    })
    await until(() => asked.length === 1)
    expect(asked).toEqual(['?before=451&count=200'])
    await newest(page, 251)
    // What was on top is where it was: under the form, which is on top of all.
    const gap = await page.$eval('#log-log-1-451', (row) => {
      const box = row.closest('.hw-log') as HTMLElement
      return Math.round(row.getBoundingClientRect().top - box.getBoundingClientRect().top)
    })
    expect(gap).toBeGreaterThanOrEqual(0)
    expect(gap).toBeLessThan(80)
    expect(await numbers(page)).toEqual(range(251, 1_450))
    for (const first of [51, 1]) {
      await page.$eval('.hw-log', (box) => {
        box.scrollTop = 0
      })
      await newest(page, first)
    }
    expect(await numbers(page)).toEqual(range(1, 1_450))
    push(5)
    await until(async () => (await waiting(page)) === '5 new')
    await page.$eval('.hw-log', (box) => {
      box.scrollTop = box.scrollHeight
    })
    await newest(page, 1_455)
    await until(async () => (await numbers(page)).length === 1_000)
    expect(await numbers(page)).toEqual(range(456, 1_455))
    await until(async () => (await fromEnd(page)) < 2)
    expect([...seen.violations, ...seen.consoleErrors, ...seen.pageErrors]).toEqual([])
  })

  test('D-22 earlier lines that failed can be asked for again, and nothing of the failure is put among them', async () => {
    const { push, url, asked, instead } = start(htmx)
    push(1_450)
    const elsewhere = { 'hx-retarget': '#more', 'hx-reswap': 'innerHTML' }
    instead.push(
      new Response('busy', { status: 503 }),
      new Response('gone', { status: 404 }),
      new Response('', { status: 502 }),
      html('went wrong', elsewhere),
    )
    const { page } = await open(url)
    // Not by the mouse: lines that come move the button.
    const press = (page: Page) =>
      page.$eval('.hw-log-earlier button', (button) => (button as HTMLElement).click())
    await page.$eval('.hw-log', (box) => {
      box.scrollTop = 0
    })
    await until(() => asked.length === 1)
    for (let n = 2; n <= 4; n++) {
      await until(async () => {
        await press(page)
        return asked.length >= n
      })
    }
    await until(async () => (await page.textContent('#more')) === 'went wrong')
    await until(async () => {
      await press(page)
      return asked.length >= 5
    })
    await newest(page, 251)
    expect(asked.slice(0, 5)).toEqual(Array(5).fill('?before=451&count=200'))
    expect(await page.textContent('#log-log-1-earlier')).not.toMatch(/busy|gone|wrong/)
    // Nor one that was sought by its address.
    instead.push(new Response('busy', { status: 503 }))
    const linked = await open(`${url}/#log-log-1-400`)
    // The next may be asked for at once: the form may be in sight.
    await until(() => asked.slice(5).includes('?before=451&count=71'), {
      what: `${asked.slice(5)}`,
    })
    const before = asked.length
    await linked.page.$eval('.hw-log', (box) => {
      box.scrollTop = 0
    })
    await until(async () => {
      await press(linked.page)
      return asked.length > before
    })
    await newest(linked.page, 400)
  })

  test('D-22 who is at the end stays there when other levels are shown, and when the page gets another size', async () => {
    const { push, url } = start(
      htmx,
      (n) => `${n % 20 ? 'DEBUG' : 'ERROR'} line ${n} ${'word '.repeat(20)}`,
    )
    push(1_000)
    const { page, seen } = await open(url)
    const atEnd = async () => {
      // What a scroll says comes in the frame behind.
      await page.evaluate(
        () => new Promise((go) => requestAnimationFrame(() => setTimeout(go, 50))),
      )
      expect(await fromEnd(page)).toBeLessThan(2)
      expect(await isPaused(page)).toBe(false)
      push(1)
    }
    for (const level of ['Errors', 'All', 'Warnings', 'Info', 'All']) {
      await page.getByLabel(level, { exact: true }).check()
      await atEnd()
    }
    for (const [width, height] of [
      [400, 700],
      [1_200, 300],
      [700, 900],
    ] as const) {
      await page.setViewportSize({ width, height })
      await atEnd()
    }
    await newest(page, 1_008)
    await page.$eval('.hw-live-log', (root) => root.parentElement?.toggleAttribute('hidden'))
    push(100)
    await newest(page, 1_108)
    await page.$eval('.hw-live-log', (root) => root.parentElement?.toggleAttribute('hidden'))
    await atEnd()
    // Who is further up is not taken along.
    await scrollBy(page, -600)
    await until(() => isPaused(page))
    const before = await place(page)
    await page.setViewportSize({ width: 700, height: 600 })
    push(10)
    await until(async () => (await waiting(page))?.startsWith('10 ') ?? false)
    expect(await isPaused(page)).toBe(true)
    expect((await place(page)).n).toBe(before.n)
    expect([...seen.violations, ...seen.consoleErrors, ...seen.pageErrors]).toEqual([])
  })

  test.each([true, false])(
    'D-22 runtime %p: who is cut off 60 times at any byte has the newest lines, each once',
    async (runtime) => {
      const { push, log, url } = start(htmx, undefined, 1, runtime)
      let state = htmx * 7 + Number(runtime)
      const random = () => {
        state = (state * 1_103_515_245 + 12_345) & 0x7fffffff
        return state / 0x7fffffff
      }
      const proxy = await startCuttingProxy(Number(new URL(url).port), () =>
        proxy.cuts < 60 ? Math.floor(300 + random() * 6_000) : undefined,
      )
      try {
        const { page, seen } = await newPage()
        await page.goto(proxy.url)
        await until(
          async () => {
            push(5)
            await Bun.sleep(4)
            return proxy.cuts >= 60
          },
          { timeout: 30_000, what: '60 cuts' },
        )
        push(20)
        await newest(page, log.next - 1, 10_000)
        const last = log.next - 1
        expect(await numbers(page)).toEqual(range(Math.max(1, last - 999), last))
        expect(await fromEnd(page)).toBeLessThan(2)
        expect(await isPaused(page)).toBe(false)
        expect([...seen.violations, ...seen.pageErrors]).toEqual([])
      } finally {
        await proxy.close()
      }
    },
  )

  test('D-22 of a short log nothing is asked for by itself; its button asks once, and not again where nothing came', async () => {
    const { push, url, asked } = start(htmx, undefined, -1)
    push(3)
    const { page } = await open(url)
    expect(asked).toEqual([])
    await page.click('text=Earlier lines')
    await until(() => asked.length === 1)
    await page.click('text=Earlier lines')
    await page.click('text=Earlier lines')
    expect(asked).toEqual(['?before=-1&count=200'])
    expect(await numbers(page)).toEqual([-1, 0, 1])
  })

  test('D-22 a log that comes to the page later begins at its end, is live, and can be paused', async () => {
    const { more, url } = start(htmx)
    more.push(Array.from({ length: 300 }, (_, i) => `line ${i + 1}`))
    const { page, seen } = await open(url)
    await page.click('text=more')
    await until(() => seen.follows.length === 2)
    const box = page.locator('#log-log-2 > .hw-log')
    const below = () => box.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight)
    expect(await below()).toBeLessThan(2)
    more.push(Array.from({ length: 100 }, (_, i) => `line ${i + 301}`))
    await page.waitForSelector('#log-log-2-400')
    await until(async () => (await below()) < 2)
    await page.click('#log-log-2 .hw-log-pause')
    more.push('line 401')
    await until(async () => (await page.textContent('#log-log-2 .hw-log-newest')) === '1 new')
    expect(await page.$('#log-log-2-401')).toBeNull()
    await page.click('#log-log-2 .hw-log-newest')
    await page.waitForSelector('#log-log-2-401')
    expect([...seen.violations, ...seen.consoleErrors, ...seen.pageErrors]).toEqual([])
  })

  test('D-22 the number of a line is a link to it: it is marked, in sight, and stays while lines come', async () => {
    const { push, url } = start(htmx)
    push(1_000)
    const { page } = await open(url)
    await scrollBy(page, -2_000)
    await until(() => isPaused(page))
    const { n } = await place(page)
    await page.click(`#log-log-1-${n + 3} > .hw-n`)
    expect(new URL(page.url()).hash).toBe(`#log-log-1-${n + 3}`)
    push(2_000)
    await until(async () => (await waiting(page)) === '2,000 new')
    expect(await page.$eval('li:target', (row) => row.id)).toBe(`log-log-1-${n + 3}`)
    expect(await page.isVisible('li:target')).toBe(true)
    // Another page goes there by itself.
    const other = await open(`${url}/#log-log-1-2500`)
    await until(() => isPaused(other.page))
    const at = await place(other.page)
    expect(at.n).toBeLessThan(2_500)
    expect(at.n).toBeGreaterThan(2_480)
    // To a line that is not on the page any more, what is between comes as well.
    const gone = await open(`${url}/#log-log-1-1600`)
    await until(() => gone.page.$('#log-log-1-1600:target'))
    expect(await gone.page.isVisible('li:target')).toBe(true)
    expect(await numbers(gone.page)).toEqual(range(1_580, 3_000))
    const there = await place(gone.page)
    expect(there.n).toBeLessThan(1_600)
    expect(there.n).toBeGreaterThan(1_580)
    expect(gone.page.url()).toBe(`${url}/#log-log-1-1600`)
    expect([...gone.seen.violations, ...gone.seen.consoleErrors]).toEqual([])
  })
})

test('D-22 levels are chosen without a walk over the rows, and without a script', async () => {
  const texts = ['debug: d', 'info: i', 'warning: w', 'error: e', 'no level']
  const { push, url } = start(2, (n) => texts[n % 5] as string, 101)
  push(10)
  for (const javaScript of [true, false]) {
    const { page } = await open(url, { javaScript })
    const shown = async () => {
      const rows = page.locator('.hw-lines > li .hw-line')
      const all = await rows.all()
      const visible: string[] = []
      for (const row of all)
        if (await row.isVisible()) visible.push((await row.textContent()) ?? '')
      return [...new Set(visible)].sort()
    }
    expect(await shown()).toEqual([...texts].sort())
    expect(await page.isVisible('text=Other lines are hidden')).toBe(false)
    await page.getByLabel('Info').check()
    expect(await shown()).toEqual(['error: e', 'info: i', 'no level', 'warning: w'])
    await page.getByLabel('Warnings').check()
    expect(await shown()).toEqual(['error: e', 'warning: w'])
    expect(await page.isVisible('text=Other lines are hidden')).toBe(true)
    await page.getByLabel('Errors').check()
    expect(await shown()).toEqual(['error: e'])
    // What does nothing without a script is not there.
    expect(await page.isVisible('text=Pause')).toBe(javaScript)
    expect(await page.isVisible('text=Earlier lines')).toBe(javaScript)
    expect(await page.isVisible('text=Download')).toBe(true)
    await page.context().close()
  }
})

test('D-22 a reader who was cut off gets the newest lines once', async () => {
  const { hub, push, url } = start(2)
  push(20)
  const { page, seen } = await open(url)
  await hub.revoke({ topic: 'log:1' }).then(() => hub.grant({ topic: 'log:1' }))
  push(2_000)
  await page.reload()
  await until(() => seen.follows.length === 2)
  push(30)
  await newest(page, 2_050)
  expect(await numbers(page)).toEqual(range(1_051, 2_050))
})
