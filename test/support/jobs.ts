/**
 * `examples/jobs` as a process of its own over a folder that is removed afterwards, and senders of uploads that do what
 * browsers do not: stall, break off, lie.
 *
 * ```ts
 * afterEach(endJobs)
 * const jobs = await startJobs({ limit: 1 })
 * const sender = await send(jobs.url, form([{ name: 'a.txt', content }]))
 * ```
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JobResult } from '../../examples/jobs/job'
import { until } from './browser'

const main = join(import.meta.dir, '..', '..', 'examples', 'jobs', 'main.tsx')
const running = new Set<Jobs>()
const senders = new Set<Sender>()

/** Ends everything that was started here. */
export async function endJobs(): Promise<void> {
  for (const sender of senders) sender.cut()
  await Promise.all([...running].map((jobs) => jobs.remove()))
}

/** What the program is started with. */
export interface JobsOptions {
  /** Megabytes of an upload. */
  limit?: number
  workers?: number
  env?: Record<string, string>
}

/** Resolves once it serves, with an empty folder as its only job. */
export async function startJobs(options: JobsOptions = {}): Promise<Jobs> {
  const jobs = new Jobs(options)
  await jobs.start()
  return jobs
}

/** The program; after {@link kill} it can be started again on the same database. */
export class Jobs {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'jobs-upload-')))
  readonly uploads = join(this.root, 'uploads')
  url = ''
  /** What it printed as errors. */
  complained = ''
  #process: Bun.Subprocess<'ignore', 'pipe', 'pipe'> | undefined
  readonly #options: JobsOptions

  constructor(options: JobsOptions) {
    this.#options = options
    running.add(this)
  }

  async start(): Promise<void> {
    const { limit, workers = 1, env } = this.#options
    const words = ['--database', join(this.root, 'jobs.db'), '--uploads', this.uploads]
    words.push('--workers', String(workers), '--port', this.url ? new URL(this.url).port : '0')
    if (limit !== undefined) words.push('--upload-limit', String(limit))
    const folder = join(this.root, 'folder')
    await Bun.write(join(folder, 'a.txt'), 'a\n')
    const child = Bun.spawn([process.execPath, main, '--folder', folder, ...words], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = child
    let said = ''
    void read(child.stdout, (text) => {
      said += text
    })
    void read(child.stderr, (text) => {
      this.complained += text
    })
    await until(() => said.endsWith('\n') || child.exitCode !== null, { timeout: 20_000 })
    if (child.exitCode !== null) throw new Error(this.complained)
    this.url = said.trim()
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Bytes that it had in memory at most, where Linux tells. */
  get peak(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1]) * 1024
  }

  /** The page as it is served. */
  async page(): Promise<string> {
    const response = await fetch(this.url)
    return response.text()
  }

  /** The job of an upload, by what it is called. */
  async job(name: string): Promise<JobResult | undefined> {
    const ids = [...(await this.page()).matchAll(/<tr id="job-([a-z0-9]{8})"/g)].map(([, id]) => id)
    for (const id of ids) {
      const response = await fetch(`${this.url}/jobs/${id}.json`)
      const job = (await response.json()) as JobResult
      if (job.name === name) return job
    }
    return undefined
  }

  /** The job as soon as it is as wanted. */
  until(name: string, condition: (job: JobResult) => boolean): Promise<JobResult> {
    return until(
      async () => {
        const job = await this.job(name)
        return job && condition(job) ? job : undefined
      },
      { timeout: 20_000, what: `${name}: ${condition}` },
    )
  }

  post(path: string): Promise<Response> {
    return fetch(this.url + path, { method: 'POST', redirect: 'manual' })
  }

  /** All files that are kept of uploads, by their path. */
  kept(): string[] {
    if (!existsSync(this.uploads)) return []
    const entries = readdirSync(this.uploads, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => !entry.isDirectory())
      .map(({ parentPath, name }) => join(parentPath, name))
  }

  async end(): Promise<number> {
    this.#process?.kill('SIGTERM')
    return (await this.#process?.exited) ?? 0
  }

  async kill(): Promise<void> {
    if (this.#process?.exitCode === null) this.#process.kill('SIGKILL')
    await this.#process?.exited
  }

  async remove(): Promise<void> {
    running.delete(this)
    await this.kill()
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** One file of a form; its name is sent as it is. */
export interface FormFile {
  name: string
  content: Uint8Array
}

/** The body of a form. */
export function form(files: readonly FormFile[]): Buffer {
  const parts = files.flatMap(({ name, content }) => [Buffer.from(headOf(name)), content])
  return Buffer.concat([...parts, Buffer.from(tail)])
}

/** Where the boundary is used by {@link send}. */
export const boundary = 'x-boundary'

/** What is before a file. */
export function headOf(name: string): string {
  const of = `form-data; name="files"; filename="${name}"`
  return `\r\n--${boundary}\r\nContent-Disposition: ${of}\r\nContent-Type: text/plain\r\n\r\n`
}

/** What is behind the last file. */
export const tail = `\r\n--${boundary}--\r\n`

/** How a request is sent. */
export interface SendOptions {
  /** The length that it claims; null for chunks. @default that of the body */
  length?: number | null
  /** @default that of the form */
  type?: string
  /** @default '/uploads' */
  path?: string
}

/** Begins a request with a part of its body, or all of it. */
export async function send(
  url: string,
  body: string | Uint8Array,
  options: SendOptions = {},
): Promise<Sender> {
  const bytes = Buffer.from(body)
  const { length = bytes.length, path = '/uploads' } = options
  const { type = `multipart/form-data; boundary=${boundary}` } = options
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const sender = new Sender(socket, length === null)
  const size = length === null ? 'transfer-encoding: chunked' : `content-length: ${length}`
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: ${type}\r\n${size}\r\n\r\n`
  socket.write(head)
  await sender.write(bytes)
  return sender
}

/** A request that is being sent. */
export class Sender {
  /** The answer as far as it is there. */
  answer = ''
  isClosed = false
  readonly #socket: Socket
  readonly #isChunked: boolean
  /** Goes on with what waits for the kernel. */
  #wake = () => {}

  constructor(socket: Socket, isChunked: boolean) {
    senders.add(this)
    this.#socket = socket
    this.#isChunked = isChunked
    socket.on('data', (bytes) => {
      this.answer += bytes
    })
    socket.on('error', () => {})
    socket.on('drain', () => this.#wake())
    socket.on('close', () => {
      this.isClosed = true
      senders.delete(this)
      this.#wake()
    })
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(this.answer)?.[1] ?? 0)
  }

  /** Resolves when the kernel has taken it, or the connection is gone. */
  async write(bytes: string | Uint8Array): Promise<void> {
    const whole = Buffer.from(bytes)
    if (whole.length === 0) return
    const size = `${whole.length.toString(16)}\r\n`
    const framed = this.#isChunked
      ? Buffer.concat([Buffer.from(size), whole, Buffer.from('\r\n')])
      : whole
    if (this.isClosed || this.#socket.write(framed)) return
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  /** There is no more. */
  async finish(): Promise<void> {
    if (this.#isChunked) this.#socket.write('0\r\n\r\n')
    await this.answered()
  }

  async answered(): Promise<void> {
    await until(() => this.status > 0 || this.isClosed, { timeout: 20_000, what: 'an answer' })
  }

  async closed(): Promise<void> {
    await until(() => this.isClosed, { timeout: 20_000, what: 'the end of the connection' })
  }

  /** Breaks off without a word. */
  cut(): void {
    this.#socket.destroy()
  }
}

/** A proxy that lets so many bytes a second through to the server. */
export async function startSlowProxy(port: number, bytesPerSecond: number) {
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => open.delete(socket))
    }
    client.on('close', () => upstream.destroy())
    // What the server has said still arrives.
    upstream.on('close', () => client.destroySoon())
    upstream.pipe(client)
    client.on('data', (bytes) => {
      client.pause()
      upstream.write(bytes)
      setTimeout(() => client.resume(), (bytes.length / bytesPerSecond) * 1000)
    })
    client.on('end', () => upstream.end())
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  const at = typeof address === 'object' && address ? address.port : 0
  return {
    url: `http://127.0.0.1:${at}`,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of open) socket.destroy()
      await new Promise((done) => server.close(done))
    },
  }
}

async function read(stream: ReadableStream<Uint8Array>, onText: (text: string) => void) {
  const decoder = new TextDecoder()
  const write = (chunk: Uint8Array) => onText(decoder.decode(chunk, { stream: true }))
  await stream.pipeTo(new WritableStream({ write }))
}
