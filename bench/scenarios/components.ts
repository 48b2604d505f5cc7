/** What the kit's components cost beside JSX by hand. */
import { Child } from '../child'
import type { Rendering } from '../renderers/render'
import { atLeast, ratio, scenario } from '../scenario'

interface Case {
  rows: number
  /** Milliseconds. */
  time: number
}

export const components = scenario<Case>({
  name: 'components',
  about:
    'MultiStreamTable with StatusBadge and ProgressBar in its cells, beside plain @kitajs/html that gives the same table to the byte, also of hostile ids. Rendered and encoded to UTF-8.',
  candidates: ['plain', 'kit'],
  cases: ({ events: rows = 100, seconds = 1 }) => [{ rows, time: seconds * 1_000 }],
  label: ({ rows }) => `${rows} rows, three cells each`,
  async measure(candidate, { rows, time }) {
    const renderer = new Child(`${import.meta.dir}/../renderers/render.ts`)
    const render = (time: number) =>
      renderer.order<{ perSecond: number; bytes: number }>('render', {
        candidate,
        rows,
        time,
      } as Rendering)
    try {
      await renderer.line()
      await render(time)
      const { perSecond } = await render(time)
      return { perSecond, each: 1e6 / perSecond }
    } finally {
      await renderer.end()
    }
  },
  columns: [
    { name: 'tables/s', figure: 'perSecond' },
    { name: 'µs each', figure: 'each' },
  ],
  ratio: { figure: 'perSecond', to: 'plain' },
  bars: () => [atLeast(0.9, '×', 'tables/s by plain JSX', ratio('kit', 'plain', 'perSecond'))],
})
