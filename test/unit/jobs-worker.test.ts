import { expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, readFileSync, rmSync, symlinkSync, truncateSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { digest } from '../../examples/jobs/digest'
import { faultOf } from '../../examples/jobs/fault'
import type { JobResult } from '../../examples/jobs/job'
import { Bench, noise } from '../../examples/jobs/testing'

// Real work on real files; each wait has its own, shorter patience.
setDefaultTimeout(60_000)

const isDone = ({ state }: { state: string }) => state === 'done'

async function resultOf(bench: Bench, folder: string): Promise<JobResult> {
  const id = await bench.start(folder)
  await bench.until(id, isDone)
  return bench.runner.result(id)
}

test('results equal those of sha256sum, wc -l and gzip, whatever the names and contents', async () => {
  await using bench = new Bench()
  const folder = bench.folder('many', manyFiles())
  const result = await resultOf(bench, folder)

  const sums = await sums256(folder)
  expect(result.files.length).toBeGreaterThan(300)
  expect(result.files.map(({ path }) => path)).toEqual([...sums.keys()])
  expect(new Map(result.files.map(({ path, sha256 }) => [path, sha256]))).toEqual(sums)
  expect(new Map(result.files.map(({ path, lines }) => [path, lines]))).toEqual(
    await counts(folder),
  )
  for (const { path, size, gzip, error } of result.files) {
    const content = readFileSync(join(folder, path))
    const packed = gzipSync(content, { level: 6 }).length
    expect({ path, size, gzip, error }).toEqual({
      path,
      size: content.length,
      gzip: packed,
      error: null,
    })
  }
  expect(result).toMatchObject({
    filesDone: sums.size,
    filesTotal: sums.size,
    failedFiles: 0,
    error: null,
    currentFile: null,
    msLeft: null,
  })
  const bytes = result.files.reduce((sum, { size }) => sum + (size ?? 0), 0)
  expect([result.bytesDone, result.bytesTotal]).toEqual([bytes, bytes])
})

test('a large file is streamed: right figures, live bytes, and memory that stays small', async () => {
  await using bench = new Bench({ size: 1 })
  const folder = bench.folder('large', { big: noise(3_500_000), sparse: '' })
  truncateSync(join(folder, 'sparse'), 400 * 1024 * 1024)
  const before = process.memoryUsage().rss
  let peak = 0
  bench.onChange = () => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }
  const { files, id } = await resultOf(bench, folder)

  expect(peak - before).toBeLessThan(200 * 1024 * 1024)
  const [big, sparse] = files
  expect(big?.gzip).toBe(gzipSync(noise(3_500_000), { level: 6 }).length)
  expect(sparse).toMatchObject({ size: 400 * 1024 * 1024, lines: 0 })
  const sums = await sums256(folder)
  expect(files.map(({ sha256 }) => sha256)).toEqual([...sums.values()])
  const seen = bench.changes.filter(({ job }) => job.id === id && job.currentFile === 'sparse')
  const steps = new Set(seen.map(({ job }) => job.bytesDone))
  expect(steps.size).toBeGreaterThan(3)
  expect([...steps]).toEqual([...steps].sort((a, b) => a - b))
  expect(seen.at(-1)?.job.throughput).toBeGreaterThan(0)
  expect(seen.at(-1)?.job.msLeft).not.toBeNull()
})

test('links and pipes are skipped, also a link that leads around in a circle', async () => {
  await using bench = new Bench({ size: 1 })
  const folder = bench.folder('links', { 'in/real.txt': 'x\n' })
  symlinkSync('/etc/passwd', join(folder, 'passwd'))
  symlinkSync('/etc', join(folder, 'etc'))
  symlinkSync('..', join(folder, 'in', 'up'))
  symlinkSync('nowhere', join(folder, 'dangling'))
  await Bun.$`mkfifo ${join(folder, 'pipe')}`
  const { files } = await resultOf(bench, folder)
  expect(files.map(({ path }) => path)).toEqual(['in/real.txt'])
})

