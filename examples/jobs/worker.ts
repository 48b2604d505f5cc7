import { digest } from './digest'
import { expectFolder, FolderLost, faultOf } from './fault'
import type { FileResult } from './job'
import type { End, Order, Task } from './protocol'
import { Reporter } from './reporter'
import { type Found, walk } from './walk'

// A Bun Worker: works through the files of one folder at a time and posts reports (`protocol.ts`).
declare const self: Worker

let stopping = new AbortController()

self.onmessage = ({ data }: MessageEvent<Order>) => {
  if (data.type === 'stop') stopping.abort()
  else void run(data)
}

async function run(task: Task): Promise<void> {
  stopping = new AbortController()
  const reporter = new Reporter((report) => self.postMessage(report))
  reporter.end(await work(task, reporter, stopping.signal).catch(failed))
}

function failed(error: unknown): End {
  if (error instanceof FolderLost) return { reason: 'failed', error: error.message }
  return { reason: 'failed', error: `The job broke off: ${faultOf(error)}.` }
}

async function work({ folder, skip }: Task, reporter: Reporter, signal: AbortSignal): Promise<End> {
  const isDone = new Set(skip)
  const files = (await walk(folder, signal)).filter(({ path }) => !isDone.has(path))
  if (signal.aborted) return { reason: 'stopped' }
  reporter.total(
    files.length,
    files.reduce((sum, { size }) => sum + size, 0),
  )
  for (const file of files) {
    if (signal.aborted) return { reason: 'stopped' }
    reporter.begin(file.path, file.size)
    const result = await workOn(file, folder, reporter, signal)
    if (result === undefined) return { reason: 'stopped' }
    reporter.result(result)
  }
  return { reason: 'done' }
}

async function workOn(
  { path, raw, error }: Found,
  folder: string,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<FileResult | undefined> {
  const without = { path, size: null, sha256: null, gzip: null, lines: null }
  if (error !== undefined) return { ...without, error }
  try {
    const onRead = (bytes: number) => reporter.read(bytes)
    const figures = await digest(raw, { signal, onRead })
    return figures && { path, ...figures, error: null }
  } catch (error) {
    // One unreadable file is that file's error; a lost folder is the job's.
    await expectFolder(folder)
    return { ...without, error: faultOf(error) }
  }
}
