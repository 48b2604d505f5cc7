/**
 * A short run of the chaos test, and that it notices what it is for. The long one: `docs/reliability.md`.
 */
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'

setDefaultTimeout(120_000)

/** Runs it in a process of its own; gives its words, the last line, and the exit code. */
async function chaos(...words: string[]) {
  const program = join(import.meta.dir, '../chaos/main.ts')
  const child = Bun.spawn([process.execPath, program, '--faults', '40', ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 100_000,
  })
  const said = await new Response(child.stdout).text()
  const code = await child.exited
  return { said, last: said.trimEnd().split('\n').at(-1), code }
}

describe('chaos', () => {
  test('H-01 H-03 H-08 H-09 40 faults lose nothing, double nothing and leave nothing', async () => {
    const { said, last, code } = await chaos('--seed', '1')
    if (code !== 0) console.error(said)
    expect(last).toMatch(/^faults 40, events \d{3,}, lost 0, doubled 0$/)
    expect(code).toBe(0)
  })

  test('an engine that loses one event in a thousand is found out', async () => {
    const { said, last, code } = await chaos('--seed', '1', '--sabotage', 'lose', '--faults', '120')
    expect(last).toMatch(/, lost [1-9]\d*, doubled \d+$/)
    expect(said).toMatch(/^lost: seed 1, round 1, reader \d+ of /m)
    expect(code).toBe(1)
  })

  test('an engine that repeats one event in a thousand is found out', async () => {
    const { said, last, code } = await chaos(
      '--seed',
      '1',
      '--sabotage',
      'double',
      '--faults',
      '120',
    )
    expect(last).toMatch(/, doubled [1-9]\d*$/)
    expect(said).toMatch(/^doubled: seed 1, round 1, reader \d+ of .* sent twice: /m)
    expect(code).toBe(1)
  })
})