test('an empty folder is done at once', async () => {
  await using bench = new Bench({ size: 1 })
  expect(await resultOf(bench, bench.folder('empty'))).toMatchObject({ filesTotal: 0, files: [] })
})

test('a name that is no UTF-8 is worked on, under a path that says its bytes', async () => {
  await using bench = new Bench({ size: 1 })
  const folder = bench.folder('bytes')
  await Bun.$`bash -c ${`printf 'a\n' > $'${folder}/\\xff\\xfe'; printf b > $'${folder}/\\xff\\xfd'`}`
  const { files } = await resultOf(bench, folder)
  expect(files.map(({ path, lines }) => [path, lines])).toEqual([
    ['\\xff\\xfd', 0],
    ['\\xff\\xfe', 1],
  ])
})

test('a file that cannot be read is an error of that file, also for root; the job goes on and says so', async () => {
  await using bench = new Bench({ size: 1 })
  const long = Array.from({ length: 20 }, () => 'd'.repeat(199)).join('/')
  const folder = bench.folder('long', { 'a.txt': 'a\n', 'z.txt': 'z\n', [`${long}/in`]: 'x' })
  // Its folder's path fits into PATH_MAX, its own does not: nobody can open it by its whole path.
  const name = 'n'.repeat(200)
  await Bun.$`sh -c ${`echo x > ${name}`}`.cwd(join(folder, long))
  const result = await resultOf(bench, folder)

  expect(result.files.map(({ path, error }) => [path.at(-1), error])).toEqual([
    ['t', null],
    ['n', null],
    ['n', expect.stringContaining('ENAMETOOLONG')],
    ['t', null],
  ])
  expect(result.files[2]).toMatchObject({ size: null, sha256: null, gzip: null, lines: null })
  expect(result).toMatchObject({ state: 'done', failedFiles: 1, filesDone: 4, filesTotal: 4 })
  expect(result.error).toMatch(/^Not readable: .*ENAMETOOLONG/)
  const levels = bench.lines.map(({ line }) => line.level)
  expect(levels).toEqual(['info', 'info', 'info', 'warn', 'info', 'warn'])
  // The system's `rm` goes down step by step; Bun's removal would fail on the same long path.
  await Bun.$`sh -c ${'rm -rf d*'}`.cwd(folder)
})

test('an error of the device reads as a sentence', async () => {
  // The memory of a process begins with an unmapped page: reading it is EIO, for root too.
  const signal = new AbortController().signal
  const read = digest(Buffer.from('/proc/self/mem'), { signal, onRead: () => {} })
  const error: unknown = await read.catch((error: unknown) => error)
  expect(faultOf(error)).toBe('i/o error (EIO)')
})

test.skipIf(process.getuid?.() === 0)(
  'a file without permission is an error of that file',
  async () => {
    await using bench = new Bench({ size: 1 })
    const folder = bench.folder('closed', { 'a.txt': 'a', 'b.txt': 'b', 'c/d.txt': 'd' })
    chmodSync(join(folder, 'a.txt'), 0)
    chmodSync(join(folder, 'c'), 0)
    const { files, failedFiles } = await resultOf(bench, folder)
    expect(failedFiles).toBe(2)
    expect(files.map(({ path }) => path)).toEqual(['a.txt', 'b.txt', 'c/'])
    chmodSync(join(folder, 'c'), 0o755)
  },
)

test('a file that is removed, and one that becomes a link, after the listing: errors of those files', async () => {
  await using bench = new Bench({ size: 1 })
  const folder = bench.folder('moving', { 'a-big': noise(24e6), gone: 'x', link: 'x', zz: 'z\n' })
  const id = await bench.start(folder)
  await bench.until(
    id,
    ({ currentFile, filesTotal }) => currentFile === 'a-big' && filesTotal === 4,
  )
  unlinkSync(join(folder, 'gone'))
  unlinkSync(join(folder, 'link'))
  symlinkSync('/etc/passwd', join(folder, 'link'))
  const { failedFiles, error, bytesDone, bytesTotal } = await bench.until(id, isDone)

  expect(failedFiles).toBe(2)
  expect(error).toBe('2 files are not readable, first gone: no such file or directory (ENOENT)')
  expect([bytesDone, bytesTotal]).toEqual([24e6 + 2, 24e6 + 2])
  const errors = bench.runner.result(id).files.map((file) => file.error)
  expect(errors).toEqual([
    null,
    expect.stringContaining('ENOENT'),
    expect.stringContaining('ELOOP'),
    null,
  ])
})

