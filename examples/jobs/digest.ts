import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import { GZIP_LEVEL, GzipSize } from './gzip-size'

/** The figures of one file. */
export interface Digest {
  /** Bytes that were read. */
  size: number
  /** Hexadecimal. */
  sha256: string
  /** Bytes after gzip. */
  gzip: number
  /** Newline bytes. */
  lines: number
}

/** How much of a file is in memory at once, in bytes; a smaller file is compressed in one go. */
export const CHUNK = 1024 * 1024

// One for the whole thread: a worker has one file in work.
const buffer = Buffer.alloc(CHUNK)

/**
 * Reads a file once and returns its figures, or `undefined` when the signal came first.
 *
 * @throws the error of the system call that failed.
 */
export async function digest(
  path: Buffer,
  { signal, onRead }: { signal: AbortSignal; onRead: (bytes: number) => void },
): Promise<Digest | undefined> {
  // Since it was listed, the file may have become a link out of the folder, or a pipe whose open would wait for ever.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(path, flags)
  const gzip = new GzipSize()
  try {
    if (!(await file.stat()).isFile()) throw new Error('it is no regular file any more')
    const hash = new Bun.CryptoHasher('sha256')
    let size = 0
    let lines = 0
    for (;;) {
      if (signal.aborted) return undefined
      const chunk = await fill(file)
      const isLast = chunk.length < CHUNK
      hash.update(chunk)
      lines += countNewlines(chunk)
      const isWhole = isLast && size === 0
      size += chunk.length
      onRead(size)
      if (isWhole) {
        const small = gzipSync(chunk, { level: GZIP_LEVEL }).length
        return { size, sha256: hash.digest('hex'), gzip: small, lines }
      }
      await gzip.write(chunk)
      if (isLast) return { size, sha256: hash.digest('hex'), gzip: await gzip.end(), lines }
    }
  } finally {
    gzip.close()
    await file.close()
  }
}

/** Reads until the buffer is full or the file ends: a read may return less than there is, and a size may be a lie (`/proc`). */
async function fill(file: FileHandle): Promise<Buffer> {
  let length = 0
  while (length < CHUNK) {
    const { bytesRead } = await file.read(buffer, length, CHUNK - length, null)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}

function countNewlines(chunk: Uint8Array): number {
  let count = 0
  for (let i = 0; i < chunk.length; i++) if (chunk[i] === 10) count++
  return count
}
