/**
 * `bun run test`: sets everything up, runs every suite, prints the total of all as its last line.
 *
 * - `--only check|unit|socket|browser|pack` runs that suite alone (`check`: types, lint and xss-scan).
 * - Files under `test/` run alone: `test/socket/hub.test.ts`.
 * - Everything else goes to `bun test`: `--only unit -t C-03`.
 *
 * Tests in the browser take the longest and mostly wait: they run in two halves, beside each other and the other suites;
 * those that hold a page to a clock run when all others are over.
 * What they say stands in the order of the suites all the same: each is heard when those before it are over.
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
  /** Suites of one lane run one after the other, beside those of the others; in lane `last` when all are over. */
  lane: string
  /** Words after `bun`. */
  command: string[]
  counts(output: string, exitCode: number | null): Counts
}

/** Says words, once those of the suites before it are said. */
type Say = (to: Bun.BunFile, words: string | Uint8Array) => void

/** For all suites, in milliseconds: one that hangs must not hide the total of the others. */
const limit = 14 * 60_000

/** What a test may take that does not say it itself: others run beside it. In milliseconds. */
const patience = '--timeout=30000'

/** Files whose pages are to answer within so many milliseconds. */
const clocked = ['/runtime-burst.', '/runtime-status.', '/text-linear.']

const colour = process.stdout.isTTY
  ? { FORCE_COLOR: '1' }
  : { NO_COLOR: '1', FORCE_COLOR: undefined }

const { only, files, words } = read(process.argv.slice(2))
const suites = [
  check('types', ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.']),
  check('lint', ['node_modules/@biomejs/biome/bin/biome', 'check']),
  // A scan that crashes exits with 0, so its last words are asked for.
  check('xss-scan', ['node_modules/@kitajs/ts-html-plugin/dist/cli.js', ...tsx()], 'No XSS vuln'),
  tests('unit'),
  tests('socket'),
  tests('pack'),
  ...browserTests(),
].filter(wanted)
if (suites.length === 0) refuse(`Expected --only check, unit, socket, browser or pack, got ${only}`)

const running = new Set<Bun.Subprocess>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // At SIGTERM Playwright would end its browser only.
    for (const child of running) child.kill('SIGINT')
    process.exit(1)
  })
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 }
const lines: string[] = []
try {
  ensureDependencies()
  await runAll()
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
  return files.length === 0 || filesOf(group).length > 0
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
  return { name, group: 'check', lane: 'other', command, counts }
}

function tests(name: string, { group = name, lane = 'other', paths = filesOf(group) } = {}): Suite {
  if (paths.length === 0) paths = [`test/${group}`]
  const command = ['test', patience, ...paths.map((path) => `./${path}`), ...words]
  return { name, group, lane, command, counts: summary }
}

/** In two halves, each with a browser of its own; what is looked for by its name may stand in one of them only. */
function browserTests(): Suite[] {
  const group = 'browser'
  const glob = new Bun.Glob(`test/${group}/*.test.{ts,tsx}`)
  const named = filesOf(group)
  const all = named.length > 0 ? named : [...glob.scanSync({ cwd: root })].sort()
  if (words.length > 0 || all.length === 1) return [tests(group, { lane: group, paths: all })]
  const isClocked = (path: string) => clocked.some((name) => path.includes(name))
  const others = all.filter((path) => !isClocked(path))
  return [
    { name: `${group} 1`, lane: `${group} 1`, paths: others.filter((_, i) => i % 2 === 0) },
    { name: `${group} 2`, lane: `${group} 2`, paths: others.filter((_, i) => i % 2 === 1) },
    { name: `${group} 3`, lane: 'last', paths: all.filter(isClocked) },
  ]
    .filter(({ paths }) => paths.length > 0)
    .map(({ name, lane, paths }) => tests(name, { group, lane, paths }))
}

/** Of those that are to run alone. */
function filesOf(group: string): string[] {
  return files.filter((file) => file.startsWith(`test/${group}`))
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

/** Runs all of them, and says what they say one after the other. */
async function runAll(): Promise<void> {
  const lanes = new Map<string, Promise<void>>()
  let turn: Promise<unknown> = Promise.resolve()
  for (const suite of suites) {
    const before = suite.lane === 'last' ? Promise.all(lanes.values()) : lanes.get(suite.lane)
    const ended = report(suite, before, turn)
    lanes.set(suite.lane, ended)
    turn = Promise.all([turn, ended])
  }
  await turn
}

/**
 * Runs a suite.
 *
 * @param before the end of the one before it in its lane
 * @param turn when it may be heard
 */
async function report(
  suite: Suite,
  before: Promise<unknown> | undefined,
  turn: Promise<unknown>,
): Promise<void> {
  await before
  let said: Promise<unknown> = turn
  const say: Say = (to, words) => {
    said = said.then(() => Bun.write(to, words))
  }
  say(Bun.stderr, `\n── ${suite.name} ──\n`)
  const began = performance.now()
  const counts = await run(suite, say)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
  lines[suites.indexOf(suite)] = `${suite.name.padEnd(9)}  ${line(counts)} in ${seconds} s`
  await said
}

async function run({ name, group, command, counts }: Suite, say: Say): Promise<Counts> {
  const browser = group === 'browser' || group === 'pack' ? ensureChromium() : undefined
  if (group === 'browser' && !browser) return { passed: 0, failed: 1, skipped: 0 }
  const child = Bun.spawn([process.execPath, ...command], {
    cwd: root,
    env: { ...process.env, ...colour, ...(browser && { CHROMIUM: browser }) },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: Math.max(1, Math.round(limit - performance.now())),
  })
  running.add(child)
  const [out, err]: [string[], string[]] = [[], []]
  const passed = Promise.all([
    pass(child.stdout, out, (words) => say(Bun.stdout, words)),
    pass(child.stderr, err, (words) => say(Bun.stderr, words)),
  ])
  await child.exited
  running.delete(child)
  // A process that a test left behind holds the pipes open: it may not hold this one up.
  await Promise.race([passed, Bun.sleep(2_000)])
  if (child.signalCode) say(Bun.stderr, `${name} was ended by ${child.signalCode}\n`)
  return counts(Bun.stripANSI([...out, '\n', ...err].join('')), child.exitCode)
}

/** Passes a child's words on as they come, and keeps them. */
function pass(
  from: ReadableStream<Uint8Array>,
  kept: string[],
  say: (words: Uint8Array) => void,
): Promise<void> {
  const decoder = new TextDecoder()
  const write = (chunk: Uint8Array) => {
    kept.push(decoder.decode(chunk, { stream: true }))
    say(chunk)
  }
  return from.pipeTo(new WritableStream({ write }))
}

/** The closing line, in the words that CI reads. */
function line({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
