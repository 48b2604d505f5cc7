/** A log that writes more lines than anybody can read, in a page. */
import { threadColumns } from '../browser/during'
import { rowsOfSlot } from '../browser/in-page'
import { stream } from '../browser/streaming'
import type { Tab } from '../browser/tab'
import { slot, textHeads } from '../browser/text-page'
import { atMost, excess, figure, ratio, scenario } from '../scenario'
import { lineOf } from '../serving/lines'

interface Case {
  perSecond: number
  seconds: number
}

/** The newest must be shown so many milliseconds after the last, or never. */
const patience = 5_000
/** How many rows stay in the page. */
const limit = 1_000

export const logLines = scenario<Case>({
  name: 'log-lines',
  about: `Lines of a log by the clock to one page in headless Chromium: with \`logLines\` and \`<LiveLog>\`, of which the newest ${limit.toLocaleString('en')} stay, with the runtime on htmx 2 and 4, and for comparison an event a line into a plain \`beforeend\` slot of stock htmx 2 without a limit. Figures as of text-page; rows are the most that were seen at a time. The newest line is waited for ${patience / 1_000} s. In the end the newest rows must be right.`,
  candidates: ['headwater', 'headwater-htmx4', 'beforeend'] satisfies (keyof typeof textHeads)[],
  cases: ({ events: lines = 100_000, seconds = 10 }) => [{ perSecond: lines / seconds, seconds }],
  label: ({ perSecond, seconds }) => `${perSecond * seconds} lines in ${seconds} s`,
  measure: async (candidate, { perSecond, seconds }) => {
    const count = Math.round(perSecond * seconds)
    const ending = lineOf(count)
    const found = await stream(
      { candidate, kind: 'lines', perSecond, seconds, ending, within: patience },
      ({ tab }) => right(tab, candidate, count),
    )
    // A page that does nothing else has no frame in which it is looked at.
    return { ...found, most: Math.max(found.most, found.rows) }
  },
  columns: [
    ...threadColumns,
    { name: 'process %', figure: 'process', digits: 1 },
    { name: 'server %', figure: 'server', digits: 1 },
    { name: 'dropped frames/s', figure: 'dropped', digits: 1 },
    { name: 'rows', figure: 'most' },
    { name: 'changes/s', figure: 'changes', digits: 1 },
    { name: 'still ms', figure: 'still' },
    { name: 'late ms', figure: 'late' },
  ],
  ratio: { figure: 'thread', to: 'beforeend' },
  bars: () => [
    ...['headwater', 'headwater-htmx4'].flatMap((candidate) => [
      atMost(limit, '', `rows, ${candidate}`, figure(candidate, 'most')),
      atMost(100, 'ms', `late, ${candidate}`, figure(candidate, 'late')),
      atMost(
        1,
        '×',
        `main thread by beforeend, ${candidate}`,
        ratio(candidate, 'beforeend', 'thread'),
      ),
    ]),
    atMost(
      0,
      'a second',
      'dropped frames beyond beforeend',
      excess('headwater', 'beforeend', 'dropped'),
    ),
  ],
})

/** @throws Error when the newest rows are not the newest lines. */
async function right(tab: Tab, candidate: string, count: number): Promise<{ rows: number }> {
  const isPlain = textHeads[candidate as keyof typeof textHeads].plain
  const kept = Math.min(limit, count)
  const lines = Array.from({ length: kept }, (_, i) => lineOf(count - kept + i + 1))
  const { rows, wrong } = await tab.run(rowsOfSlot, slot, lines)
  // Without a limit it need not be done: then it shows older ones.
  if (isPlain || (wrong === 0 && rows === kept)) return { rows }
  const words = [`${wrong} of ${rows} rows are wrong`]
  throw new Error([...words, ...(await tab.complaints())].join('; '))
}
