/**
 * `bun run test`: sets everything up, runs every suite, prints the total of all as its last line.
 *
 * - `--only check|unit|socket|browser|pack` runs that suite alone (`check`: types, lint and xss-scan).
 * - Files under `test/` run alone: `test/socket/hub.test.ts`.
 * - Everything else goes to `bun test`: `--only unit -t C-03`.
 *
 * Counted are the summaries of `bun test`, not its JUnit report: the report leaves out a file that fails to
 * load. A check is one test. A suite that ends without a summary, with no test, or with an exit code that its
 * counts do not explain has one failure more.
 */
import { ensureChromium, ensureDependencies, root } from './setup'

interface Counts {
  passed: number
  failed: number
  skipped: number
}

interface Suite {
  name: string
  group: string
  /** Words after `bun`. */
  command: string[]
  counts(output: string, exitCode: number | null): Counts
}

/** For all suites, in milliseconds: one that hangs must not hide the total of the others. */
const limit = 14 * 60_000

const colour = process.stdout.isTTY
  ? { FORCE_COLOR: '1' }
  : { NO_COLOR: '1', FORCE_COLOR: undefined }

const { only, files, words } = read(process.argv.slice(2))
const suites = [
  check('types', ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.']),
  check('lint', ['node_modules/@biomejs/biome/bin/biome', 'check']),
  // A scan that crashes exits with 0, so its last words are asked for.
  check('xss-scan', ['node_modules/@kitajs/ts-html-plugin/dist/cli.js', ...tsx()], 'No XSS vuln'),
  ...['unit', 'socket', 'browser', 'pack'].map(tests),
].filter(wanted)
if (suites.length === 0) refuse(`Expected --only check, unit, socket, browser or pack, got ${only}`)

let running: Bun.Subprocess | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    running?.kill(signal)
    process.exit(1)
  })
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 }
const lines: string[] = []
try {
  ensureDependencies()
  for (const suite of suites) await report(suite)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  total.failed++
}
console.log(['', ...lines, '', line(total)].join('\n'))
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0)

function read(args: string[]): { only: string | undefined; files: string[]; words: string[] } {
  const at = args.indexOf('--only')
  const [, only] = at < 0 ? [] : args.splice(at, 2)
  if (at >= 0 && !only) refuse('Expected the name of a suite after --only')
  const isFile = (arg: string) => /^(\.\/)?test\//.test(arg)
  return {
    only,
    files: args.filter(isFile).map((arg) => arg.replace(/^\.\//, '')),
    words: args.filter((arg) => !isFile(arg) && arg !== '--'),
  }
}

function refuse(message: string): never {
  console.error(message)
  process.exit(2)
}

function wanted({ name, group }: Suite): boolean {
  if (only) return only === name || only === group
  return files.length === 0 || files.some((file) => file.startsWith(`test/${name}`))
}

function tsx(): string[] {
  const glob = new Bun.Glob('{components,examples,src}/**/*.tsx')
  return [...glob.scanSync({ cwd: root })].sort()
}

function check(name: string, command: string[], proof = ''): Suite {
  const counts = (output: string, exitCode: number | null) => {
    const passed = Number(exitCode === 0 && output.includes(proof))
    return { passed, failed: 1 - passed, skipped: 0 }
  }
  return { name, group: 'check', command, counts }
}

function tests(name: string): Suite {
  const own = files.filter((file) => file.startsWith(`test/${name}`))
  const paths = own.length > 0 ? own : [`test/${name}`]
  const command = ['test', ...paths.map((path) => `./${path}`), ...words]
  return { name, group: 'test', command, counts: summary }
}

/** What `bun test` says at its end: ` 12 pass`, ` 1 skip`, ` 1 todo`, ` 2 fail`, `Ran 16 tests across 3 files.` */
function summary(output: string, exitCode: number | null): Counts {
  const blocks = output.matchAll(/^ *\d+ pass\n(?:.*\n)*?Ran \d+ tests? across/gm)
  const block = [...blocks].at(-1)?.[0] ?? ''
  const count = (word: string) =>
    Number(block.match(new RegExp(`^ *(\\d+) ${word}$`, 'm'))?.[1] ?? 0)
  const [passed, failed, skipped] = [count('pass'), count('fail'), count('skip') + count('todo')]
  const unexplained = failed === 0 && (exitCode !== 0 || passed === 0)
  return { passed, failed: failed + Number(unexplained), skipped }
}

async function report(suite: Suite): Promise<void> {
  console.error(`\n── ${suite.name} ──`)
  const began = performance.now()
  const counts = await run(suite)
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  lines.push(`${suite.name.padEnd(8)}  ${line(counts)} in ${seconds} s`)
}

async function run({ name, command, counts }: Suite): Promise<Counts> {
  const browser = name === 'browser' || name === 'pack' ? ensureChromium() : undefined
  if (name === 'browser' && !browser) return { passed: 0, failed: 1, skipped: 0 }
  const child = Bun.spawn([process.execPath, ...command], {
    cwd: root,
    env: { ...process.env, ...colour, ...(browser && { CHROMIUM: browser }) },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: Math.max(1, Math.round(limit - performance.now())),
  })
  running = child
  const [out, err]: [string[], string[]] = [[], []]
  const shown = Promise.all([
    show(child.stdout, Bun.stdout, out),
    show(child.stderr, Bun.stderr, err),
  ])
  await child.exited
  // A process that a test left behind holds the pipes open: it may not hold this one up.
  await Promise.race([shown, Bun.sleep(2_000)])
  if (child.signalCode) console.error(`${name} was ended by ${child.signalCode}`)
  return counts(Bun.stripANSI([...out, '\n', ...err].join('')), child.exitCode)
}

/** Passes a child's words on as they come, and keeps them. */
function show(from: ReadableStream<Uint8Array>, to: Bun.BunFile, kept: string[]): Promise<void> {
  const decoder = new TextDecoder()
  const write = async (chunk: Uint8Array) => {
    kept.push(decoder.decode(chunk, { stream: true }))
    await Bun.write(to, chunk)
  }
  return from.pipeTo(new WritableStream({ write }))
}

/** The closing line, in the words that CI reads. */
function line({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