test('a folder that vanishes before the start or in mid-run fails its job with a sentence', async () => {
  await using bench = new Bench({ size: 1 })
  const before = bench.folder('before', { a: 'a' })
  const during = bench.folder('during', { 'a-big': noise(24e6), b: 'b' })
  const { id } = await bench.runner.add(before)
  rmSync(before, { recursive: true })
  bench.runner.start(id)
  const first = await bench.until(id, ({ state }) => state === 'failed')
  expect(first.error).toBe(`The folder ${before} is gone.`)
  expect(first.finishedAt).not.toBeNull()

  const other = await bench.start(during)
  await bench.until(other, ({ currentFile }) => currentFile === 'a-big')
  rmSync(during, { recursive: true })
  const second = await bench.until(other, ({ state }) => state === 'failed')
  expect(second.error).toBe(`The folder ${during} is gone.`)
  expect(bench.lines.at(-1)?.line).toMatchObject({ level: 'error', text: second.error })
})

/** Files of every sort that the figures could be wrong on. */
function manyFiles(): Record<string, string | Uint8Array> {
  const files: Record<string, string | Uint8Array> = {
    empty: '',
    'one newline': '\n',
    'no newline at the end': 'a\nb\nc',
    'crlf.txt': 'a\r\nb\r\n',
    binary: noise(70_000),
    'newlines only': '\n'.repeat(5000),
    zeros: new Uint8Array(100_000),
    'ünïcödé/日本語/😀.txt': 'grüße\n',
    '\uFB00 before 😀': 'order of bytes is not order of UTF-16\n',
    'two\nlines': 'x\n',
    'tab\tand \\ backslash': 'x\n',
    ' leading and trailing ': 'x',
    'quote \' and " and $(x)': 'x',
    '-rf': 'x\n',
    'a-b': '1',
    'a/b': '2',
    'a.b': '3',
    'exactly one chunk': noise(1024 * 1024, 3),
    'one chunk and a byte': noise(1024 * 1024 + 1, 5),
    'deep/er/and/deep/er/x': 'x',
    'text.txt': Array.from({ length: 60_000 }, (_, i) => `${i} ${(i * 7919) % 1009}`).join('\n'),
  }
  for (let i = 0; i < 300; i++) {
    const lines = Array.from({ length: (i * 37) % 91 }, (_, n) => `${n}: ${'word '.repeat(i % 13)}`)
    files[`part ${i % 7}/file-${i}.txt`] = lines.join('\n') + (i % 2 ? '\n' : '')
  }
  return files
}

/** What `sha256sum` says of each file, in the order of the bytes of the path. */
async function sums256(folder: string): Promise<Map<string, string>> {
  const command = 'find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -z'
  const text = await Bun.$`sh -c ${command}`.cwd(folder).text()
  const entries = text.split('\0').filter(Boolean)
  return new Map(entries.map((entry) => [entry.slice(68), entry.slice(0, 64)]))
}

/** What `wc -l` says of each file. */
async function counts(folder: string): Promise<Map<string, number>> {
  const command = `find . -type f -print0 | LC_ALL=C sort -z |
    while IFS= read -r -d '' f; do printf '%s %s\\0' "$(wc -l < "$f")" "$f"; done`
  const text = await Bun.$`bash -c ${command}`.cwd(folder).text()
  const entries = text.split('\0').filter(Boolean)
  return new Map(
    entries.map((entry) => {
      const space = entry.indexOf(' ')
      return [entry.slice(space + 3), Number(entry.slice(0, space))]
    }),
  )
}
