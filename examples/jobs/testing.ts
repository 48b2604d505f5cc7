import { Database } from 'bun:sqlite'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Job, Line } from './job'
import { Pool, type PoolOptions } from './pool'
import { Runner } from './runner'
import { Store } from './store'

/** Milliseconds after which a condition that does not come true is an error. */
const PATIENCE = 15_000

/**
 * A runner with real workers over a real database file in a folder of its own, for tests. At its end everything is closed and
 * removed, and a worker that is left is an error.
 *
 * @example
 * await using bench = new Bench({ size: 1 })
 * const { id } = await bench.runner.add(bench.folder('a', { 'x.txt': 'hi\n' }))
 * bench.runner.start(id)
 * await bench.until(id, (job) => job.state === 'done')
 */
export class Bench implements AsyncDisposable {
  /** The folder of everything. */
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'jobs-')))
  readonly file = join(this.root, 'jobs.db')
  readonly changes: { job: Job; at: number }[] = []
  readonly lines: { id: string; line: Line }[] = []
  readonly errors: unknown[] = []
  /** Called with each change, after it was noted. */
  onChange: ((job: Job) => void) | undefined
  database: Database
  pool: Pool
  runner: Runner
  readonly #waiting = new Set<(job: Job) => void>()

  constructor(options: PoolOptions & { isOpen?: boolean } = {}) {
    ;[this.database, this.pool, this.runner] = this.#begin(options)
  }

  /** Closes the runner and begins anew on the same file, as another process would. */
  async restart(options: PoolOptions = {}): Promise<void> {
    await this.#end()
    ;[this.database, this.pool, this.runner] = this.#begin(options)
  }

  /** Writes files and returns their folder's path. */
  folder(name: string, files: Record<string, string | Uint8Array> = {}): string {
    const folder = join(this.root, 'folders', name)
    mkdirSync(folder, { recursive: true })
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), content)
    }
    return folder
  }

  /** Adds a folder and starts its job. */
  async start(folder: string): Promise<string> {
    const { id } = await this.runner.add(folder)
    this.runner.start(id)
    return id
  }

  /** The job as soon as the condition holds, looked at now and at each change. */
  until(id: string, condition: (job: Job) => boolean): Promise<Job> {
    const now = this.runner.get(id)
    if (now && condition(now)) return Promise.resolve(now)
    const { promise, resolve, reject } = Promise.withResolvers<Job>()
    const look = (job: Job) => {
      if (job.id === id && condition(job)) resolve(job)
    }
    const timer = setTimeout(() => {
      reject(new Error(`The condition did not come true: ${JSON.stringify(this.runner.get(id))}`))
    }, PATIENCE)
    this.#waiting.add(look)
    return promise.finally(() => {
      clearTimeout(timer)
      this.#waiting.delete(look)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
    rmSync(this.root, { recursive: true, force: true })
  }

  #begin({ isOpen = true, ...options }: PoolOptions & { isOpen?: boolean }) {
    const database = new Database(this.file)
    database.run('pragma journal_mode = wal')
    // As the hub has it; with an fsync per commit, a shared disk would stop the event loop for tens of milliseconds.
    database.run('pragma synchronous = normal')
    const pool = new Pool(options)
    const runner = new Runner({
      store: new Store(database),
      pool,
      uploads: join(this.root, 'uploads'),
      onChange: (job) => {
        this.changes.push({ job, at: performance.now() })
        for (const look of [...this.#waiting]) look(job)
        this.onChange?.(job)
      },
      onLine: ({ id }, line) => this.lines.push({ id, line }),
      onError: (error) => this.errors.push(error),
    })
    if (isOpen) runner.open()
    return [database, pool, runner] as const
  }

  async #end(): Promise<void> {
    await this.runner.close()
    this.database.close()
    if (this.pool.workers > 0) throw new Error(`${this.pool.workers} workers are left`)
  }
}

/** Bytes that do not compress, the same for the same seed. */
export function noise(size: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = seed | 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer, 0, size)
}
