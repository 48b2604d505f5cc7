/**
 * What a user gets: exports that exist and load, exact versions, and nothing of the machine that made them.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Names that stay: more may come, none of these may go without a new major version. */
const names: Record<string, string[]> = {
  headwater: ['Hub', 'MultiStreamManager', 'swap', 'text'],
  'headwater/log': ['memoryLog', 'sqliteLog'],
  'headwater/elysia': ['headwater'],
  'headwater/components': [
    'ConnectionStatus',
    'HeadwaterHead',
    'StreamElement',
    'MultiStreamRow',
    'MultiStreamTable',
  ],
}

const pragma = '/** @jsxImportSource @kitajs/html */'

const root = join(import.meta.dir, '../..')

const manifest: {
  exports: Record<string, string>
  files: string[]
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
} = await Bun.file(join(root, 'package.json')).json()

const doors = Object.entries(manifest.exports)

describe('exports of package.json', () => {
  test.each(doors)('%s is a file: %s', (_door, path) => {
    expect(existsSync(join(root, path))).toBe(true)
  })

  test.each(doors)('%s is in the packed files: %s', (_door, path) => {
    const packed = ['package.json', ...manifest.files].map((entry) => `./${entry}`)
    expect(packed.some((entry) => path === entry || path.startsWith(`${entry}/`))).toBe(true)
  })

  test.each(manifest.files)('the packed %s exists', (entry) => {
    expect(existsSync(join(root, entry))).toBe(true)
  })

  test.each(doors.filter(([, path]) => /\.tsx?$/.test(path)))('%s loads', async (door) => {
    const loaded: object = await import(door.replace('.', 'headwater'))
    expect(Object.keys(loaded)).not.toEqual([])
  })

  test.each(Object.entries(names))('%s exports its names', async (name, expected) => {
    const loaded: object = await import(name)
    expect(Object.keys(loaded)).toEqual(expect.arrayContaining(expected))
  })
})

describe('sources', () => {
  const glob = new Bun.Glob('{src,components}/**/*.tsx')
  const files = [...glob.scanSync({ cwd: root })].sort()

  test('every .tsx begins with the JSX pragma: Bun reads no tsconfig inside node_modules', () => {
    const without = files.filter((file) => !readText(file).startsWith(`${pragma}\n`))
    expect(without).toEqual([])
    expect(files).not.toEqual([])
  })

  test('versions of dependencies are exact', () => {
    const versions = { ...manifest.dependencies, ...manifest.devDependencies }
    const loose = Object.entries(versions).filter(
      ([, version]) => !/^(npm:[^@]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
    )
    expect(loose).toEqual([])
  })

  test('bun.lock holds no address', () => {
    expect(readText('bun.lock')).not.toMatch(/https?:/)
  })

  test('no file of the repository names a package registry or a path of this machine', () => {
    const foreign = new RegExp(
      [/\bregistry\.(npmjs|yarnpkg)\b/, /\bdeb\.debian\b/, /(?<![\w.-])\/work\//]
        .map(({ source }) => source)
        .join('|'),
    )
    const naming = tracked().flatMap((file) => {
      const found = readText(file).match(foreign)
      return found ? [`${file}: ${found[0]}`] : []
    })
    expect(naming).toEqual([])
  })

  test('CONTRIBUTING.md is read in five minutes: under 4,000 characters', () => {
    expect(readText('CONTRIBUTING.md').length).toBeLessThan(4000)
  })
})

function readText(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** Files that git knows, or would take at the next `git add`. */
function tracked(): string[] {
  const command = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const { success, stdout, stderr } = Bun.spawnSync(command, { cwd: root })
  if (!success) throw new Error(`${command.join(' ')} failed: ${stderr}`)
  const files = String(stdout).split('\0').filter(Boolean)
  return files.filter(
    (file) => existsSync(join(root, file)) && !/\.(png|jpe?g|webp|ico)$/.test(file),
  )
}
