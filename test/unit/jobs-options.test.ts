import { expect, test } from 'bun:test'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { defaultFolders, nameOf } from '../../examples/jobs/folders'
import { HELP, parseOptions } from '../../examples/jobs/options'
import { Bench } from '../../examples/jobs/testing'

test('without arguments: a free port, the packages of the project, jobs.db', async () => {
  const parsed = await parseOptions([])
  if (!('options' in parsed)) throw new Error(parsed.text)
  const { port, folders, database } = parsed.options
  expect(port).toBe(0)
  expect(database).toBe(join(process.cwd(), 'jobs.db'))
  expect(folders.map(nameOf)).toContain('@biomejs/biome')
  expect(folders.map(nameOf)).toContain('elysia')
})

test('port, folders and database are taken as given', async () => {
  await using bench = new Bench({ isOpen: false })
  const [one, two] = [bench.folder('one'), bench.folder('two')]
  const args = ['--port=8080', '--folder', one, '--folder', two, '--folder', `${one}/`]
  expect(await parseOptions([...args, '--database', join(bench.root, 'x.db')])).toEqual({
    options: { port: 8080, folders: [one, two], database: join(bench.root, 'x.db') },
  })
})

test('bad input is one sentence and code 2', async () => {
  await using bench = new Bench({ isOpen: false })
  const file = join(bench.folder('f', { x: 'x' }), 'x')
  const wrong: [string[], string][] = [
    [['--port', 'x'], 'Expected --port to be a number from 0 to 65535, got "x".'],
    [['--port', '65536'], 'Expected --port to be a number from 0 to 65535, got "65536".'],
    [['--port', '1e3'], 'Expected --port to be a number'],
    [['--folder', '/nope/x'], 'There is no folder /nope/x.'],
    [['--folder', file], `${file} is not a folder.`],
    [['--folder', ''], 'Expected the path of a folder, got nothing.'],
    [['--database', '/nope/x.db'], 'There is no folder /nope for --database.'],
    [['--database', '/tmp'], 'Expected --database to be a file, got the folder /tmp.'],
    [['--folder'], '--folder'],
    [['--colour'], '--colour'],
    [['stray'], 'stray'],
  ]
  for (const [args, text] of wrong) {
    const parsed = await parseOptions(args)
    expect(parsed).toEqual({ text: expect.stringContaining(text), code: 2 })
    expect('text' in parsed && parsed.text.trim().split('\n')).toHaveLength(1)
  }
})

test('the process ends with the code, and says it on the right stream', async () => {
  await using bench = new Bench({ isOpen: false })
  const source = `import { optionsOrExit } from '${join(import.meta.dir, '../../examples/jobs/options')}'
    await optionsOrExit(); console.log('runs')`
  const script = join(bench.folder('script', { 'run.ts': source }), 'run.ts')
  const run = async (...args: string[]) => {
    const { stdout, stderr, exitCode } = await Bun.$`${process.execPath} ${script} ${args}`
      .nothrow()
      .quiet()
    return { out: stdout.toString(), err: stderr.toString(), code: exitCode }
  }
  expect(await run('--help')).toEqual({ out: HELP, err: '', code: 0 })
  expect(await run('--port', '0')).toEqual({ out: 'runs\n', err: '', code: 0 })
  expect(await run('--port', 'x')).toEqual({
    out: '',
    err: expect.stringContaining('--port'),
    code: 2,
  })
})

test('the default folders are the packages with their scopes, as real paths', async () => {
  await using bench = new Bench({ isOpen: false })
  const store = bench.folder('store/linked')
  const root = bench.folder('project', {
    'node_modules/plain/package.json': '{}',
    'node_modules/@scope/b/package.json': '{}',
    'node_modules/@scope/a/package.json': '{}',
    'node_modules/.bin/tool': '',
    'node_modules/stray-file': '',
  })
  symlinkSync(store, join(root, 'node_modules', 'linked'))
  symlinkSync('nowhere', join(root, 'node_modules', 'dangling'))
  const folders = await defaultFolders(root)
  expect(folders.map(nameOf)).toEqual(['@scope/a', '@scope/b', 'linked', 'plain'])
  expect(folders[2]).toBe(store)
  mkdirSync(join(bench.root, 'bare'))
  expect(await defaultFolders(join(bench.root, 'bare'))).toEqual([])
})
