/**
 * Much at once: in order, once, without blocking a click, and without a trace in memory.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { CDPSession, Page } from 'playwright-core'
import { closeBrowser, until } from '../support/browser'
import { expectCell, expectLines, numbers, openRoom } from '../support/runtime-room'
import { askWorker, heapOfWorker } from '../support/runtime-worker'

setDefaultTimeout(60_000)
afterAll(closeBrowser)

/** Seconds that the page's main thread has worked so far. */
async function worked(cdp: CDPSession): Promise<number> {
  const { metrics } = await cdp.send('Performance.getMetrics')
  return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0
}

/** Bytes in use in the page after its garbage was collected. */
async function heapOf(cdp: CDPSession): Promise<number> {
  await cdp.send('HeapProfiler.collectGarbage')
  return (await cdp.send('Runtime.getHeapUsage')).usedSize
}

function middle([a = 0, b = 0, c = 0]: number[]): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
}

/** Resolves in the page, when a list has so many items; looking from outside would keep the page busy. */
function whenLong(page: Page, list: string, count: number, click = false): Promise<void> {
  return page.evaluate(
    ([list, count, click]) =>
      new Promise<void>((resolve) => {
        const items = document.getElementById(list) as Element
        const look = new MutationObserver(() => {
          if (items.children.length < count) return
          look.disconnect()
          if (click) document.getElementById('ask')?.click()
          resolve()
        })
        look.observe(items, { childList: true })
      }),
    [list, count, click] as const,
  )
}

describe.each([2, 4] as const)('htmx %d', (htmx) => {
  test('H-04 2,000 lines in a burst are all there once and in order, and a click meanwhile is answered within 100 ms', async () => {
    const lists = ['1', '2', '3']
    await using room = await openRoom({ htmx }, ({ board }) => ({
      '/': () => <>{lists.map((id) => board.list(id))}</>,
    }))
    const tab = await room.open()
    await room.live(tab, 3)
    const cdp = await tab.page.context().newCDPSession(tab.page)
    await cdp.send('Performance.enable')
    for (const [i, id] of lists.entries()) {
      const before = await worked(cdp)
      const began = performance.now()
      const clicked = whenLong(tab.page, `lines-${id}`, 300, true)
      const whole = whenLong(tab.page, `lines-${id}`, 2_000)
      await room.board.say(id, 2_000)
      await Promise.all([clicked, whole])
      const took = performance.now() - began
      const busy = ((await worked(cdp)) - before) * 1_000
      await expectLines(tab, `#lines-${id}`, numbers(1, 2_000))
      expect(await tab.added(`lines-${id}`)).toEqual(numbers(1, 2_000))
      await until(async () => (await tab.clicks()).length > i)
      const share = Math.round((busy / took) * 100)
      console.log(
        `htmx ${htmx}: 2,000 events in ${Math.round(took)} ms, main thread ${Math.round(busy)} ms (${share} %)`,
      )
    }
    const clicks = await tab.clicks()
    const idle = [await tab.ask(), await tab.ask(), await tab.ask()]
    console.log(
      `htmx ${htmx}: a click in each burst: ${clicks.map(Math.round)} ms, in peace: ${idle.map(Math.round)} ms`,
    )
    // What it takes in peace is the machine's.
    expect(middle(clicks)).toBeLessThan(100 + middle(idle))
    expect(room.site.requests).toHaveLength(1)
    await room.end()
  })

  test('H-04 100,000 events to one cell leave nothing behind in the memory of page and worker', async () => {
    await using room = await openRoom({ htmx, limits: { pace: 0 } }, ({ board }) => ({
      '/': () => board.cell('1'),
    }))
    const { board } = room
    const tab = await room.open()
    await room.live(tab)
    const cdp = await tab.page.context().newCDPSession(tab.page)
    await cdp.send('HeapProfiler.enable')
    const ask = await askWorker(room)
    const count = async (events: number) => {
      for (let i = 0; i < events; i++) await board.count('1')
      await expectCell(tab, '1', board.value('1'))
    }
    // What is made once is made now.
    for (let i = 0; i < 5; i++) await count(1_000)
    const before = { page: await heapOf(cdp), worker: await heapOfWorker(ask) }
    const began = performance.now()
    for (let i = 0; i < 50; i++) await count(2_000)
    const took = performance.now() - began
    const after = { page: await heapOf(cdp), worker: await heapOfWorker(ask) }
    const shown = await tab.changes('cell-1')
    const grown = { page: after.page - before.page, worker: after.worker - before.worker }
    console.log(
      `htmx ${htmx}: 100,000 events in ${Math.round(took)} ms, ${shown} shown; grown by ${grown.page} bytes in the page, ${grown.worker} in the worker`,
    )
    expect(shown).toBeGreaterThan(90_000)
    // Ten bytes an event would be a million.
    expect(grown.page).toBeLessThan(500_000)
    expect(grown.worker).toBeLessThan(500_000)
    await room.end()
  })
})
