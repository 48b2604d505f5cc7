/** Renders one of the two tables, over and over, and says how often a second. */
import { answer, say } from '../child'
import { jobsOf } from './jobs'
import { table as kit } from './kit'
import { table as plain } from './plain'

const tables = { kit, plain }

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
    const [one, other] = await Promise.all([kit(jobs), plain(jobs)])
    if (one !== other)
      throw new Error(`The tables differ:\n${one.slice(0, 2_000)}\n\n${other.slice(0, 2_000)}`)
    const own = tables[candidate]
    const began = performance.now()
    let count = 0
    while (performance.now() - began < time) {
      await own(jobs)
      count++
    }
    return { perSecond: count / ((performance.now() - began) / 1_000), bytes: one.length }
  },
})
