/** Renders one of the two tables, over and over, and says how often a second. */
import { answer, say } from '../child'
import { hostile, jobsOf } from './jobs'
import { table as kit } from './kit'
import { table as plain } from './plain'

const tables = { kit, plain }
const encoder = new TextEncoder()

/** How much is rendered. */
export interface Rendering {
  candidate: keyof typeof tables
  rows: number
  /** Milliseconds. */
  time: number
}

say({ ready: true })
answer({
  render: async ({ candidate, rows, time }: Rendering) => {
    const jobs = jobsOf(rows)
    const [one, other] = await Promise.all([kit, plain].map((table) => table([...jobs, hostile])))
    if (one !== other)
      throw new Error(`The tables differ:\n${one?.slice(-2_000)}\n\n${other?.slice(-2_000)}`)
    const own = tables[candidate]
    const began = performance.now()
    let count = 0
    let bytes = 0
    while (performance.now() - began < time) {
      // A page is sent as bytes; until then its string may be in pieces that nobody has joined.
      bytes = encoder.encode(await own(jobs)).byteLength
      count++
    }
    return { perSecond: count / ((performance.now() - began) / 1_000), bytes }
  },
})
