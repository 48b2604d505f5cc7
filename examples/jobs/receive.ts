import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, faultOf } from './fault'
import { size } from './format'
import { JobError } from './job'
import type { Part } from './multipart'

/** A file that was received whole. */
export interface Received {
  /** In the folder of the upload. */
  name: string
  /** Bytes. */
  size: number
}

export interface ReceiveOptions {
  /** Where the files are written; there already, and of this upload alone. */
  folder: string
  /** Bytes of all files together. */
  limit: number
  /** A file begins. */
  onFile: (name: string) => void
  /** So many bytes of all files are there. */
  onBytes: (bytes: number) => void
}

/** Files that one upload may have. */
const MOST = 1000

/**
 * Writes the files of a form into a folder, one chunk after the other: the next one is asked for when the last is written.
 *
 * @throws JobError 413 above the limit, 507 when they cannot be written, and what the parts throw.
 */
export async function receive(
  parts: AsyncIterable<Part>,
  { folder, limit, onFile, onBytes }: ReceiveOptions,
): Promise<Received[]> {
  const files: Received[] = []
  const numbers = new Map<string, number>()
  let total = 0
  for await (const { file = '', content } of parts) {
    if (files.length === MOST) throw new JobError(413, `Expected at most ${MOST} files.`)
    const { name, handle } = await create(folder, fileName(file), numbers).catch(unwritable)
    onFile(name)
    const before = total
    try {
      for await (const chunk of content) {
        total += chunk.length
        if (total > limit) throw tooLarge(limit)
        await writeAll(handle, chunk).catch(unwritable)
        onBytes(total)
      }
    } finally {
      await handle.close()
    }
    files.push({ name, size: total - before })
  }
  return files
}

/** The refusal of what is larger than `limit` bytes. */
export function tooLarge(limit: number): JobError {
  return new JobError(
    413,
    `The upload is larger than ${size(limit)}, which is the most that is taken.`,
  )
}

/**
 * The name under which a sent file is kept: the last part of it, without control characters, of at most 200 bytes. Whatever
 * was sent, it is one entry of the folder that it is put into.
 */
export function fileName(sent: string): string {
  const last = sent.toWellFormed().split(/[/\\]/).at(-1) ?? ''
  const name = shortened(last.replace(/[\p{Cc}\u2028\u2029]/gu, '_'), 200)
  return name === '' || name === '.' || name === '..' ? 'upload' : name
}

/** Without the middle, so that its ending stays. */
function shortened(name: string, bytes: number): string {
  const points = [...name]
  let from = Math.floor(points.length / 2)
  let to = from
  let excess = Buffer.byteLength(name) - bytes
  while (excess > 0) {
    const point = from > points.length - to ? points[--from] : points[to++]
    excess -= Buffer.byteLength(point ?? '')
  }
  return [...points.slice(0, from), ...points.slice(to)].join('')
}

/** A new file; a name that is taken gets a number, from the one on that is next for it. Nothing that is there is opened. */
async function create(
  folder: string,
  name: string,
  numbers: Map<string, number>,
): Promise<{ name: string; handle: FileHandle }> {
  for (let n = numbers.get(name) ?? 1; ; n++) {
    const numbered = n === 1 ? name : name.replace(/(?=\.[^.]*$)|$/, ` (${n})`)
    try {
      const handle = await open(join(folder, numbered), 'wx')
      numbers.set(name, n + 1)
      return { name: numbered, handle }
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || n > MOST) throw error
    }
  }
}

/** A write may take less than it was given. */
async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let from = 0; from < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, from)
    from += bytesWritten
  }
}

function unwritable(error: unknown): never {
  throw new JobError(507, `The upload cannot be written: ${faultOf(error)}.`, { cause: error })
}
