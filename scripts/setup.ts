/**
 * What the commands do first on a machine that has only Node and npm.
 *
 * Imports nothing from `node_modules`, because it fills that folder, and starts Bun by
 * `process.execPath`, because `npx` may have brought it and no other `bun` need be on the path.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The folder of the repository. */
export const root = join(import.meta.dir, '..')

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/opt/google/chrome/chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** For a Chromium that is alone with its test: it asks nobody for anything. */
export const chromiumFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/**
 * Brings `node_modules` to what `bun.lock` says. When it is there already this takes 10 ms and no network, so
 * Bun's own check is the judge of what is stale.
 *
 * @throws Error with Bun's own words when it fails twice.
 */
export function ensureDependencies(): void {
  if (!existsSync(join(root, 'node_modules'))) console.error('Installing dependencies …')
  const install = [process.execPath, 'install', '--frozen-lockfile']
  let said = ''
  for (const _attempt of ['first', 'second']) {
    const { success, stdout, stderr } = Bun.spawnSync(install, { cwd: root })
    if (success) return
    said = `${stdout}${stderr}`.trim()
  }
  throw new Error(`Dependencies could not be installed with ${install.join(' ')}:\n${said}`)
}

/**
 * The path of Chromium: `CHROMIUM` of the environment, else an installed one, else Debian's package, installed
 * now when this process may.
 *
 * @returns undefined when there is none, after one line that says what to install.
 */
export function ensureChromium(): string | undefined {
  const found = findChromium() ?? (installChromium() ? findChromium() : undefined)
  if (!found) {
    console.error(
      'No Chromium: install it (Debian: apt-get install chromium), or set CHROMIUM to its path',
    )
  }
  return found
}

/** The path of an installed Chromium: `CHROMIUM` of the environment, else one in the usual places. */
export function findChromium(): string | undefined {
  const chosen = process.env.CHROMIUM
  if (chosen) return existsSync(chosen) ? chosen : undefined
  return (
    places.find(existsSync) ?? names.map((name) => Bun.which(name)).find((path) => path !== null)
  )
}

/** As {@link findChromium}. @throws Error when there is none. */
export function chromiumPath(): string {
  const path = findChromium()
  if (!path) throw new Error('No Chromium found: install it, or set CHROMIUM to its path')
  return path
}

function installChromium(): boolean {
  const may = process.getuid?.() === 0 && Bun.which('apt-get') && !process.env.CHROMIUM
  if (!may) return false
  console.error('Installing chromium with apt-get …')
  return (
    aptGet(120_000, 'update') &&
    aptGet(300_000, 'install', '--yes', '--no-install-recommends', 'chromium')
  )
}

/** Quiet, without questions, waiting for another apt; its words are shown only when it fails. */
function aptGet(timeout: number, ...words: string[]): boolean {
  const command = ['apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=60', ...words]
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { success, stdout, stderr } = Bun.spawnSync(command, { env, timeout })
  if (!success) console.error(`${command.join(' ')} failed:\n${stdout}${stderr}`.trimEnd())
  return success
}
