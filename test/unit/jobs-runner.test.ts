import { expect, setDefaultTimeout, spyOn, test } from 'bun:test'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Job, JobError, type JobState } from '../../examples/jobs/job'
import { Bench, noise } from '../../examples/jobs/testing'

// Real work on real files; each wait has its own, shorter patience.
setDefaultTimeout(60_000)

const is =
  (state: JobState) =>
  (job: Job): boolean =>
    job.state === state

/** Three small files, then one that takes a while, then three more. */
function slow(bench: Bench, name: string): string {
  const big = noise(24e6)
  return bench.folder(name, { a: 'a\n', b: 'b\n', c: 'c\n', 'm-big': big, x: 'x', y: 'y', z: 'z' })
}

const inBig = (job: Job) => job.currentFile === 'm-big' && job.bytesDone > 6 && job.filesDone === 3

/** What is stored of the files says the same as the job's counts. */
function expectCounts(bench: Bench, id: string): void {
  const { files, filesDone, bytesDone, failedFiles } = bench.runner.result(id)
  const bytes = files.reduce((sum, { size }) => sum + (size ?? 0), 0)
  const failed = files.filter(({ error }) => error !== null).length
  expect({ filesDone, bytesDone, failedFiles }).toEqual({
    filesDone: files.length,
    bytesDone: bytes,
    failedFiles: failed,
  })
}

function refusal(attempt: () => unknown): { status: number; message: string } {
  try {
    attempt()
  } catch (error) {
    if (error instanceof JobError) return { status: error.status, message: error.message }
    throw error
  }
  throw new Error('Expected a JobError, got none')
}

test('a pause keeps what is done, and going on does the rest only', async () => {
  await using bench = new Bench({ size: 1 })
  const folder = slow(bench, 'p')
  const id = await bench.start(folder)
  await bench.until(id, inBig)
  expect(bench.runner.pause(id)).toMatchObject({ state: 'paused', currentFile: null, filesDone: 3 })
  await bench.until(id, ({ lastLine }) => lastLine === 5)
  expectCounts(bench, id)
  const { activeMs, bytesDone } = bench.runner.get(id) ?? {}
  expect(bytesDone).toBe(6)
  // What has a result is not read again: the old content's figures stay.
  writeFileSync(join(folder, 'a'), 'changed')

  bench.runner.resume(id)
  const done = await bench.until(id, is('done'))
  expect(done).toMatchObject({
    filesDone: 7,
    filesTotal: 7,
    bytesDone: 24e6 + 9,
    bytesTotal: 24e6 + 9,
  })
  expect(done.activeMs).toBeGreaterThan(activeMs ?? 0)
  expect(bench.runner.result(id).files[0]).toMatchObject({ path: 'a', size: 2 })
  expectCounts(bench, id)
  const texts = bench.lines.map(({ line }) => line.text.split(/[: ]/)[0])
  expect(texts).toEqual([
    'Started',
    'a',
    'b',
    'c',
    'Paused',
    'Going',
    'm-big',
    'x',
    'y',
    'z',
    'Finished',
  ])
})

test('paused and resumed at once, again and again, the files are done once each', async () => {
  await using bench = new Bench({ size: 2 })
  const id = await bench.start(slow(bench, 'p'))
  await bench.until(id, inBig)
  for (let i = 0; i < 20; i++) {
    bench.runner.pause(id)
    bench.runner.resume(id)
  }
  const done = await bench.until(id, is('done'))
  expect(done.filesDone).toBe(7)
  expectCounts(bench, id)
  const numbers = bench.lines.map(({ line }) => line.n)
  expect(numbers).toEqual(numbers.map((_, i) => i + 1))
})

test('time that is paused or waited is not worked', async () => {
  await using bench = new Bench({ size: 1 })
  const id = await bench.start(slow(bench, 'p'))
  await bench.until(id, inBig)
  const paused = bench.runner.pause(id)
  const other = await bench.start(slow(bench, 'q'))
  bench.runner.resume(id)
  expect(bench.runner.get(id)?.state).toBe('waiting')
  await bench.until(other, is('done'))
  const done = await bench.until(id, is('done'))
  expect(paused.activeMs).toBeGreaterThan(0)
  const passed = (done.finishedAt ?? 0) - (done.startedAt ?? 0)
  const waited = bench.runner.get(other)?.activeMs ?? 0
  expect(done.activeMs).toBeLessThanOrEqual(passed - waited + 100)
  expect(done.throughput).toBeCloseTo(done.bytesDone / (done.activeMs / 1000))
})

