/**
 * `bun run demo -- --port N --folder DIR …`: brings the dependencies and runs `examples/jobs` with those words.
 *
 * The example is a process of its own, because this one may have begun before `node_modules` existed.
 */
import { join } from 'node:path'
import { ensureDependencies, root } from './setup'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

ensureDependencies()
const words = process.argv.slice(2)
if (words[0] === '--') words.shift()
const demo = Bun.spawn([process.execPath, join(root, 'examples/jobs/main.ts'), ...words], {
  stdio: ['inherit', 'inherit', 'inherit'],
})
for (const signal of signals) process.on(signal, () => forward(signal))
process.exit(await demo.exited)

/** Ctrl-C at a terminal reaches the whole group: passing it on would make it two. */
function forward(signal: (typeof signals)[number]): void {
  if (signal !== 'SIGINT' || !process.stdin.isTTY) demo.kill(signal)
}
