/**
 * `bun run bench [scenario …] [--runs N] [--only candidate,…]`: the figures of Headwater beside those of its peers.
 *
 * All scenarios run when none is named. `--connections`, `--bytes`, `--events` and `--seconds` change what a scenario
 * does, `--many` adds the cases with 5,000 connections, `--dry` leaves `bench/results.md` as it is.
 */
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { section, writeSection } from './report'
import { run } from './rounds'
import type { Flags } from './scenario'
import { scenarios } from './scenarios'

const { values, positionals } = read()

const runs = numberOf('runs') as number
const only = values.only?.split(',')
const flags: Flags = { many: values.many ?? false }
for (const name of ['connections', 'bytes', 'events', 'seconds'] as const) {
  const value = numberOf(name)
  if (value !== undefined) flags[name] = value
}

// So that what it has begun is ended and removed.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

if (process.platform !== 'linux') refuse('The load reads with epoll: run it on Linux')

for (const scenario of chosen()) {
  const began = performance.now()
  const [busy = 0] = loadavg()
  const results = await run(scenario, { runs, only, flags })
  const text = section(scenario, results, { runs, busy })
  console.log(text)
  console.error(`${scenario.name} took ${Math.round((performance.now() - began) / 1_000)} s`)
  if (!values.dry) await writeSection(`${import.meta.dir}/results.md`, scenario.name, text)
}

function read() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        runs: { type: 'string', default: '5' },
        only: { type: 'string' },
        connections: { type: 'string' },
        bytes: { type: 'string' },
        events: { type: 'string' },
        seconds: { type: 'string' },
        many: { type: 'boolean' },
        dry: { type: 'boolean' },
      },
    })
  } catch (error) {
    return refuse((error as Error).message)
  }
}

function chosen() {
  const known = scenarios.map(({ name }) => name)
  const unknown = positionals.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    refuse(`Expected scenarios out of ${known.join(', ')}, got ${unknown.join(', ')}`)
  }
  const named = scenarios.filter(
    ({ name }) => positionals.length === 0 || positionals.includes(name),
  )
  if (!only) return named
  const fitting = named.filter(({ candidates }) => only.some((name) => candidates.includes(name)))
  if (fitting.length > 0) return fitting
  const candidates = [...new Set(named.flatMap(({ candidates }) => candidates))]
  return refuse(`Expected --only some of ${candidates.join(', ')}, got ${only.join(', ')}`)
}

function numberOf(name: 'runs' | 'connections' | 'bytes' | 'events' | 'seconds') {
  const value = values[name]
  if (value === undefined) return undefined
  if (/^[1-9]\d*$/.test(value)) return Number(value)
  return refuse(`Expected a whole number from 1 on for --${name}, got "${value}"`)
}

function refuse(message: string): never {
  console.error(message)
  process.exit(2)
}