test('a worker that takes long to be made counts as time that has passed, and as work', async () => {
  await using bench = new Bench({ size: 1 })
  const run = bench.pool.run.bind(bench.pool)
  spyOn(bench.pool, 'run').mockImplementation((...given) => {
    Bun.sleepSync(200)
    return run(...given)
  })
  const id = await bench.start(bench.folder('w', { a: 'a' }))
  const done = await bench.until(id, is('done'))
  const passed = (done.finishedAt ?? 0) - (done.startedAt ?? 0)
  // Two clocks, each rounded.
  expect(done.activeMs).toBeWithin(198, passed + 3)
})

test('a cancelled job changes no more; started again, it begins from scratch under new line numbers', async () => {
  await using bench = new Bench({ size: 1 })
  const folder = slow(bench, 'c')
  const id = await bench.start(folder)
  await bench.until(id, inBig)
  const cancelled = bench.runner.cancel(id)
  expect(cancelled).toMatchObject({
    state: 'cancelled',
    currentFile: null,
    filesDone: 3,
    bytesDone: 6,
  })
  expect(cancelled.finishedAt).not.toBeNull()
  const seen = bench.changes.length
  writeFileSync(join(folder, 'a'), 'changed')
  const next = bench.runner.start(id)
  expect(next).toMatchObject({
    filesDone: 0,
    bytesDone: 0,
    activeMs: 0,
    finishedAt: null,
    error: null,
  })
  expect(['waiting', 'running']).toContain(next.state)
  await bench.until(id, is('done'))
  const after = bench.changes.slice(seen).map(({ job }) => job)
  expect(after.filter(is('cancelled'))).toEqual([])
  expect(bench.runner.result(id).files[0]).toMatchObject({ path: 'a', size: 7 })
  expectCounts(bench, id)
  const numbers = bench.lines.map(({ line }) => line.n)
  expect(numbers).toEqual(numbers.map((_, i) => i + 1))
  expect(bench.runner.lines(id)).toEqual(bench.lines.map(({ line }) => line))
})

test('a job that waits, is queued or paused can be cancelled, one that waits can be paused', async () => {
  await using bench = new Bench({ size: 1 })
  const running = await bench.start(slow(bench, 'r'))
  const waiting = await bench.start(bench.folder('w', { w: 'w' }))
  const paused = await bench.start(bench.folder('p', { p: 'p' }))
  const { id: queued } = await bench.runner.add(bench.folder('q', { q: 'q' }))
  expect(bench.runner.get(waiting)?.state).toBe('waiting')
  expect(bench.runner.pause(paused).state).toBe('paused')
  for (const id of [waiting, paused, queued]) {
    expect(bench.runner.cancel(id)).toMatchObject({ state: 'cancelled', filesDone: 0 })
  }
  await bench.until(running, is('done'))
  expect(bench.runner.get(waiting)?.state).toBe('cancelled')
})

test('what a state does not allow is a 409 with a sentence, an unknown id a 404', async () => {
  await using bench = new Bench({ size: 1, isOpen: false })
  const { runner } = bench
  const { id } = await runner.add(bench.folder('one', { a: 'a' }))
  expect(refusal(() => runner.pause(id))).toEqual({
    status: 409,
    message: 'Cannot pause the job one: it is queued.',
  })
  expect(refusal(() => runner.resume(id)).status).toBe(409)
  runner.start(id)
  expect(refusal(() => runner.start(id)).message).toBe('Cannot start the job one: it is waiting.')
  runner.cancel(id)
  expect(refusal(() => runner.cancel(id)).status).toBe(409)
  for (const wrong of ['nope', '../..', "'", '', 'ü']) {
    for (const verb of ['start', 'pause', 'resume', 'cancel', 'result', 'lines'] as const) {
      expect(refusal(() => runner[verb](wrong)).status).toBe(404)
    }
    expect(runner.get(wrong)).toBeUndefined()
  }
})

