import { JobError } from './job'

/** One part of a form. Its content is read before the next part is asked for. */
export interface Part {
  /** What the field is called. */
  name: string
  /** As it was sent, so it may be anything; undefined for a field that is no file, '' for one without a choice. */
  file: string | undefined
  content: AsyncIterable<Uint8Array>
}

/** Bytes that the head of a part may have. */
const HEAD = 16_384

/** Bytes of all that stand in a form and are no file's. */
const BESIDE = 1_048_576

/**
 * The boundary that a request's `content-type` names.
 *
 * @throws JobError 415 when it is no form with files.
 */
export function boundaryOf(request: Request): string {
  const type = request.headers.get('content-type') ?? ''
  const found = /^multipart\/form-data\s*;.*?\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(
    type,
  )
  const boundary = found?.[1] ?? found?.[2]
  if (boundary === undefined) throw new JobError(415, 'Expected a form with a file.')
  return boundary
}

/**
 * The parts of a form (RFC 7578) as they come in: no more of it is in memory than one chunk. Who reads a content slowly
 * slows the sender down.
 *
 * @throws JobError 400 when it is malformed or ends too early.
 */
export async function* multipart(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
): AsyncGenerator<Part> {
  const input = new Input(body)
  const mark = Buffer.from(`\r\n--${boundary}`)
  // The first boundary has no line before it.
  input.begin(Buffer.from('\r\n'))
  let left = BESIDE - (await lengthOf(input.upTo(mark)))
  for (;;) {
    if (left < 0) throw new JobError(413, 'The form holds too much beside its files.')
    if ((await input.peek(2)).equals(END)) return
    const head = await headOf(input)
    left -= head.length
    const content = input.upTo(mark)
    const part = { ...described(head), content }
    if (part.file) yield part
    // Of a file all was read; what is skipped has its limit.
    else left -= await lengthOf(content, left)
  }
}

const END = Buffer.from('--')
const BLANK = Buffer.from('\r\n\r\n')

/** The bytes that have come in and were not taken yet: never more than a chunk and a mark. */
class Input {
  readonly #chunks: AsyncIterator<Uint8Array>
  #bytes: Buffer = Buffer.alloc(0)

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#chunks = body[Symbol.asyncIterator]()
  }

  begin(bytes: Buffer): void {
    this.#bytes = Buffer.concat([bytes, this.#bytes])
  }

  /** What is before the mark, in chunks; the mark is taken too. */
  async *upTo(mark: Buffer): AsyncGenerator<Buffer> {
    for (;;) {
      const at = this.#bytes.indexOf(mark)
      if (at >= 0) {
        if (at > 0) yield this.#take(at)
        this.#take(mark.length)
        return
      }
      // The mark may have begun in the last bytes.
      const safe = this.#bytes.length - mark.length + 1
      if (safe > 0) yield this.#take(safe)
      await this.#more()
    }
  }

  /** The next bytes, not taken. */
  async peek(length: number): Promise<Buffer> {
    while (this.#bytes.length < length) await this.#more()
    return this.#bytes.subarray(0, length)
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length)
    this.#bytes = this.#bytes.subarray(length)
    return taken
  }

  async #more(): Promise<void> {
    const { done, value } = await this.#chunks.next()
    if (done) throw new JobError(400, 'The form ended before its last boundary.')
    const chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    this.#bytes = this.#bytes.length > 0 ? Buffer.concat([this.#bytes, chunk]) : chunk
  }
}

/** The head of a part, which begins with the end of the boundary's line. */
async function headOf(input: Input): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of input.upTo(BLANK)) {
    parts.push(part)
    length += part.length
    if (length > HEAD) throw new JobError(400, 'A part of the form has too long a head.')
  }
  return Buffer.concat(parts).toString()
}

/** What the head says. Browsers write `"` and line ends in names as `%22`, `%0D` and `%0A`; some tools write `\"`. */
function described(head: string): Pick<Part, 'name' | 'file'> {
  const line = /^content-disposition:(.*)$/im.exec(head)?.[1] ?? ''
  const value = (name: string) => {
    const found = new RegExp(`;\\s*${name}=(?:"((?:\\\\"|[^"])*)"|([^\\s;"]+))`, 'i').exec(line)
    const written = found?.[1] ?? found?.[2]
    return written?.replace(/\\"|%22|%0D|%0A/gi, (code) => decoded[code.toUpperCase()] ?? code)
  }
  return { name: value('name') ?? '', file: value('filename') }
}

const decoded: Record<string, string> = { '\\"': '"', '%22': '"', '%0D': '\r', '%0A': '\n' }

/** How long a content is, as far as the limit. */
async function lengthOf(content: AsyncIterable<Uint8Array>, limit = BESIDE): Promise<number> {
  let length = 0
  for await (const chunk of content) {
    length += chunk.length
    if (length > limit) break
  }
  return length
}
