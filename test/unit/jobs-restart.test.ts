import { expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Bench, noise } from '../../examples/jobs/testing'

// Real work in real processes; each wait has its own, shorter patience.
setDefaultTimeout(60_000)

const jobs = join(import.meta.dir, '../../examples/jobs')

/** A process of its own that runs the jobs of a database and prints a number for each change: the files done. */
const program = `
  import { Database } from 'bun:sqlite'
  import { Pool } from '${jobs}/pool'
  import { Runner } from '${jobs}/runner'
  import { Store } from '${jobs}/store'
  const database = new Database(process.argv[2])
  const store = new Store(database)
  const print = () => console.log(runner.jobs().reduce((sum, job) => sum + job.filesDone, 0))
  const runner = new Runner({ store, pool: new Pool({ size: 2 }), onChange: print })
  runner.open()
  print()
`

/** Starts the program and ends it with SIGKILL as soon as so many files are done. */
async function killAt(bench: Bench, files: number): Promise<void> {
  const script = join(bench.root, 'program.ts')
  writeFileSync(script, program)
  const child = Bun.spawn([process.execPath, script, bench.file], { stdout: 'pipe' })
  const reader = child.stdout.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let isReached = false
  while (!isReached) {
    const { value, done } = await reader.read()
    if (done) throw new Error(`The program ended too early: ${text}`)
    text += decoder.decode(value, { stream: true })
    isReached = text
      .split('\n')
      .slice(0, -1)
      .some((count) => Number(count) >= files)
  }
  child.kill('SIGKILL')
  await child.exited
  expect(child.signalCode).toBe('SIGKILL')
}

function folderOf(bench: Bench, name: string, seed: number): string {
  const files: Record<string, Uint8Array> = {}
  for (let i = 0; i < 60; i++)
    files[`f${String(i).padStart(2, '0')}`] = noise(400_000 + i, seed + i)
  return bench.folder(name, files)
}

test('killed with SIGKILL in mid-run, twice: the jobs go on, no file is done twice, page and table are equal', async () => {
  await using bench = new Bench({ isOpen: false })
  const { runner } = bench
  const folders = [folderOf(bench, 'one', 1), folderOf(bench, 'two', 101)]
  const ids: string[] = []
  for (const folder of folders) ids.push((await runner.add(folder)).id)
  const { id: paused } = await runner.add(bench.folder('paused', { a: 'a' }))
  runner.startAll()
  runner.pause(paused)

  let before = 0
  for (const files of [10, 50]) {
    await killAt(bench, files)
    for (const id of ids) {
      const { state, filesDone, bytesDone, files, lastLine } = runner.result(id)
      expect(state).toBe('running')
      expect(filesDone).toBe(files.length)
      expect(bytesDone).toBe(files.reduce((sum, { size }) => sum + (size ?? 0), 0))
      expect(runner.lines(id).map(({ n }) => n)).toEqual(
        Array.from({ length: lastLine }, (_, i) => i + 1),
      )
    }
    const done = runner.jobs().reduce((sum, job) => sum + job.filesDone, 0)
    expect(done).toBeGreaterThan(before)
    expect(done).toBeLessThan(120)
    before = done
    expect(runner.get(paused)?.state).toBe('paused')
  }
  const kept = ids.map((id) => runner.result(id))
  // Who reads a file again that has a result would see other bytes.
  for (const { folder, files } of kept) {
    for (const { path } of files) writeFileSync(join(folder, path), 'changed')
  }

  await bench.restart({ size: 2 })
  for (const [i, id] of ids.entries()) {
    await bench.until(id, ({ state }) => state === 'done')
    const result = bench.runner.result(id)
    expect(result).toMatchObject({ filesDone: 60, filesTotal: 60, failedFiles: 0, error: null })
    expect(result.bytesDone).toBe(result.bytesTotal)
    expect(result.files.slice(0, kept[i]?.files.length)).toEqual(kept[i]?.files ?? [])
    for (const { path, sha256 } of result.files) {
      const content = noise(400_000 + Number(path.slice(1)), 1 + i * 100 + Number(path.slice(1)))
      expect(sha256).toBe(new Bun.CryptoHasher('sha256').update(content).digest('hex'))
    }
    expect(bench.runner.lines(id).map(({ n }) => n)).toEqual(
      Array.from({ length: result.lastLine }, (_, n) => n + 1),
    )
  }
  expect(bench.runner.get(paused)?.state).toBe('paused')
  bench.runner.resume(paused)
  await bench.until(paused, ({ state }) => state === 'done')
})

test('closed in mid-run, a job waits, and goes on at the next start before those that waited', async () => {
  await using bench = new Bench({ size: 1 })
  const id = await bench.start(folderOf(bench, 'one', 1))
  const other = await bench.start(bench.folder('other', { a: 'a' }))
  await bench.until(id, ({ filesDone }) => filesDone > 5)
  await bench.runner.close()
  const closed = bench.runner.get(id)
  expect(closed).toMatchObject({ state: 'waiting', currentFile: null, throughput: 0 })
  expect(bench.changes.findLast(({ job }) => job.id === id)?.job).toEqual(closed)

  const seen = bench.changes.length
  await bench.restart({ size: 1 })
  await bench.until(other, ({ state }) => state === 'done')
  const order = bench.changes.slice(seen).filter(({ job }) => job.state === 'done')
  expect([...new Set(order.map(({ job }) => job.name))]).toEqual(['one', 'other'])
  const done = bench.runner.get(id)
  expect(done?.filesDone).toBe(60)
  expect(done?.activeMs).toBeGreaterThan(closed?.activeMs ?? 0)
  const texts = bench.runner.lines(id).map(({ text }) => text)
  expect(texts.filter((text) => text.startsWith('Going on after '))).toHaveLength(1)
})

test('results and states are there again after a restart', async () => {
  await using bench = new Bench({ size: 1 })
  const id = await bench.start(bench.folder('a', { a: 'a\n' }))
  await bench.until(id, ({ state }) => state === 'done')
  const before = bench.runner.result(id)
  await bench.restart()
  expect(bench.runner.result(id)).toEqual(before)
})

test('many processes that start at once on a new file all find their tables', async () => {
  await using bench = new Bench({ isOpen: false })
  const file = join(bench.root, 'new.db')
  const script = join(bench.root, 'open.ts')
  writeFileSync(
    script,
    `import { Database } from 'bun:sqlite'
     import { Store } from '${jobs}/store'
     console.log(new Store(new Database(process.argv[2])).jobs().length)`,
  )
  const outputs = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const { stdout, stderr } = await Bun.$`${process.execPath} ${script} ${file}`
        .nothrow()
        .quiet()
      return `${stdout}${stderr}`
    }),
  )
  expect(outputs).toEqual(Array.from({ length: 8 }, () => '0\n'))
  expect(readdirSync(bench.root)).toContain('new.db')
})
