import { afterEach, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Part } from '../../examples/jobs/multipart'
import { receive } from '../../examples/jobs/receive'
import { Upload } from '../../examples/jobs/upload'
import { boundary, form, headOf } from '../support/jobs'

setDefaultTimeout(60_000)

const folders: string[] = []
const senders: Trickle[] = []
afterEach(() => {
  for (const sender of senders.splice(0)) sender.stop()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

test('a thousand files of one name cost no more than others, and each has its own', async () => {
  const names = Array.from({ length: 1000 }, (_, i) => (i === 1 ? 'same (3).txt' : 'same.txt'))
  const started = performance.now()
  const { folder, files } = await received(names)
  // Looking for a free name from the first on, each time, takes 8 s and more.
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(files.slice(0, 5)).toEqual([
    'same.txt',
    'same (3).txt',
    'same (2).txt',
    'same (4).txt',
    'same (5).txt',
  ])
  expect(new Set(files).size).toBe(1000)
  expect(readdirSync(folder)).toHaveLength(1000)
  expect(readFileSync(join(folder, 'same (4).txt'), 'utf8')).toBe('3')
})

test('a sender that trickles and begins no file is refused, also in the middle of a head', async () => {
  for (const start of ['', `\r\n--${boundary}\r\nContent-Disposition: form-data; `]) {
    const sender = new Trickle(start)
    const begun = Upload.begin(sender.incoming, { head: 300 })
    await expect(begun).rejects.toMatchObject({
      status: 408,
      message: 'No file began within 0.3 seconds. Upload it again.',
    })
    await sender.left
  }
})

test('one that falls silent in a file is cut; one that is slow, or whose disk is, is not', async () => {
  const silent = new Trickle(`${headOf('a.txt')}hi`, { bytes: 0 })
  const slow = new Trickle(headOf('b.txt'), { bytes: 30 })
  const upload = await Upload.begin(silent.incoming, { silence: 300 })
  const other = await Upload.begin(slow.incoming, { head: 200, silence: 300 })
  const taken = other.receive({ folder: temporary(), limit: 1e6 }, () => {})
  await expect(upload.receive({ folder: temporary(), limit: 1e6 }, () => {})).rejects.toMatchObject(
    { status: 408, message: 'Nothing came for 0.3 seconds. Upload it again.' },
  )
  await silent.left
  // The other one goes on until it is over.
  slow.end(`\r\n--${boundary}--\r\n`)
  expect(await taken).toMatchObject([{ name: 'b.txt' }])
})

test('an upload that came at once is not cut later', async () => {
  const body = new Blob([new Uint8Array(form([{ name: 'a.txt', content: Buffer.from('hi') }]))])
  const upload = await Upload.begin(
    { body: body.stream(), boundary, size: null },
    { head: 100, silence: 100 },
  )
  // Longer than both: who takes slowly is not who sends slowly.
  await Bun.sleep(300)
  const files = await upload.receive({ folder: temporary(), limit: 1e6 }, () => {})
  expect(files).toEqual([{ name: 'a.txt', size: 2 }])
})

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'jobs-receive-'))
  folders.push(folder)
  return folder
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

/** Files of these names, each with its place as content. */
async function received(names: readonly string[]) {
  async function* parts(): AsyncGenerator<Part> {
    for (const [i, file] of names.entries()) {
      yield { name: 'files', file, content: bytesOf(String(i)) }
    }
  }
  const folder = temporary()
  const options = { folder, limit: 1e6, onFile: () => {}, onBytes: () => {} }
  const files = await receive(parts(), options)
  return { folder, files: files.map(({ name }) => name) }
}

/** A sender that sends a start, then a byte each so many milliseconds. */
class Trickle {
  readonly #left = Promise.withResolvers<void>()
  readonly #body: ReadableStream<Uint8Array>
  #send: (text: string) => void = () => {}
  #close = () => {}
  #timer: NodeJS.Timeout | undefined

  constructor(start: string, { bytes = 20 } = {}) {
    senders.push(this)
    this.#body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#send = (text) => controller.enqueue(Buffer.from(text))
        this.#close = () => controller.close()
        this.#send(start)
        if (bytes > 0) this.#timer = setInterval(() => this.#send('x'), bytes)
      },
      cancel: () => {
        this.stop()
        this.#left.resolve()
      },
    })
  }

  get incoming() {
    return { body: this.#body, boundary, size: null }
  }

  /** Resolves when no more is taken of it. */
  get left(): Promise<void> {
    return this.#left.promise
  }

  end(text: string): void {
    this.stop()
    this.#send(text)
    this.#close()
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
