/**
 * A run of the benchmark's program: `await runBench('turns --runs 1 --dry')`.
 */
import { expect } from 'bun:test'
import { root } from '../../scripts/setup'

/** Runs it to its end, which has to be a good one, and gives what it says. */
export async function runBench(words: string): Promise<string> {
  const child = Bun.spawn([process.execPath, 'bench/main.ts', ...words.split(' ')], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [text, problems] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  expect(problems).not.toContain('failed')
  expect(await child.exited).toBe(0)
  return text
}
