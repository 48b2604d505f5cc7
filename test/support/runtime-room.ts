/**
 * All that a test of the runtime needs: a site, a proxy before it, and a profile with tabs. What is left open is closed
 * when the test is over, also when it fails.
 *
 * ```ts
 * await using room = await openRoom({ htmx: 4 }, ({ board }) => ({ '/': () => board.cell('1') }))
 * const tab = await room.open()
 * await room.board.count('1')
 * await until(async () => (await tab.text('#cell-1')) === '1')
 * await room.end()
 * ```
 */
import { expect } from 'bun:test'
import { until } from './browser'
import type { Board } from './runtime-board'
import { openProfile, type Profile, type ProfileOptions, type Tab } from './runtime-page'
import {
  type Routes,
  type RuntimeSite,
  type RuntimeSiteOptions,
  startRuntimeSite,
} from './runtime-site'
import { type StallingProxy, startStallingProxy } from './stalling-proxy'

/** An open one. */
export interface Room extends AsyncDisposable {
  site: RuntimeSite
  board: Board
  proxy: StallingProxy
  profile: Profile
  /** Opens a tab, through the proxy. */
  open(path?: string): Promise<Tab>
  /** Waits until an address was opened so often in the page of a tab, then that its stream is the only one. */
  live(tab: Tab, count?: number): Promise<void>
  /**
   * Closes the profile, and shows that no page had an error, but for requests that failed, that nothing was blocked
   * and that the hub has nothing left.
   */
  end(): Promise<void>
}

/** Opens one. */
export async function openRoom(
  { worker, ...options }: RuntimeSiteOptions & ProfileOptions,
  routes: (site: Pick<RuntimeSite, 'hub' | 'board'>) => Routes,
): Promise<Room> {
  const site = await startRuntimeSite(options, routes)
  const proxy = await startStallingProxy(site.port)
  const profile = await openProfile({ worker })
  const { hub, board } = site
  return {
    site,
    board,
    proxy,
    profile,
    open: (path = '/') => profile.open(proxy.url + path),
    async live(tab, count = 1) {
      await until(async () => (await tab.told('headwater:open')).length >= count, {
        what: `${count} times headwater:open`,
      })
    },
    async end() {
      for (const tab of profile.tabs) expectClean(tab)
      await profile.close()
      await until(() => hub.stats().active === 0, { what: 'no connection to be left' })
      expect(hub.stats()).toMatchObject({ active: 0, topics: 0, lagging: 0 })
      expect(site.errors).toEqual([])
    },
    async [Symbol.asyncDispose]() {
      await profile.close()
      await proxy.close()
      await site.close()
    },
  }
}

/** Shows that a page had no error, but for requests that failed, and that nothing was blocked. */
export function expectClean({ exceptions, violations, errors }: Tab): void {
  expect(exceptions).toEqual([])
  expect(violations).toEqual([])
  expect(errors.filter((text) => !ofNetwork.test(text))).toEqual([])
}

/** What the browser says of a request that failed, and htmx 2 of its `htmx:sseError`. */
const ofNetwork = /Failed to load resource|net::ERR_|^\[object Event\]$/

/** The numbers from one to the other. */
export function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)
}

/** Waits until a list shows exactly these numbers; else fails with what is lost and what is doubled. */
export async function expectLines(
  tab: Tab,
  list: string,
  wanted: number[],
  timeout = 15_000,
): Promise<void> {
  const newest = wanted.at(-1)
  const isThere = async () => (await tab.lines(list)).includes(newest ?? Number.NaN)
  await until(isThere, { timeout, what: `line ${newest} in ${list}` }).catch(() => {})
  const shown = await tab.lines(list)
  const lost = wanted.filter((n) => !shown.includes(n))
  const doubled = shown.filter((n, i) => shown.indexOf(n) !== i)
  expect({ lost, doubled }).toEqual({ lost: [], doubled: [] })
  expect(shown).toEqual(wanted)
}

/** Waits until a cell shows a number. */
export async function expectCell(tab: Tab, id: string, value: number): Promise<void> {
  await until(async () => (await tab.text(`#cell-${id}`)) === String(value), {
    timeout: 10_000,
    what: `${value} in the cell ${id}`,
  })
}
