/** Durable publishing, beside what SQLite itself takes for the same rows. */
import { Child } from '../child'
import { withFolder } from '../folder'
import { atLeast, atMost, figure, ratio, scenario } from '../scenario'
import type { Written } from '../writers/write'

interface Case {
  bytes: number
  callers: number
  /** Milliseconds. */
  time: number
}

export const publish = scenario<Case>({
  name: 'publish',
  about:
    'Callers that publish and await it, beside a prepared insert of the same rows with the same indexes, as many in a transaction; write-ahead log, synchronous NORMAL, nobody connected.',
  candidates: ['raw', 'headwater'],
  cases: ({ bytes, seconds = 2 }) =>
    (bytes ? [bytes] : [64, 512]).flatMap((size) =>
      [1, 100].map((callers) => ({ bytes: size, callers, time: seconds * 1_000 })),
    ),
  label: ({ bytes, callers }) => `${bytes} B, ${callers === 1 ? '1 caller' : `${callers} callers`}`,
  measure: (candidate, { bytes, callers, time }) =>
    withFolder(async (folder) => {
      const program = `${import.meta.dir}/../writers/${candidate}.ts`
      const writer = new Child(program, JSON.stringify({ folder }))
      try {
        await writer.line()
        await writer.order('write', { bytes, callers, time: time / 4 })
        const { rows, wall, stop } = await writer.order<Written>('write', { bytes, callers, time })
        return { perSecond: rows / (wall / 1_000), stop }
      } finally {
        await writer.end()
      }
    }),
  columns: [
    { name: 'rows/s', figure: 'perSecond' },
    { name: 'longest stop ms', figure: 'stop', digits: 1 },
  ],
  ratio: { figure: 'perSecond', to: 'raw' },
  bars: () => [
    atLeast(0.6, '×', 'rows/s by the raw insert', ratio('headwater', 'raw', 'perSecond')),
    atMost(15, 'ms', 'longest stop of the loop', figure('headwater', 'stop')),
  ],
})
