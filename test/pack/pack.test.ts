/**
 * The way of a new user: the packed package in an empty folder without a tsconfig, the program of the README,
 * and its page in Chromium.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closeBrowser, newPage, until } from '../support/browser'
import { programs } from './programs'

const root = join(import.meta.dir, '../..')

const [program] = programs('README.md').filter(({ language }) => language === 'tsx')

const temp = mkdtempSync(join(tmpdir(), 'headwater-pack-'))

const home = join(temp, 'app')

let running: Bun.Subprocess<'ignore', 'ignore', 'pipe'> | undefined

describe('the packed package', () => {
  beforeAll(() => {
    mkdirSync(home)
    writeFileSync(join(home, 'package.json'), '{ "name": "app", "private": true }\n')
    run(packing(), root)
    const [tarball] = readdirSync(temp).filter((file) => file.endsWith('.tgz'))
    run([process.execPath, 'add', join(temp, tarball ?? 'no .tgz')], home)
  }, 180_000)

  afterAll(async () => {
    running?.kill()
    await running?.exited
    await closeBrowser()
    rmSync(temp, { recursive: true, force: true })
  })

  test('holds sources, components, scripts and migrations, and neither tests nor examples', () => {
    const packed = readdirSync(join(home, 'node_modules/headwater'))
    expect(packed).toEqual(
      expect.arrayContaining(['src', 'components', 'dist', 'drizzle', 'package.json']),
    )
    for (const own of ['test', 'examples', 'scripts', 'bench', '.ci'])
      expect(packed).not.toContain(own)
  })

  test('the program of the README is examples/hello/main.tsx, byte for byte', () => {
    expect(program?.text).toBe(readFileSync(join(root, 'examples/hello/main.tsx'), 'utf8'))
  })

  test('runs the program of the README, and its page is live', async () => {
    const address = await start()
    const { page, seen } = await newPage()
    const errors: string[] = []
    page.on('console', (message) => {
      // A browser asks for an icon by itself: that a small program has none is not its error.
      const isIcon = message.location().url.endsWith('/favicon.ico')
      if (message.type() === 'error' && !isIcon) errors.push(message.text())
    })
    await page.goto(address)
    await page.evaluate(() => Object.assign(window, { sameDocument: true }))
    const cells = page.locator('[sse-swap]')
    const before = await cells.allTextContents()
    expect(before).not.toEqual([])
    // A program that waits for its user gets one click.
    await page.locator('button').first().click({ timeout: 500 }).catch(ignore)
    const changed = async () => String(await cells.allTextContents()) !== String(before)
    await until(changed, { timeout: 20_000, what: 'a live cell to change' })
    expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true)
    expect([...errors, ...seen.pageErrors, ...seen.violations]).toEqual([])
  }, 60_000)
})

function ignore(): void {}

/**
 * npm packs as a release does; without npm, Bun packs the same list of files. What a release builds first is as it
 * was committed: another test holds it to its sources.
 */
function packing(): string[] {
  const npm = Bun.which('npm')
  return npm
    ? [npm, 'pack', '--silent', '--ignore-scripts', '--pack-destination', temp]
    : [process.execPath, 'pm', 'pack', '--quiet', '--ignore-scripts', '--destination', temp]
}

function run(command: string[], cwd: string): void {
  const { success, stdout, stderr } = Bun.spawnSync(command, { cwd })
  if (!success) throw new Error(`${command.join(' ')} failed:\n${stdout}${stderr}`)
}

/** Runs the program on a free port and gives the address of its page once it answers. */
async function start(): Promise<string> {
  if (!program) throw new Error('Expected a ```tsx block in README.md that begins with // <file>')
  writeFileSync(join(home, program.file), program.text)
  const port = await freePort()
  const child = Bun.spawn([process.execPath, program.file], {
    cwd: home,
    env: { ...process.env, NODE_ENV: undefined, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  running = child
  const address = `http://127.0.0.1:${port}/`
  const answers = async () => {
    if (child.exitCode !== null) return true
    return (await fetch(address, { signal: AbortSignal.timeout(1_000) })).ok
  }
  await until(answers, { timeout: 20_000, what: `${program.file} to answer on ${address}` })
  if (child.exitCode !== null) throw new Error(await new Response(child.stderr).text())
  return address
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
