import type { Published } from '../serving/serve'
import { during } from './during'
import { slotSeen, watchSlot } from './in-page'
import { slot, type TextHead, textHeads } from './text-page'
import { checkWay, type Served, withTab } from './with-tab'

/** What is streamed to a page. */
export interface Streaming {
  /** One of `textHeads`. */
  candidate: string
  kind: 'text' | 'lines'
  perSecond: number
  seconds: number
  /** What the slot ends with when all is shown. */
  ending: string
  /** That is waited for so many milliseconds after the last. */
  within: number
}

/** Streams to a page in a browser of its own, and gives what that costs. `look` sees what it shows at the end. */
export function stream<Seen extends object>(
  { candidate, kind, perSecond, seconds, ending, within }: Streaming,
  look: (served: Served) => Promise<Seen>,
) {
  return withTab('headwater-text', async (served) => {
    const { server, tab } = served
    await tab.open(`http://127.0.0.1:${server.port}/${kind}/${candidate}`)
    await connected(served)
    await checkWay(server, candidate, textHeads[candidate as TextHead].runtime)
    await tab.run(watchSlot, slot, ending)
    const order = kind === 'text' ? 'tokens' : 'lines'
    const said = server.order<Published>(order, { head: candidate, perSecond, seconds })
    const work = await during(served, seconds)
    const { began, wall, cpu } = await said
    const { shownAt, most, changes, still } = await tab.run(slotSeen, within)
    const seen = await look(served)
    return {
      ...work,
      server: (cpu / wall) * 100,
      most,
      still,
      changes: changes / seconds,
      // The last was due then; a shown time of another process may be off by a part of a millisecond.
      late:
        shownAt === null ? Number.POSITIVE_INFINITY : (shownAt - began) / 1_000 - seconds * 1_000,
      ...seen,
    }
  })
}

/** Waits until the page is live. */
async function connected({ server }: Served): Promise<void> {
  const end = performance.now() + patience
  while ((await server.order<{ active: number }>('stats')).active === 0) {
    if (performance.now() > end) throw new Error(`The page is not live after ${patience} ms`)
    await Bun.sleep(20)
  }
  await Bun.sleep(settling)
}

/** Milliseconds. */
const patience = 15_000
/** Until what comes with the page is done, in milliseconds. */
const settling = 500
