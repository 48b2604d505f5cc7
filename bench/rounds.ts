import type { Figures, Flags, Round, Scenario } from './scenario'

/** All rounds of one case. */
export interface Result {
  /** The case. */
  of: unknown
  rounds: Round[]
  /** Who could not be measured, and why. */
  failures: { candidate: string; round: number; reason: string }[]
}

/**
 * Measures each candidate of each case once a round, in another order each time: a machine that gets slower
 * then does so to all.
 */
export async function run(
  scenario: Scenario,
  options: { runs: number; only?: string[] | undefined; flags: Flags },
): Promise<Result[]> {
  const { runs, only, flags } = options
  const candidates = scenario.candidates.filter((name) => !only || only.includes(name))
  const results = scenario.cases(flags).map((of): Result => ({ of, rounds: [], failures: [] }))
  for (let n = 0; n < runs; n++) {
    const turned = candidates.map((_, i) => candidates[(i + n) % candidates.length] as string)
    const order = n % 2 === 0 ? turned : turned.toReversed()
    for (const { of, rounds, failures } of results) {
      const round: Round = {}
      for (const candidate of order) {
        const name = `${scenario.name}, ${scenario.label(of)}, round ${n + 1}: ${candidate}`
        try {
          const figures = await scenario.measure(candidate, of)
          round[candidate] = figures
          console.error(`${name}: ${words(figures)}`)
        } catch (error) {
          const reason = (error as Error).message
          failures.push({ candidate, round: n + 1, reason })
          console.error(`${name}: failed: ${reason}`)
        }
      }
      rounds.push(round)
    }
  }
  return results
}

/** The value in the middle. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  const high = sorted[half] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : ((sorted[half - 1] ?? high) + high) / 2
}

function words(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
    .join(', ')
}
