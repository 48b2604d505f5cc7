/**
 * The floors of the design: a file imports from its own or lower floors, and nothing imports in a circle.
 *
 * A new file is placed in the table below. Imports of types count, because they tie files as well.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'

const floors: { name: string; files: string[] }[] = [
  {
    name: '0 words',
    files: ['src/{topic,sse,swap,fragment,html,slot,format,halves,level,timers}.ts'],
  },
  {
    name: '1 ground',
    files: ['src/log/*.ts', 'src/db/*.ts', 'src/registry.ts'],
  },
  {
    name: '2 engine',
    files: [
      'src/{hub,admission,revocation,origin,door,address,refusal,assets,markup,page,options,order,declarations,limits,hot}.ts',
      'src/{connection,connections,interest,group,ring,delivery,publisher,reader,missing,pages,uptake,replay,same,shared,snapshots,stages,stops,subscriptions,text-wire,renders,trim,windows,wire,within}.ts',
      'src/{patterns,middleware,hooks,history}.ts',
    ],
  },
  {
    name: '3 streams',
    files: [
      'src/{manager,action,stream,contents,runs,source,compactions,text,text-pipe,text-queue,text-source,text-writer,collection,room,document}.ts',
      'src/{component,handles,newest,lines,ansi,per-hub}.ts',
      'src/async-*.ts',
      'src/markdown*.ts',
    ],
  },
  {
    name: '4 doors',
    files: ['src/{elysia,index,testing}.ts', 'src/client/*.ts', 'components/*.{ts,tsx}'],
  },
]

const root = join(import.meta.dir, '../..')

const product = filesOf('{src,components}/**/*.{ts,tsx}')

const examples = filesOf('examples/**/*.{ts,tsx}')

describe('floors', () => {
  test('every file of the package stands on one floor', () => {
    const misplaced = product
      .map((file) => ({ file, on: floors.filter((_, floor) => stands(file, floor)) }))
      .filter(({ on }) => on.length !== 1)
      .map(({ file, on }) =>
        on.length === 0
          ? `${file} is on no floor: place it in the table of test/unit/floors.test.ts`
          : `${file} is on ${on.map(({ name }) => name).join(' and ')}`,
      )
    expect(misplaced).toEqual([])
  })

  test('no file imports from a higher floor', () => {
    const climbing = product.flatMap((file) =>
      targets(file)
        .filter((target) => floorOf(target) > floorOf(file))
        .map((target) => `${file} (${nameOf(file)}) imports ${target} (${nameOf(target)})`),
    )
    expect(climbing).toEqual([])
  })

  test('the package imports nothing from outside its own folders', () => {
    const strange = product.flatMap((file) =>
      targets(file)
        .filter((target) => !/^(src|components)\//.test(target) && target !== 'package.json')
        .map((target) => `${file} imports ${target}`),
    )
    expect(strange).toEqual([])
  })

  test('nothing imports in a circle', () => {
    expect(circles([...product, ...examples])).toEqual([])
  })

  test('an example imports the package by its name and stays in its folder', () => {
    const inside = examples.flatMap((file) => {
      const home = file.split('/').slice(0, 2).join('/')
      return imports(file)
        .filter((name) => name.startsWith('.'))
        .filter((name) => !resolve(file, name).startsWith(`${home}/`))
        .map((name) => `${file} imports ${name}`)
    })
    expect(inside).toEqual([])
  })
})

function filesOf(pattern: string): string[] {
  return [...new Bun.Glob(pattern).scanSync({ cwd: root })].sort()
}

function stands(file: string, floor: number): boolean {
  return floors[floor]?.files.some((pattern) => new Bun.Glob(pattern).match(file)) ?? false
}

/** -1 for a file without a floor: another test names it. */
function floorOf(file: string): number {
  return floors.findIndex((_, floor) => stands(file, floor))
}

function nameOf(file: string): string {
  return floors[floorOf(file)]?.name ?? 'no floor'
}

/** The project's own files that a file imports, as paths from the root. */
function targets(file: string): string[] {
  return imports(file)
    .filter((name) => /^(\.|headwater(\/|$))/.test(name))
    .map((name) => resolve(file, name))
}

/** A path that does not exist fails here with the names of both. */
function resolve(file: string, name: string): string {
  return relative(root, Bun.resolveSync(name, join(root, dirname(file))))
}

/** Everything that TypeScript calls an import: of values and types, re-exports, `import()` and `import('…').T`. */
function imports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext)
  const names: string[] = []
  const visit = (node: ts.Node): void => {
    const from = importedBy(node)
    if (from && ts.isStringLiteralLike(from)) names.push(from.text)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return names
}

function importedBy(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return node.argument.literal
  const isCall = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
  return isCall ? node.arguments[0] : undefined
}

/** Each circle once, as `a → b → a`. */
function circles(files: string[]): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const walk = (file: string, path: string[]): void => {
    const at = path.indexOf(file)
    if (at >= 0) found.push([...path.slice(at), file].join(' → '))
    if (at >= 0 || done.has(file) || !/\.tsx?$/.test(file) || !existsSync(join(root, file))) return
    for (const target of targets(file)) walk(target, [...path, file])
    done.add(file)
  }
  for (const file of files) walk(file, [])
  return found
}
