/**
 * `bun run demo -- --port N --folder DIR …`: brings the dependencies and runs `examples/jobs` with those words.
 *
 * The example is a process of its own, because this one may have begun before `node_modules` existed.
 */
import { readFileSync } from 'node:fs'
import { ensureDependencies, root } from './setup'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

ensureDependencies()
const words = process.argv.slice(2)
if (words[0] === '--') words.shift()
const demo = Bun.spawn(
  [process.execPath, Bun.resolveSync('./examples/jobs/main', root), ...words],
  {
    stdio: ['inherit', 'inherit', 'inherit'],
  },
)
for (const signal of signals) process.on(signal, () => forward(signal))
if (process.env.npm_config_user_agent?.startsWith('npm/')) endWithNpx()
process.exit(await demo.exited)

/** Ctrl-C at a terminal reaches the whole group: passing it on would make it two. */
function forward(signal: (typeof signals)[number]): void {
  if (signal !== 'SIGINT' || !process.stdin.isTTY) demo.kill(signal)
}

/** A SIGTERM to npx ends npx and the shell between, and leaves Bun behind with the port: so watch the line of parents. */
function endWithNpx(): void {
  const before = parents()
  const watch = () => parents() === before || demo.kill('SIGTERM')
  setInterval(watch, 500).unref()
}

/** `bun run`, the shell and npm, from below, where Linux tells. */
function parents(): string {
  const line = ['self']
  while (line.length < 4) {
    try {
      const status = readFileSync(`/proc/${line.at(-1)}/status`, 'utf8')
      line.push(status.match(/^PPid:\s*(\d+)/m)?.[1] ?? '0')
    } catch {
      line.push('0')
    }
  }
  return line.join(' ')
}
