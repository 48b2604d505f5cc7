/** Cells that each have a connection of their own, by the markup. */
import { click } from '../browser/in-page'
import { withPage } from '../browser/live-page'
import { heads } from '../browser/page'
import { atLeast, atMost, figure, scenario } from '../scenario'

interface Case {
  rows: number
}

/** A browser has six connections to a host; what it does not get through them within so many milliseconds is not waited for. */
const patience = 5_000

export const browserCells = scenario<Case>({
  name: 'browser-cells',
  about: `Every cell has an \`sse-connect\` of its own, in headless Chromium. Live are the cells that show what was published after the page was rendered, after ${patience / 1_000} s at most; then a request as of a click.`,
  candidates: Object.keys(heads),
  cases: ({ connections: rows = 40 }) => [{ rows }],
  label: ({ rows }) => `${rows} rows × 4 streams, each with its connection`,
  measure: (candidate, { rows }) =>
    withPage({ candidate, rows, own: true, within: patience }, async (page) => {
      const { cells, wrong } = await page.look()
      const { active } = await page.server.order<{ active: number }>('stats')
      return {
        cells: cells - wrong.length,
        live: page.live,
        active,
        click: await page.tab.run(click, patience),
      }
    }),
  columns: [
    { name: 'cells live', figure: 'cells' },
    { name: 'after ms', figure: 'live' },
    { name: 'connections', figure: 'active' },
    { name: 'click ms', figure: 'click', digits: 1 },
  ],
  bars: ({ rows }) =>
    ['headwater', 'headwater-htmx4'].flatMap((candidate) => [
      atLeast(rows * 4, '', `cells live, ${candidate}`, figure(candidate, 'cells')),
      atMost(1, '', `connections, ${candidate}`, figure(candidate, 'active')),
      atMost(100, 'ms', `click, ${candidate}`, figure(candidate, 'click')),
    ]),
})