test('a folder is refused that is not there, is a file, or is a job that has not ended', async () => {
  await using bench = new Bench({ size: 1, isOpen: false })
  const { runner } = bench
  const folder = bench.folder('one', { 'a.txt': 'a' })
  symlinkSync(folder, join(bench.root, 'same'))
  const { id, name } = await runner.add(folder)
  expect(id).toMatch(/^[a-z0-9]{8}$/)
  expect(name).toBe('one')
  const refused = async (path: string) => {
    const error: unknown = await runner.add(path).catch((error: unknown) => error)
    return error instanceof JobError ? [error.status, error.message] : error
  }
  expect(await refused('/nope/x')).toEqual([404, 'There is no folder /nope/x.'])
  const file = join(folder, 'a.txt')
  expect(await refused(file)).toEqual([400, `${file} is not a folder.`])
  expect(await refused(' ')).toEqual([400, 'Expected the path of a folder, got nothing.'])
  expect(await refused('a\0b')).toEqual([400, expect.stringContaining('NUL')])
  expect(await refused('x'.repeat(5000))).toEqual([400, expect.stringContaining('ENAMETOOLONG')])
  const already = [409, `The folder ${folder} is a job already (${id}, queued).`]
  expect(await refused(folder)).toEqual(already)
  expect(await refused(`${folder}/../one/`)).toEqual(already)
  expect(await refused(join(bench.root, 'same'))).toEqual(already)

  runner.cancel(id)
  const again = await runner.add(folder)
  expect(again.id).not.toBe(id)
  expect(refusal(() => runner.start(id)).status).toBe(409)
  const [first, second] = await Promise.allSettled(
    [1, 2].map(() => runner.add(bench.folder('two'))),
  )
  expect([first?.status, second?.status].sort()).toEqual(['fulfilled', 'rejected'])
})

test('two jobs run side by side, a third waits, and the first to wait is the first to run', async () => {
  await using bench = new Bench({ size: 2 })
  // All are there before the first begins, which must not be over when the second does.
  const [one, two] = [slow(bench, 'one'), slow(bench, 'two')]
  const names = ['e', 'd', 'c', 'b', 'a']
  const folders = names.map((name) => bench.folder(name, { f: name }))
  let most = 0
  bench.onChange = () => {
    most = Math.max(most, bench.runner.jobs().filter(is('running')).length)
  }
  const first = await bench.start(one)
  const second = await bench.start(two)
  const later = []
  for (const folder of folders) later.push(await bench.start(folder))
  const both = await bench.until(second, (job) => inBig(job))
  expect(both.state).toBe('running')
  expect(bench.runner.get(first)?.state).toBe('running')
  expect(bench.runner.get(later[0] ?? '')?.state).toBe('waiting')
  for (const id of [first, second, ...later]) await bench.until(id, is('done'))
  expect(most).toBe(2)
  expect(bench.pool.workers).toBe(2)
  const begun = bench.changes.map(({ job }) => job).filter((job) => job.state === 'running')
  const order = [...new Set(begun.map(({ name }) => name))]
  expect(order).toEqual(['one', 'two', ...names])
  for (const id of [first, second, ...later]) expectCounts(bench, id)
})

test('start all starts what is queued and leaves the rest', async () => {
  await using bench = new Bench({ size: 2 })
  const ids: string[] = []
  for (let i = 0; i < 20; i++)
    ids.push((await bench.runner.add(bench.folder(`f${i}`, { a: `${i}` }))).id)
  const [cancelled = ''] = ids.splice(0, 1)
  bench.runner.cancel(cancelled)
  expect(bench.runner.startAll().map(({ id }) => id)).toEqual(ids)
  for (const id of ids) await bench.until(id, is('done'))
  expect(bench.runner.get(cancelled)?.state).toBe('cancelled')
  expect(bench.runner.startAll()).toEqual([])
})

test('a running job is said at most each 50 ms, and the last value always', async () => {
  await using bench = new Bench({ size: 1 })
  const id = await bench.start(slow(bench, 's'))
  await bench.until(id, is('done'))
  const changes = bench.changes.filter(({ job }) => job.id === id && job.startedAt !== null)
  expect(changes.length).toBeGreaterThan(5)
  expect(changes.at(-1)?.job).toEqual(bench.runner.get(id) as Job)
  const gaps = changes.slice(1, -1).map(({ at }, i) => at - (changes[i]?.at ?? 0))
  // Timers have a grain of a millisecond.
  expect(Math.min(...gaps)).toBeGreaterThan(48)
})

