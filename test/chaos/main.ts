/**
 * `bun run test:chaos [--seed N] [--faults N] [--sabotage lose|double]`: readers, servers and publishers in processes of
 * their own, faults drawn by seed, and afterwards the count of what was lost and doubled.
 *
 * - `--round N` runs that round alone. Each has 250 faults and a database of its own.
 * - `--rate N` faults a second. @default 12
 */
import { parseArgs } from 'node:util'
import { type Result, runRound } from './round'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    faults: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '12' },
    round: { type: 'string' },
    sabotage: { type: 'string' },
  },
})
const { sabotage } = values
if (sabotage !== undefined && sabotage !== 'lose' && sabotage !== 'double') {
  refuse(`Expected --sabotage lose or double, got ${sabotage}`)
}
const [seed, faults, rate] = [number('seed'), number('faults'), number('rate')]
/** Faults of one round. */
const size = 250
/** Events for each fault, at the least. */
const enough = 20
/** Complaints of a round that are printed. */
const shown = 10

const rounds = Math.ceil(faults / size)
const total = { faults: 0, events: 0, lost: 0, doubled: 0, left: 0 }
const began = performance.now()
for (let round = 1; round <= rounds; round++) {
  if (values.round !== undefined && round !== number('round')) continue
  const count = Math.min(size, faults - (round - 1) * size)
  try {
    report(round, await runRound({ seed, round, faults: count, gap: 1_000 / rate, sabotage }))
  } catch (error) {
    console.log(`round ${round} of ${rounds} broke off:`, error)
    total.left++
  }
}
if (total.events < enough * total.faults) {
  console.log(`Expected ${enough} events a fault, got ${total.events} for ${total.faults}`)
  total.left++
}
const seconds = Math.round((performance.now() - began) / 1_000)
console.log(`seed ${seed}: ${seconds} s`)
console.log(
  `faults ${total.faults}, events ${total.events}, lost ${total.lost}, doubled ${total.doubled}`,
)
process.exit(total.lost + total.doubled + total.left > 0 ? 1 : 0)

function report(round: number, result: Result): void {
  const { lost, doubled, faulty, events, deliveries, connections, processes, errors } = result
  const took = result.took.map((time) => `${(time / 1_000).toFixed(1)} s`).join(' + ')
  total.faults += result.faults
  total.events += events
  total.lost += lost
  total.doubled += doubled
  total.left += faulty.length
  Bun.gc(true)
  const memory = Math.round(process.memoryUsage().rss / 1_000_000)
  console.log(
    `round ${round} of ${rounds}: faults ${result.faults}, events ${events}, lost ${lost}, doubled ${doubled}`,
    `(${took}, ${deliveries} deliveries over ${connections} connections,`,
    `${processes} processes, ${memory} MB)`,
  )
  for (const one of faulty.slice(0, shown)) console.log(one)
  if (faulty.length > shown) console.log(`… and ${faulty.length - shown} more`)
  for (const [message, count] of errors) console.log(`  said ${count} times: ${message}`)
}

function number(name: 'seed' | 'faults' | 'rate' | 'round'): number {
  const given = Number(values[name])
  if (!Number.isInteger(given) || given < 1)
    refuse(`Expected --${name} from 1 on, got ${values[name]}`)
  return given
}

function refuse(message: string): never {
  console.error(message)
  process.exit(2)
}
