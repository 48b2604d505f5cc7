/** @jsxImportSource @kitajs/html */
/**
 * Every component on one page, served by Elysia under a strict content security policy, in Chromium with stock
 * htmx 2 and htmx-ext-sse.
 */
import {
  afterAll,
  afterEach,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from 'bun:test'
import { html } from '@elysiajs/html'
import type { Children } from '@kitajs/html'
import { Elysia } from 'elysia'
import { Hub, MultiStreamManager, swap } from 'headwater'
import {
  type Column,
  Connected,
  HeadwaterHead,
  LogView,
  MultiStreamRow,
  MultiStreamTable,
  ProgressBar,
  StatusBadge,
  StreamElement,
  tableRow,
} from 'headwater/components'
import { headwater } from 'headwater/elysia'
import { expectAccessible } from '../support/axe'
import { closeBrowser, newPage, until } from '../support/browser'

setDefaultTimeout(20_000)

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; worker-src 'self'; img-src 'self' data:"

interface Job {
  id: string
  name: string
  state: string
  done: number
}

interface Line {
  n: number
  text: string
}

const declareJobs = (hub: Hub, jobs: Map<string, Job>) =>
  new MultiStreamManager<Job>(hub, {
    name: 'job',
    getEntity: (id) => jobs.get(id),
    isActive: ({ state }) => state !== 'done',
  })
    .register({
      name: 'state',
      kind: 'state',
      render: ({ state }) => <StatusBadge state={state} />,
    })
    .register({
      name: 'progress',
      kind: 'state',
      render: ({ name, done }) => <ProgressBar label={`Progress of ${name}`} value={done} />,
    })

const declareLogs = (hub: Hub, jobs: Map<string, Job>) =>
  new MultiStreamManager<Job>(hub, {
    name: 'log',
    getEntity: (id) => jobs.get(id),
  }).register<'lines', Line>({
    name: 'lines',
    kind: 'log',
    key: (line: Line) => line.n,
    render: (line) => <li safe>{line.text}</li>,
  })

const columns: Column<Job, ReturnType<typeof declareJobs>>[] = [
  { header: 'Name', as: 'th', render: ({ name }) => <span safe>{name}</span> },
  { header: 'State', stream: 'state' },
  { header: 'Progress', stream: 'progress' },
]

let stored: Map<string, Job>
let hub: Hub
let jobs: ReturnType<typeof declareJobs>
let logs: ReturnType<typeof declareLogs>
let server: { stop(cut: boolean): unknown } | undefined

beforeEach(() => {
  stored = new Map(
    ['running', 'done', '<i>"odd"&amp;'].map((state, i) => [
      `${i + 1}`,
      { id: `${i + 1}`, name: `${state} & co`, state, done: i * 40 },
    ]),
  )
  hub = new Hub({ secret: 'components' })
  jobs = declareJobs(hub, stored)
  logs = declareLogs(hub, stored)
})
afterEach(async () => {
  await server?.stop(true)
  server = undefined
  hub.close()
})
afterAll(closeBrowser)

/** Serves a page with that body at `/`. */
function site(body: () => Children): string {
  const app = new Elysia()
    .use(html())
    .use(headwater(hub))
    .onAfterHandle({ as: 'global' }, ({ set }) => {
      set.headers['content-security-policy'] = policy
    })
    .get('/', () => (
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <link rel="icon" href="data:," />
          <HeadwaterHead hub={hub} title="Components" />
        </head>
        <body>{body()}</body>
      </html>
    ))
    .get('/more', () => <b id="answer">answered</b>)
    .listen({ port: 0, hostname: '127.0.0.1' })
  server = app.server ?? undefined
  return `http://127.0.0.1:${app.server?.port}`
}

function table(children?: Children) {
  return (
    <MultiStreamTable
      manager={jobs}
      entities={stored.values()}
      columns={columns}
      caption="Jobs"
      id="jobs"
      empty="No jobs"
    >
      {children}
    </MultiStreamTable>
  )
}

describe('components in Chromium', () => {
  test('H-13 a page with all components runs under a strict policy without a violation, and is live', async () => {
    await logs.publish('1', 'lines', { n: 1, text: 'first <line>' })
    const url = site(() => (
      <main>
        <h1>Components</h1>
        {table(
          <p>
            Again:{' '}
            <StreamElement manager={jobs} entity="1" stream="state" connect={false} id="again" />
          </p>,
        )}
        <Connected to={jobs.address(['1', '3'])} as="table">
          <tbody>
            <MultiStreamRow
              manager={jobs}
              entity={stored.get('1') as Job}
              streams={[{ name: 'state', id: 'row-state' }]}
              row={(id, cells) => (
                <tr>
                  <th scope="row">{id}</th>
                  {cells.state}
                </tr>
              )}
            />
          </tbody>
        </Connected>
        <StreamElement manager={jobs} entity="3" stream="progress" as="div" id="own" />
        <LogView manager={logs} entity="1" stream="lines" label="Lines" empty="No lines" />
        <ProgressBar label="Unknown" text="working" />
        <button type="button" hx-get="/more" hx-target="#more">
          More
        </button>
        <span class="htmx-indicator" id="indicator">
          …
        </span>
        <p id="more" />
      </main>
    ))
    const { page, seen } = await newPage()
    await page.goto(url)
    await until(() => seen.follows.length === 4)
    expect(hub.stats().active).toBe(1)

    expect(await page.textContent('#jobs tbody th')).toBe('running & co')
    expect(await page.textContent('#job-3 .hw-badge')).toBe('<i>"odd"&amp;')
    expect(await page.textContent('.hw-log li')).toBe('first <line>')
    expect(await page.isHidden('#jobs .hw-empty')).toBe(true)
    expect(await page.isHidden('.hw-log .hw-empty')).toBe(true)
    expect(await page.isHidden('#indicator')).toBe(true)

    const job = stored.get('1') as Job
    Object.assign(job, { state: 'paused', done: 77 })
    await Promise.all([
      jobs.publish('1', 'state', job),
      jobs.publish('1', 'progress', job),
      jobs.publish('3', 'progress', { ...job, done: 5 }),
      logs.publish('1', 'lines', { n: 2, text: 'second' }),
    ])
    const texts = {
      '#\\31 -state': 'paused',
      '#again': 'paused',
      '#row-state': 'paused',
      '#own': '5%',
    }
    for (const [selector, text] of Object.entries(texts)) {
      await until(async () => (await page.textContent(selector)) === text, { what: selector })
    }
    await until(async () => (await page.textContent('#\\31 -progress')) === '77%')
    await until(async () => (await page.locator('.hw-log li').count()) === 2)
    expect(await page.locator('#\\31 -progress progress').getAttribute('value')).toBe('77')

    await page.click('button')
    await page.waitForSelector('#answer')
    expect(seen.violations).toEqual([])
    expect(seen.consoleErrors).toEqual([])
    expect(seen.pageErrors).toEqual([])
    await expectAccessible(page)
  })

  test('H-13 a nonce policy without self lets the page run too', async () => {
    const app = new Elysia()
      .use(html())
      .use(headwater(hub))
      .get('/', ({ set }) => {
        set.headers['content-security-policy'] =
          "default-src 'none'; script-src 'nonce-n0nce'; style-src 'nonce-n0nce'; connect-src 'self'; worker-src 'self'; img-src data:"
        return (
          <html lang="en">
            <head>
              <link rel="icon" href="data:," />
              <HeadwaterHead hub={hub} nonce="n0nce" title="Nonce" />
            </head>
            <body>
              <StreamElement manager={jobs} entity="1" stream="state" />
            </body>
          </html>
        )
      })
      .listen({ port: 0, hostname: '127.0.0.1' })
    server = app.server ?? undefined
    const { page, seen } = await newPage()
    await page.goto(`http://127.0.0.1:${app.server?.port}`)
    await until(() => hub.stats().active === 1)
    await jobs.publish('1', 'state', { ...(stored.get('1') as Job), state: 'paused' })
    await until(() => page.isVisible('.hw-badge.hw-warning'))
    expect([...seen.violations, ...seen.consoleErrors]).toEqual([])
  })

  test('C-26 a table has one connection, to which a row that comes later belongs', async () => {
    const url = site(() => table())
    const before = hub.stats().total
    const { page, seen } = await newPage()
    await page.goto(url)
    await until(() => hub.stats().active === 1)

    const late: Job = { id: 'n:1', name: 'late', state: 'running', done: 0 }
    stored.set(late.id, late)
    const row = await tableRow({ manager: jobs, entity: late, columns })
    await hub.publish('job:n%3A1:row', swap.beforeend('#jobs-rows', row), { key: 'row' })
    await jobs.publish(late.id, 'progress', { ...late, done: 55 })
    await until(async () => (await page.locator('#jobs-rows > tr').count()) === 4)
    const cell = page.locator('#jobs-rows > tr').last().locator('td').last()
    await until(async () => (await cell.textContent()) === '55%')

    await jobs.publish(late.id, 'progress', { ...late, done: 56 })
    await until(async () => (await cell.textContent()) === '56%')
    expect(seen.follows).toHaveLength(1)
    expect(hub.stats().total - before).toBe(1)
    expect(hub.stats().active).toBe(1)
    expect(seen.consoleErrors).toEqual([])
  })

  test('the words for an empty table go with the first row and come with the last', async () => {
    stored.clear()
    const url = site(() => table())
    const { page } = await newPage()
    await page.goto(url)
    await until(() => hub.stats().active === 1)
    expect(await page.isVisible('#jobs .hw-empty')).toBe(true)

    const entity: Job = { id: '9', name: 'nine', state: 'queued', done: 0 }
    const row = await tableRow({ manager: jobs, entity, columns })
    await hub.publish('job:9:row', swap.beforeend('#jobs-rows', row))
    await until(() => page.isHidden('#jobs .hw-empty'))
    await hub.publish('job:9:row', swap.delete('#job-9'))
    await until(() => page.isVisible('#jobs .hw-empty'))
  })

  test.each(['div', 'table', 'tbody', 'tr', 'ul', 'ol', 'dl', 'select'])(
    'a connected <%s> receives patches: its sink stays where it is',
    async (as) => {
      const wrap = (inner: JSX.Element) => {
        if (as === 'tbody') return <table>{inner}</table>
        if (as === 'tr') {
          return (
            <table>
              <tbody>{inner}</tbody>
            </table>
          )
        }
        return <>{inner}</>
      }
      const url = site(() => (
        <>
          <p id="out" />
          {wrap(<Connected to={jobs.all()} as={as} id="parent" />)}
        </>
      ))
      const { page, seen } = await newPage()
      await page.goto(url)
      await until(() => hub.stats().active === 1)
      expect(await page.locator('#parent > template').count()).toBe(1)
      await hub.publish('job:1:note', swap.innerHTML('#out', 'patched'))
      await until(async () => (await page.textContent('#out')) === 'patched')
      expect(seen.consoleErrors).toEqual([])
    },
  )

  test('a log stays at its end while lines come, and where one has scrolled to', async () => {
    for (let n = 1; n <= 60; n++) await logs.publish('1', 'lines', { n, text: `line ${n}` })
    const url = site(() => <LogView manager={logs} entity="1" stream="lines" label="Lines" />)
    const { page } = await newPage()
    await page.goto(url)
    await until(() => hub.stats().active === 1)
    const isInView = (text: string) =>
      page.evaluate((wanted) => {
        const box = document.querySelector('.hw-log')?.getBoundingClientRect()
        const line = [...document.querySelectorAll('.hw-log li')].find(
          ({ textContent }) => textContent === wanted,
        )
        const at = line?.getBoundingClientRect()
        return !!box && !!at && at.top >= box.top && at.bottom <= box.bottom
      }, text)
    await until(() => isInView('line 60'))
    expect(await isInView('line 1')).toBe(false)
    await logs.publish('1', 'lines', { n: 61, text: 'line 61' })
    await until(() => isInView('line 61'))

    await page.focus('.hw-log')
    await page.keyboard.press('Home')
    await until(() => isInView('line 1'))
    await logs.publish('1', 'lines', { n: 62, text: 'line 62' })
    await until(async () => (await page.locator('.hw-log li').count()) === 62)
    expect(await isInView('line 1')).toBe(true)
  })

  test('H-13 the page does not scroll sideways at 390 pixels; the table does, with keys', async () => {
    const url = site(() => table())
    const { page } = await newPage({ viewport: { width: 390, height: 800 } })
    await page.goto(url)
    const wider = () =>
      page.evaluate(() => {
        const region = document.querySelector('.hw-table') as HTMLElement
        return {
          page: document.documentElement.scrollWidth > innerWidth,
          region: region.scrollWidth > region.clientWidth,
        }
      })
    expect(await wider()).toEqual({ page: false, region: true })
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement?.className)).toBe('hw-table')
  })

  test.each(['light', 'dark'] as const)(
    'H-13 every text has a contrast of 4.5 or more in %s',
    async (colorScheme) => {
      const url = site(() => (
        <main>
          <h1>Heading</h1>
          <p>
            Text with <a href="/">the way to all components</a>
          </p>
          {table()}
          <LogView manager={logs} entity="5" stream="lines" label="Lines" lines={<li>1</li>} />
          <LogView manager={logs} entity="6" stream="lines" label="Lines" empty="No lines" />
          <button type="button">Plain</button>
          <button type="button" class="hw-primary">
            Primary
          </button>
          {(['neutral', 'info', 'success', 'warning', 'danger'] as const).map((tone) => (
            <StatusBadge state={tone} tone={tone} />
          ))}
          <p class="hw-failed">Failed</p>
        </main>
      ))
      const { page } = await newPage({ colorScheme })
      await page.goto(url)
      const poor = await page.evaluate(contrasts)
      expect(poor.count).toBeGreaterThan(15)
      expect(poor.below).toEqual([])
    },
  )
})

/** Runs in the page: texts, and those whose contrast with what is behind them is below 4.5. */
function contrasts() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const mix = (colors: string[]) => {
    if (!canvas) throw new Error('no canvas')
    canvas.clearRect(0, 0, 1, 1)
    for (const color of colors) {
      canvas.fillStyle = color
      canvas.fillRect(0, 0, 1, 1)
    }
    const [r = 0, g = 0, b = 0] = [...canvas.getImageData(0, 0, 1, 1).data].map((value) => {
      const share = value / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const below: string[] = []
  let count = 0
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(
      (node) => node.nodeType === 3 && node.nodeValue?.trim(),
    )
    if (!own || !(element as HTMLElement).checkVisibility()) continue
    count++
    const behind: string[] = []
    for (let at: Element | null = element; at; at = at.parentElement) {
      behind.unshift(getComputedStyle(at).backgroundColor)
    }
    const [light = 0, dark = 0] = [
      mix(behind),
      mix([...behind, getComputedStyle(element).color]),
    ].sort((a, b) => b - a)
    const ratio = (light + 0.05) / (dark + 0.05)
    if (ratio < 4.5) below.push(`${element.outerHTML.slice(0, 80)}: ${ratio.toFixed(2)}`)
  }
  return { count, below }
}
