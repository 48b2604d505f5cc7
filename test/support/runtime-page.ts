/**
 * Tabs of one browser profile on a page with the runtime, and what they were told.
 *
 * ```ts
 * const profile = await openProfile()
 * const tab = await profile.open(`${site.url}/`)
 * await until(async () => (await tab.told('headwater:open')).length === 150)
 * ```
 */
import type { BrowserContext, Page } from 'playwright-core'
import { browser, until } from './browser'

/** A DOM event that reached the document. */
export interface Told {
  name: string
  /** The id of the element that it was sent to. */
  id: string
  /** Its details, as far as they are JSON. */
  detail: {
    connection?: string
    attempt?: number
    delay?: number
    status?: number
    silence?: number
    reason?: string
    type?: string
    data?: string
  }
  at: number
}

/** What a page keeps for its test. */
interface Kept {
  told: Told[]
  /** Milliseconds from each click to its answer. */
  clicks: number[]
  /** The numbers of the items that were added to each list, by its id. */
  added: Record<string, number[]>
  /** How often something was put into each element, by its id. */
  changes: Record<string, number>
  /** Whether the page came back from the back/forward cache, of each time that it was shown. */
  persisted: boolean[]
  headwaterViolation: (what: string) => void
}

/** How a profile differs from a plain one. */
export interface ProfileOptions {
  /** Whether pages have a `SharedWorker`. @default true */
  worker?: boolean | undefined
}

/** A profile: its tabs share cookies, storage and workers. */
export interface Profile {
  context: BrowserContext
  tabs: Tab[]
  /** Opens a tab on a page, and waits until the page is loaded. */
  open(url: string): Promise<Tab>
  close(): Promise<void>
}

/** One tab. */
export interface Tab {
  page: Page
  /** Console messages of the level error. */
  errors: string[]
  /** Exceptions that nobody caught. */
  exceptions: string[]
  /** What the policy blocked. */
  violations: string[]
  /** The DOM events of this page, oldest first; of this name, if one is given. */
  told(name?: string): Promise<Told[]>
  /** The text of an element, without blanks around it. */
  text(selector: string): Promise<string | undefined>
  /** The numbers in the items of a list. */
  lines(selector: string): Promise<number[]>
  /** The numbers of the items that were added to a list since the page was loaded, in that order. */
  added(id: string): Promise<number[]>
  /** How often something was put into an element since the page was loaded. */
  changes(id: string): Promise<number>
  /** Whether the page came back from the back/forward cache when it was shown last. */
  persisted(): Promise<boolean>
  /** Milliseconds from each click on the page's button to its answer, oldest first. */
  clicks(): Promise<number[]>
  /** Clicks the page's button; resolves with the milliseconds from the click to its answer on the page. */
  ask(): Promise<number>
}

/** Opens a new profile, without a tab. */
export async function openProfile({ worker = true }: ProfileOptions = {}): Promise<Profile> {
  const context = await (await browser()).newContext()
  const profile: Profile = { context, tabs: [], open, close: () => context.close() }
  await context.exposeBinding('headwaterViolation', ({ page }, what: string) => {
    profile.tabs.find((tab) => tab.page === page)?.violations.push(what)
  })
  await context.addInitScript(keep)
  if (!worker) await context.addInitScript('delete window.SharedWorker')
  async function open(url: string): Promise<Tab> {
    const tab = tabOf(await context.newPage())
    profile.tabs.push(tab)
    await tab.page.goto(url)
    return tab
  }
  return profile
}

function tabOf(page: Page): Tab {
  const tab: Tab = {
    page,
    errors: [],
    exceptions: [],
    violations: [],
    async told(name) {
      const all = await page.evaluate(() => (globalThis as unknown as Kept).told)
      return all.filter((one) => name === undefined || one.name === name)
    },
    async text(selector) {
      return (await page.$eval(selector, (element) => element.textContent))?.trim()
    },
    lines: (selector) =>
      page.$$eval(`${selector} > li`, (all) => all.map((li) => Number(li.textContent))),
    added: (id) => page.evaluate((id) => (globalThis as unknown as Kept).added[id] ?? [], id),
    changes: (id) => page.evaluate((id) => (globalThis as unknown as Kept).changes[id] ?? 0, id),
    persisted: () => page.evaluate(() => !!(globalThis as unknown as Kept).persisted.at(-1)),
    clicks: () => page.evaluate(() => (globalThis as unknown as Kept).clicks),
    async ask() {
      const { length } = await tab.clicks()
      // A tab behind others draws once a second, and a click waits for that.
      await page.bringToFront()
      await page.click('#ask')
      await until(async () => (await tab.clicks()).length > length, { what: 'an answer' })
      return (await tab.clicks()).at(-1) as number
    },
  }
  page.on('console', (message) => {
    if (message.type() === 'error') tab.errors.push(message.text())
    if (/content security policy/i.test(message.text())) tab.violations.push(message.text())
  })
  page.on('pageerror', (error) => tab.exceptions.push(error.message))
  return tab
}

/** Runs in each page, before its own scripts. */
function keep(): void {
  const kept = globalThis as unknown as Kept
  kept.told = []
  kept.clicks = []
  kept.added = {}
  kept.changes = {}
  kept.persisted = []
  addEventListener('pageshow', (event) =>
    kept.persisted.push((event as PageTransitionEvent).persisted),
  )
  const listed = (changes: MutationRecord[]) => {
    for (const { addedNodes, target } of changes) {
      const { id } = target as Element
      if (id && addedNodes.length > 0) kept.changes[id] = (kept.changes[id] ?? 0) + 1
      for (const node of addedNodes) {
        if (node.nodeName !== 'LI') continue
        kept.added[id] ??= []
        kept.added[id].push(Number(node.textContent))
      }
    }
  }
  // Once the page is parsed: what it begins with was not added.
  document.addEventListener('readystatechange', () => {
    if (document.readyState !== 'interactive') return
    new MutationObserver(listed).observe(document.body, { childList: true, subtree: true })
  })
  document.addEventListener('securitypolicyviolation', (event) => {
    kept.headwaterViolation(`${event.violatedDirective} ${event.blockedURI || event.sourceFile}`)
  })
  const tell = (name: string, detailOf: (detail: Told['detail']) => Told['detail']) =>
    document.addEventListener(name, (event) => {
      const { target, detail } = event as CustomEvent
      const { id } = target as Element
      // A test of 100,000 events looks at the page's memory.
      if (kept.told.length < 5_000)
        kept.told.push({ name, id, detail: detailOf(detail ?? {}), at: Date.now() })
    })
  for (const what of ['open', 'stale', 'retry', 'closed', 'refused']) {
    tell(`headwater:${what}`, (detail) => ({ ...detail }))
  }
  // Their details hold the source and nodes.
  for (const what of ['Open', 'Error', 'Close', 'Message']) {
    tell(`htmx:sse${what}`, ({ type, data }) => ({ ...(type && { type }), ...(data && { data }) }))
  }
  // By the time of the click itself, so waiting for the main thread counts too.
  let clicked = 0
  addEventListener('click', ({ timeStamp }) => {
    clicked = timeStamp
  })
  document.addEventListener('DOMContentLoaded', () => {
    const answer = document.querySelector('#answer')
    if (!answer) return
    const note = () => kept.clicks.push(performance.now() - clicked)
    new MutationObserver(note).observe(answer, { childList: true })
  })
}
