/**
 * Streams in Chromium on stock htmx 2.0.11 and htmx-ext-sse 2.2.4, with no script of ours.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Hub, MultiStreamManager, swap } from '../../src'
import { attributes } from '../../src/html'
import { connectAttributes } from '../../src/slot'
import { closeBrowser, newPage, until } from '../support/browser'
import { startProxy } from '../support/proxy'
import { type LiveSite, startSite } from '../support/site'

setDefaultTimeout(30_000)
afterAll(closeBrowser)

interface Job {
  id: string
  state: 'running' | 'done'
  done: number
}

const retry = 100

function jobsOf(hub: Hub, all: Map<string, Job>) {
  return new MultiStreamManager<Job>(hub, {
    name: 'job',
    getEntity: (id) => all.get(id),
    isActive: ({ state }) => state === 'running',
    missing: () => '–',
  })
    .register({ name: 'progress', kind: 'state', render: ({ done }) => `<b>${done}</b>` })
    .register({
      name: 'state',
      kind: 'state',
      render: ({ state }, { final }) => `<i>${state}${final ? ' for good' : ''}</i>`,
    })
    .register({
      name: 'lines',
      kind: 'log',
      key: (line: { n: number }) => line.n,
      render: ({ n }: { n: number }) => `<li>line ${n}</li>`,
    })
}

function rowsOf(hub: Hub) {
  return new MultiStreamManager<Job>(hub, {
    name: 'row',
    getEntity: (id) => ({ id, state: 'running', done: 0 }),
  }).register({
    name: 'lines',
    kind: 'log',
    key: (line: { n: number }) => line.n,
    render: ({ n }: { n: number }) => `<tr><td>row ${n}</td></tr>`,
  })
}

function streamRequests({ requests }: LiveSite): number {
  return requests.filter(({ path }) => path.startsWith('/stream')).length
}

describe('stock htmx 2', () => {
  for (const [what, id, shown] of [
    ['an inactive entity', 'old', 'done for good'],
    ['an unknown entity', 'nobody', '–'],
  ] as const) {
    test(`C-23 ${what} shows its final fragment once and is not asked for again`, async () => {
      const all = new Map<string, Job>([['old', { id: 'old', state: 'done', done: 9 }]])
      const site = startSite({ limits: { retry } }, (hub) => {
        const jobs = jobsOf(hub, all)
        return { '/': () => jobs.element(id, 'state', { id: 'cell' }) }
      })
      const { page } = await newPage()
      await page.goto(site.url)
      await until(async () => (await page.textContent('#cell')) === shown)
      const asked = streamRequests(site)
      expect(asked).toBe(1)
      // Absence: three times the retry hint, and far beyond htmx' own first delay of 500 ms.
      await Bun.sleep(Math.max(3 * retry, 1_600))
      expect(streamRequests(site)).toBe(1)
      expect(await page.textContent('#cell')).toBe(shown)
      expect(site.hub.stats().active).toBe(0)
      await site.close()
    })
  }

  test('C-20 an element without content shows what there is, not only what comes', async () => {
    const all = new Map<string, Job>([['a', { id: 'a', state: 'running', done: 4 }]])
    let jobs: ReturnType<typeof jobsOf> | undefined
    const site = startSite({ limits: { retry } }, (hub) => {
      const made = jobsOf(hub, all)
      jobs = made
      return {
        '/': () =>
          made.element('a', 'progress', { id: 'cell' }) +
          made.element('a', 'lines', { as: 'ul', id: 'list' }),
      }
    })
    await jobs?.publish('a', 'lines', { n: 1 })
    const { page } = await newPage()
    await page.goto(site.url)
    await until(async () => (await page.textContent('#cell')) === '4')
    await until(async () => (await page.textContent('#list')) === 'line 1')
    await jobs?.publish('a', 'lines', { n: 2 })
    await until(async () => (await page.textContent('#list')) === 'line 1line 2')
    await site.close()
  })

  test('C-23 the end of one entity leaves the stream of another open', async () => {
    const all = new Map<string, Job>([
      ['a', { id: 'a', state: 'running', done: 1 }],
      ['b', { id: 'b', state: 'running', done: 1 }],
    ])
    let jobs: ReturnType<typeof jobsOf> | undefined
    const site = startSite({ limits: { retry } }, (hub) => {
      const made = jobsOf(hub, all)
      jobs = made
      return {
        '/': () => `<div${attributes(connectAttributes(made.address(['a', 'b'], 'state')))}>
          ${made.element('a', 'state', { id: 'a', connect: false })}
          ${made.element('b', 'state', { id: 'b', connect: false })}</div>`,
      }
    })
    const { page } = await newPage()
    await page.goto(site.url)
    await until(() => site.hub.stats().active === 1)
    all.set('a', { id: 'a', state: 'done', done: 9 })
    await jobs?.finish('a')
    await until(async () => (await page.textContent('#a')) === 'done for good')
    expect(site.hub.stats().active).toBe(1)
    await jobs?.publish('b', 'state', { id: 'b', state: 'running', done: 2 })
    await until(async () => (await page.textContent('#b')) === 'running')
    all.set('b', { id: 'b', state: 'done', done: 9 })
    await jobs?.finish('b')
    await until(async () => (await page.textContent('#b')) === 'done for good')
    await until(() => site.hub.stats().active === 0)
    await Bun.sleep(Math.max(3 * retry, 1_600))
    expect(streamRequests(site)).toBe(1)
    await site.close()
  })

  test('C-26 H-04 a table of 50 rows × 3 streams opens one request, and a click completes while all stream', async () => {
    const all = new Map<string, Job>()
    for (let i = 0; i < 50; i++) all.set(String(i), { id: String(i), state: 'running', done: 0 })
    let jobs: ReturnType<typeof jobsOf> | undefined
    const site = startSite({ limits: { retry } }, (hub) => {
      const made = jobsOf(hub, all)
      jobs = made
      const row = (id: string) =>
        `<tr id="row-${id}">${made.element(id, 'progress', { as: 'td', connect: false })}${made.element(
          id,
          'state',
          { as: 'td', connect: false },
        )}<td>${made.element(id, 'lines', { as: 'ul', connect: false })}</td></tr>`
      return {
        '/': () => `<button hx-get="/clicked" hx-target="#answer">click</button><p id="answer"></p>
          <div${attributes(connectAttributes(made.all()))}><table><tbody>${[...all.keys()].map(row).join('')}</tbody></table></div>`,
        '/clicked': () => 'answered',
      }
    })
    const { page, seen } = await newPage()
    await page.goto(site.url)
    await until(() => site.hub.stats().active === 1)
    let streaming = true
    let rounds = 0
    const stream = (async () => {
      while (streaming) {
        rounds++
        for (const job of all.values()) {
          job.done = rounds
          void jobs?.publish(job.id, 'progress', job)
          void jobs?.publish(job.id, 'state', job)
          if (rounds <= 5) void jobs?.publish(job.id, 'lines', { n: rounds })
        }
        await Bun.sleep(100)
      }
    })()
    await until(() => rounds > 5)
    const before = performance.now()
    await page.click('button')
    await until(async () => (await page.textContent('#answer')) === 'answered')
    // Ten times the figure of 100 ms.
    expect(performance.now() - before).toBeLessThan(1_000)
    streaming = false
    await stream
    await until(
      () =>
        page.evaluate(
          (last) =>
            [...document.querySelectorAll('tr')].every(
              (tr) =>
                tr.querySelector('b')?.textContent === last &&
                tr.querySelector('i')?.textContent === 'running' &&
                tr.querySelectorAll('li').length === 5,
            ),
          String(rounds),
        ),
      { timeout: 10_000 },
    )
    expect(streamRequests(site)).toBe(1)
    expect(seen.pageErrors).toEqual([])
    await site.close()
  })

  test('H-04 a row that comes as a patch gets the events of its cells that follow at once', async () => {
    const all = new Map<string, Job>()
    let jobs: ReturnType<typeof jobsOf> | undefined
    const cell = (id: string) => jobs?.element(id, 'progress', { as: 'td', connect: false })
    const site = startSite({ limits: { retry } }, (hub) => {
      const made = jobsOf(hub, all)
      jobs = made
      return {
        '/': () => `<div${attributes(connectAttributes(made.all()))}><table><tbody id="rows"></tbody></table>
          <template sse-swap="message" hx-swap="none" hx-target="this"></template></div>`,
      }
    })
    const { page } = await newPage()
    await page.goto(site.url)
    await until(() => site.hub.stats().active === 1)
    for (const id of ['a', 'b', 'c']) {
      const job: Job = { id, state: 'running', done: 7 }
      void site.hub.publish(`job:${id}:row`, swap.beforeend('#rows', `<tr>${cell(id)}</tr>`))
      await jobs?.publish(id, 'progress', job)
    }
    await until(async () => (await page.$$eval('#rows b', (all) => all.length)) === 3)
    expect(await page.$$eval('#rows td', (all) => all.map((td) => td.textContent))).toEqual([
      '7',
      '7',
      '7',
    ])
    await site.close()
  })

  test('H-02 what is published between the reading of the data and the opening of the stream is shown once', async () => {
    const lines: number[] = []
    const all = new Map<string, Job>([['a', { id: 'a', state: 'running', done: 0 }]])
    let jobs: ReturnType<typeof jobsOf> | undefined
    const say = (n: number) => {
      lines.push(n)
      return jobs?.publish('a', 'lines', { n })
    }
    const site = startSite({ limits: { retry } }, (hub) => {
      const made = jobsOf(hub, all)
      jobs = made
      return {
        '/': async () => {
          await say(3) // after the cursor, before the data: it is on the page already
          const read = [...lines]
          await say(4) // after the data, before the markup
          const list = read.map((n) => `<li id="job-a-lines-${n}">line ${n}</li>`).join('')
          const page = made.element('a', 'lines', { as: 'ul', id: 'list', content: list })
          await say(5) // after the markup
          return page
        },
      }
    })
    await say(1)
    await say(2)
    site.intercept = () => {
      void say(6) // before the stream is opened
      site.intercept = undefined
      return undefined
    }
    const { page } = await newPage()
    await page.goto(site.url)
    await until(async () => (await page.textContent('#list'))?.includes('line 6'))
    await say(7)
    await until(async () => (await page.textContent('#list'))?.includes('line 7'))
    const items = await page.$$eval('#list > li', (all) => all.map((li) => li.textContent))
    expect(items).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => `line ${n}`))
    await site.close()
  })

  test('H-02 a state published before the stream opens is shown, a table row too', async () => {
    const all = new Map<string, Job>([['a', { id: 'a', state: 'running', done: 0 }]])
    let jobs: ReturnType<typeof jobsOf> | undefined
    let rows: ReturnType<typeof rowsOf> | undefined
    const site = startSite({ limits: { retry } }, (hub) => {
      const made = jobsOf(hub, all)
      jobs = made
      const table = rowsOf(hub)
      rows = table
      return {
        '/': () =>
          `${made.element('a', 'progress', { id: 'cell', content: '<b>0</b>' })}
           <table>${table.element('a', 'lines', { as: 'tbody', id: 'body', content: '<tr id="row-a-lines-1"><td>row 1</td></tr>' })}</table>`,
      }
    })
    let opened = 0
    site.intercept = () => {
      opened++
      if (opened > 1) site.intercept = undefined
      void jobs?.publish('a', 'progress', { id: 'a', state: 'running', done: opened })
      void rows?.publish('a', 'lines', { n: opened })
      return undefined
    }
    const { page } = await newPage()
    await page.goto(site.url)
    await until(async () => (await page.textContent('#cell')) === '2')
    await until(async () => (await page.$$('#body > tr')).length === 2)
    expect(await page.$$eval('#body > tr', (all) => all.map((tr) => tr.textContent))).toEqual([
      'row 1',
      'row 2',
    ])
    await site.close()
  })
})

describe('H-01 after a cut', () => {
  async function openList() {
    const all = new Map<string, Job>([['a', { id: 'a', state: 'running', done: 0 }]])
    let jobs: ReturnType<typeof jobsOf> | undefined
    const site = startSite({ limits: { retry } }, (hub) => {
      const made = jobsOf(hub, all)
      jobs = made
      return {
        '/': () => `<div id="main">${made.element('a', 'lines', { as: 'ol', id: 'list' })}
          <a href="/other" hx-get="/other" hx-target="#main" hx-push-url="true">other</a></div>`,
        '/other': () => '<p id="other">other</p>',
      }
    })
    const proxy = await startProxy(site.port)
    const opened = await newPage()
    await opened.page.goto(`http://127.0.0.1:${proxy.port}/`)
    await until(() => site.hub.stats().active === 1)
    let n = 0
    const say = async (count: number) => {
      for (let i = 0; i < count; i++) await jobs?.publish('a', 'lines', { n: ++n })
    }
    const shown = () => opened.page.$$eval('#list > li', (all) => all.map((li) => li.textContent))
    const expectWhole = async () => {
      await until(async () => (await shown()).at(-1) === `line ${n}`)
      expect(await shown()).toEqual(Array.from({ length: n }, (_, i) => `line ${i + 1}`))
    }
    const close = async () => {
      await proxy.close()
      await site.close()
    }
    return { site, proxy, say, expectWhole, close, ...opened }
  }

  test('H-01 the browser comes back with its Last-Event-ID and gets the rest', async () => {
    const { site, proxy, say, expectWhole, close, seen } = await openList()
    for (let round = 0; round < 5; round++) {
      await say(3)
      await expectWhole()
      const before = streamRequests(site)
      proxy.cut()
      await say(4)
      await until(() => streamRequests(site) > before)
      expect(
        site.requests.findLast(({ path }) => path.startsWith('/stream'))?.lastEventId,
      ).toBeTruthy()
      await expectWhole()
    }
    expect(seen.pageErrors).toEqual([])
    await close()
  })

  test('H-01 one 503, after which htmx forgets the Last-Event-ID, loses and doubles nothing', async () => {
    const { site, proxy, say, expectWhole, close, seen } = await openList()
    await say(5)
    await expectWhole()
    let refused = 0
    site.intercept = () => (refused++ < 1 ? new Response('busy', { status: 503 }) : undefined)
    proxy.cut()
    await say(3)
    await until(() => refused > 1)
    expect(site.requests.findLast(({ path }) => path.startsWith('/stream'))?.lastEventId).toBeNull()
    await expectWhole()
    await say(2)
    await expectWhole()
    // The deletions that go before replayed items are silent where there is nothing to delete.
    expect(seen.consoleErrors.filter((text) => text.includes('Target'))).toEqual([])
    await close()
  })

  test('H-01 a history restore, which brings back old lines with an old since, doubles nothing', async () => {
    const { page, say, expectWhole, close } = await openList()
    await say(5)
    await expectWhole()
    await page.click('a')
    await page.waitForSelector('#other')
    await say(3)
    await page.goBack()
    await expectWhole()
    await say(2)
    await expectWhole()
    await close()
  })
})
