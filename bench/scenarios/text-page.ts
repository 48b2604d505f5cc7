/** What a text that grows fast costs the browser's main thread. */
import { threadColumns } from '../browser/during'
import { textOfSlot } from '../browser/in-page'
import { stream } from '../browser/streaming'
import type { Tab } from '../browser/tab'
import { slot, textHeads } from '../browser/text-page'
import { atMost, excess, figure, ratio, scenario } from '../scenario'
import { textOf } from '../serving/tokens'

interface Case {
  perSecond: number
  seconds: number
}

/** All must be shown so many milliseconds after the last. */
const patience = 15_000
/** Characters at its end by which it is seen. */
const few = 40

export const textPage = scenario<Case>({
  name: 'text-page',
  about:
    "Tokens by the clock to one text in headless Chromium, in a box that scrolls: with `textStream` and `<TextStream>` with the runtime on htmx 2 and 4, the same with nothing but stock htmx 2 and its extension, and for comparison an event a token into a plain `beforeend` slot of stock htmx 2, which does not follow its end. Shares are of one core; the main thread by its CPU time, the rest by the clock; the process is the page with its workers; the server's by the CPU time of its process. Changes are frames that showed more than the one before, still the longest time between two of them; late is how long after the last token was due the page showed it. In the end the text must be right.",
  candidates: Object.keys(textHeads),
  cases: ({ events: perSecond = 1_000, seconds = 10 }) => [{ perSecond, seconds }],
  label: ({ perSecond, seconds }) => `${perSecond} tokens/s for ${seconds} s`,
  measure: (candidate, { perSecond, seconds }) => {
    const text = textOf(0, perSecond * seconds)
    return stream(
      {
        candidate,
        kind: 'text',
        perSecond,
        seconds,
        ending: text.slice(-few),
        within: patience,
      },
      ({ tab }) => right(tab, text),
    )
  },
  columns: [
    ...threadColumns,
    { name: 'process %', figure: 'process', digits: 1 },
    { name: 'server %', figure: 'server', digits: 1 },
    { name: 'dropped frames/s', figure: 'dropped', digits: 1 },
    { name: 'nodes of text', figure: 'nodes' },
    { name: 'changes/s', figure: 'changes', digits: 1 },
    { name: 'still ms', figure: 'still' },
    { name: 'late ms', figure: 'late' },
  ],
  ratio: { figure: 'thread', to: 'beforeend' },
  bars: () => [
    ...['headwater', 'headwater-htmx4'].flatMap((candidate) => [
      atMost(
        1,
        '×',
        `main thread by beforeend, ${candidate}`,
        ratio(candidate, 'beforeend', 'thread'),
      ),
      atMost(1, '', `nodes of text, ${candidate}`, figure(candidate, 'nodes')),
      atMost(100, 'ms', `late, ${candidate}`, figure(candidate, 'late')),
    ]),
    atMost(
      0,
      'a second',
      'dropped frames beyond beforeend',
      excess('headwater', 'beforeend', 'dropped'),
    ),
  ],
})

/** @throws Error when the text is not what was said. */
async function right(tab: Tab, text: string): Promise<{ nodes: number }> {
  const { differs, nodes } = await tab.run(textOfSlot, slot, text)
  if (differs < 0) return { nodes }
  const words = [`The text differs at character ${differs} of ${text.length}`]
  throw new Error([...words, ...(await tab.complaints())].join('; '))
}