test('a worker that crashes fails its own job only, and is replaced', async () => {
  const bad = `
    import '${join(import.meta.dir, '../../examples/jobs/worker')}'
    const work = self.onmessage
    self.onmessage = (event) => {
      const { folder } = event.data
      if (folder?.endsWith('throw')) setTimeout(() => { throw new Error('boom') })
      else if (folder?.endsWith('exit')) process.exit(3)
      else work(event)
    }`
  await using files = new Bench({ isOpen: false })
  const script = join(files.folder('script', { 'bad.ts': bad }), 'bad.ts')
  await using bench = new Bench({ size: 2, script: Bun.pathToFileURL(script) })
  const good = await bench.start(slow(bench, 'good'))
  const throws = await bench.start(bench.folder('throw', { a: 'a' }))
  const exits = await bench.start(bench.folder('exit', { a: 'a' }))
  const after = await bench.start(bench.folder('after', { a: 'a' }))
  const [first, second] = [
    await bench.until(throws, is('failed')),
    await bench.until(exits, is('failed')),
  ]
  expect(first.error).toBe('The worker crashed: boom.')
  expect(second.error).toBe('The worker crashed.')
  await bench.until(after, is('done'))
  expect((await bench.until(good, is('done'))).filesDone).toBe(7)
  bench.runner.start(throws)
  await bench.until(throws, is('failed'))
})

test('a worker that hangs is ended, so that its job can be paused and cancelled', async () => {
  await using files = new Bench({ isOpen: false })
  const hang = 'self.onmessage = () => { while (true); }'
  const script = join(files.folder('script', { 'hang.ts': hang }), 'hang.ts')
  await using bench = new Bench({ size: 1, stopWithin: 50, script: Bun.pathToFileURL(script) })
  const id = await bench.start(bench.folder('a', { a: 'a' }))
  const other = await bench.start(bench.folder('b', { b: 'b' }))
  expect(bench.runner.pause(id).state).toBe('paused')
  await bench.until(other, is('running'))
  expect(bench.runner.get(id)).toMatchObject({ state: 'paused', error: null })
  bench.runner.cancel(other)
})

test('a callback that throws disturbs no job', async () => {
  await using bench = new Bench({ size: 1 })
  bench.onChange = () => {
    throw new Error('not mine')
  }
  const id = await bench.start(bench.folder('a', { a: 'a' }))
  await bench.until(id, is('done'))
  expect(bench.errors.length).toBeGreaterThan(0)
})

test('results that cannot be stored fail their job with a sentence; the others go on', async () => {
  await using bench = new Bench({ size: 1 })
  bench.database.run(`create trigger full before insert on job_file when new.path = 'bad'
    begin select raise(abort, 'disk is full'); end`)
  const id = await bench.start(bench.folder('a', { bad: 'x', good: 'y' }))
  const other = await bench.start(bench.folder('b', { good: 'y' }))
  const failed = await bench.until(id, is('failed'))
  expect(failed.error).toContain('could not be stored')
  expect(failed.error).toContain('disk is full')
  await bench.until(other, is('done'))
  expectCounts(bench, id)
})

test('lines are stored as they are said, and a name with a newline is one line', async () => {
  await using bench = new Bench({ size: 1 })
  const id = await bench.start(bench.folder('a', { 'two\nlines': 'x\n', b: '' }))
  await bench.until(id, is('done'))
  const lines = bench.runner.lines(id)
  expect(lines).toEqual(bench.lines.map(({ line }) => line))
  expect(lines.map(({ text }) => text)).toEqual([
    expect.stringContaining('Started on /'),
    'b: 0 bytes, 0 lines, gzip 20, sha256 e3b0c44298fc…',
    expect.stringContaining('two\\nlines: 2 bytes, 1 lines, gzip 22'),
    expect.stringMatching(/^Finished: 2 files, 2 bytes, 0\.\d s$/),
  ])
  expect(bench.runner.lines(id, { after: 2, count: 1 }).map(({ n }) => n)).toEqual([3])
})
