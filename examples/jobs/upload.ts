import { JobError } from './job'
import { multipart, type Part } from './multipart'
import type { Report } from './protocol'
import { fileName, type Received, type ReceiveOptions, receive } from './receive'

/** The body of a request that brings files. */
export interface Incoming {
  body: ReadableStream<Uint8Array>
  /** Of its form. */
  boundary: string
  /** Bytes of the body, if the sender has said. */
  size: number | null
}

/** How long a sender may take; both in milliseconds. */
export interface Patience {
  /** Until the head of the first file is there. @default 10 seconds */
  head?: number
  /** Without a byte, while one is waited for. @default 30 seconds */
  silence?: number
}

/** Milliseconds between two reports while bytes come in. */
const INTERVAL = 30
/** Milliseconds after which is reported though nothing came, so that a stalled sender shows as 0 bytes a second. */
const IDLE = 1000

/** Files on their way in. It begins when the first of them does. */
export class Upload {
  /** The name of its first file. */
  readonly name: string
  /** Bytes to come, as far as they are known; 0 otherwise. */
  readonly size: number
  /** Bytes of files that are there. */
  received = 0
  readonly #parts: AsyncIterable<Part>
  readonly #cut: AbortController
  #current: string | null = null

  private constructor(parts: AsyncIterable<Part>, first: Part, cut: AbortController, size: number) {
    this.name = fileName(first.file ?? '')
    this.size = size
    this.#parts = chain(first, parts)
    this.#cut = cut
  }

  /**
   * Resolves when the first file begins.
   *
   * @throws JobError 400 when there is none, or the form is malformed, 408 when the sender takes too long.
   */
  static async begin(
    { body, boundary, size }: Incoming,
    { head = 10_000, silence = 30_000 }: Patience = {},
  ): Promise<Upload> {
    const cut = new AbortController()
    const parts = multipart(chunks(body, cut, silence), boundary)
    // Until then nobody sees it, and nobody can cancel it.
    const late = cutAfter(head, cut, 'No file began within')
    const { value: first } = await parts.next().finally(() => clearTimeout(late))
    if (!first) throw new JobError(400, 'Expected a file, got none.')
    return new Upload(parts, first, cut, size ?? 0)
  }

  /** Takes no more of it: `receive` fails. */
  stop(): void {
    this.#cut.abort()
  }

  /**
   * Writes the files, and says how far it is as a worker does.
   *
   * @throws what {@link receive} throws, and the error of a connection that is cut.
   */
  async receive(
    options: Pick<ReceiveOptions, 'folder' | 'limit'>,
    report: (report: Report) => void,
  ): Promise<Received[]> {
    let last = Number.NEGATIVE_INFINITY
    const tell = () => {
      last = performance.now()
      report(this.#report())
    }
    const idle = setInterval(tell, IDLE)
    try {
      return await receive(this.#parts, {
        ...options,
        onFile: (name) => {
          this.#current = name
          tell()
        },
        onBytes: (bytes) => {
          this.received = bytes
          if (performance.now() - last >= INTERVAL) tell()
        },
      })
    } finally {
      clearInterval(idle)
    }
  }

  #report(): Report {
    const bytes = this.size - this.received
    const left = bytes > 0 ? { files: 1, bytes } : null
    return { left, results: [], current: this.#current, read: this.received }
  }
}

async function* chain(first: Part, others: AsyncIterable<Part>): AsyncGenerator<Part> {
  yield first
  yield* others
}

/** What comes in, until it is over or cut, which it also is after so many milliseconds without a byte. */
async function* chunks(
  body: ReadableStream<Uint8Array>,
  cut: AbortController,
  silence: number,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  // Else a sender that has stalled could not be cut.
  const cancel = () => void reader.cancel().catch(() => {})
  cut.signal.addEventListener('abort', cancel, { once: true })
  for (;;) {
    const late = cutAfter(silence, cut, 'Nothing came for')
    const { done, value } = await reader.read().finally(() => clearTimeout(late))
    cut.signal.throwIfAborted()
    if (done) return
    yield value
  }
}

function cutAfter(time: number, cut: AbortController, what: string): NodeJS.Timeout {
  const late = () =>
    cut.abort(new JobError(408, `${what} ${time / 1000} seconds. Upload it again.`))
  return setTimeout(late, time)
}
