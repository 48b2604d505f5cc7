/** Every program that README.md and docs/ show is a program that type-checks against this package. */
import { afterAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Program, programs } from './programs'

const root = join(import.meta.dir, '../..')

// Inside the repository, so that `headwater` and its dependencies resolve; git ignores it.
mkdirSync(join(root, '.tmp'), { recursive: true })
const temp = mkdtempSync(join(root, '.tmp/pages-'))

const pages = ['README.md', ...new Bun.Glob('docs/**/*.md').scanSync({ cwd: root })].sort()

afterAll(() => rmSync(temp, { recursive: true, force: true }))

test('README.md holds a program', () => {
  expect(programs('README.md')).not.toEqual([])
})

test('docs/text.md holds nothing but whole programs', () => {
  const page = readFileSync(join(root, 'docs/text.md'), 'utf8')
  expect(programs('docs/text.md')).toHaveLength(page.match(/^```tsx?$/gm)?.length ?? 0)
})

/** An app is checked together with the package's sources, by the app's rules. */
const rules = [
  { name: 'ours', more: {} },
  { name: 'those of bun init', more: { exactOptionalPropertyTypes: false } },
  {
    name: 'strict alone',
    more: { exactOptionalPropertyTypes: false, noUncheckedIndexedAccess: false },
  },
]

test.each(rules)(
  'the programs of README.md and docs type-check by $name',
  ({ more }) => {
    const files = pages.flatMap((page) => programs(page).map((program) => write(page, program)))
    const config = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        moduleDetection: 'force',
        noUnusedLocals: false,
        noUnusedParameters: false,
        ...more,
      },
      include: [],
      files,
    }
    writeFileSync(join(temp, 'tsconfig.json'), JSON.stringify(config))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout } = Bun.spawnSync([
      process.execPath,
      tsc,
      '--noEmit',
      '--pretty',
      'false',
      '-p',
      temp,
    ])
    expect(String(stdout)).toBe('')
    expect(files).not.toEqual([])
  },
  120_000,
)

/** A page's programs share a folder, so that they may import one another; one that shows a file again is alone. */
function write(page: string, { file, text }: Program): string {
  const folder = (turn: number) => join(temp, `${page.replaceAll('/', '-')}-${turn}`)
  let turn = 1
  while (existsSync(join(folder(turn), file))) turn++
  const path = join(folder(turn), file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}
