/** What a live page costs the browser's main thread. */
import { during, threadColumns } from '../browser/during'
import { type LivePage, withPage } from '../browser/live-page'
import { heads } from '../browser/page'
import { atMost, excess, ratio, scenario } from '../scenario'

interface Case {
  rows: number
  /** Updates a second of all cells together. */
  perSecond: number
  seconds: number
}

/** Updates go on before it counts, and afterwards, in seconds. */
const warmUp = 3
const tail = 0.5
/** The page must be live after its navigation, and right after the last update, within so many milliseconds. */
const patience = 15_000

export const browser = scenario<Case>({
  name: 'browser',
  about:
    'A MultiStreamTable in headless Chromium, its cells changed by the clock, one after the other all over the table: with stock htmx 2 and its extension over one connection, with the runtime on htmx 2 and 4, and on htmx 4 with nothing but the extension that gives it `sse-swap`, for it has none. Shares are of one core; the main thread by its CPU time, the rest by the clock; "other" is what tasks do beside: paint, parsing, rubbish. The process is the page with its workers, the browser all processes. A frame is dropped if the next one comes more than 1.5 × 16.7 ms after the last. Live is the last of all cells that changed after the page was rendered, since the navigation. In the end every cell must be right.',
  candidates: Object.keys(heads),
  cases: ({ connections: rows = 1_000, events, seconds = 10 }) =>
    (events ? [events] : [60, 2_000]).map((perSecond) => ({ rows, perSecond, seconds })),
  label: ({ rows, perSecond, seconds }) =>
    `${perSecond} updates/s in ${rows} rows × 4 streams for ${seconds} s`,
  measure: (candidate, { rows, perSecond, seconds }) =>
    withPage({ candidate, rows, within: patience }, async (page) => {
      await right(page)
      const updates = { perSecond, seconds: warmUp + seconds + tail }
      const updated = page.server.order('update', updates)
      await Bun.sleep(warmUp * 1_000)
      const work = await during(page, seconds)
      await updated
      const late = await right(page)
      return { ...work, each: (work.thread * 10_000) / perSecond, late, live: page.live }
    }),
  columns: [
    ...threadColumns,
    { name: 'µs an update', figure: 'each' },
    { name: 'process %', figure: 'process', digits: 1 },
    { name: 'browser %', figure: 'browser', digits: 1 },
    { name: 'dropped frames/s', figure: 'dropped', digits: 1 },
    { name: 'live ms', figure: 'live' },
  ],
  ratio: { figure: 'thread', to: 'stock' },
  bars: () => [
    atMost(1, '×', 'main thread on htmx 2 by stock', ratio('headwater', 'stock', 'thread')),
    atMost(1, '×', 'main thread on htmx 4 by stock', ratio('headwater-htmx4', 'stock', 'thread')),
    atMost(
      1,
      '×',
      'main thread on htmx 4 by the extension alone',
      ratio('headwater-htmx4', 'extension-htmx4', 'thread'),
    ),
    atMost(0, 'a second', 'dropped frames beyond stock', excess('headwater', 'stock', 'dropped')),
  ],
})

/** Waits until every cell is right, and says how long. @throws Error when that does not come. */
async function right({ look, tab }: LivePage): Promise<number> {
  const began = performance.now()
  for (;;) {
    const { cells, wrong } = await look()
    const took = performance.now() - began
    if (cells > 0 && wrong.length === 0) return took
    if (took > patience) {
      const words = [`${wrong.length} of ${cells} cells are wrong: ${wrong.slice(0, 5)}`]
      throw new Error([...words, ...(await tab.complaints())].join('; '))
    }
    await Bun.sleep(50)
  }
}
