import { createGzip, type Gzip } from 'node:zlib'

/** zlib's default; the size of a file depends on it. */
export const GZIP_LEVEL = 6

/** Counts what gzip makes of a stream, without keeping it; nothing is opened until the first write. */
export class GzipSize {
  #gzip: Gzip | undefined
  #size = 0
  #ended = Promise.withResolvers<number>()

  /** Resolves when the chunk has been read, so that its memory may be used again. */
  write(chunk: Uint8Array): Promise<void> {
    const gzip = this.#open()
    return new Promise((resolve, reject) => {
      gzip.write(chunk, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** The size of the whole, in bytes. */
  end(): Promise<number> {
    this.#open().end()
    return this.#ended.promise
  }

  /** Frees the memory of zlib. */
  close(): void {
    this.#gzip?.destroy()
  }

  #open(): Gzip {
    if (this.#gzip) return this.#gzip
    const gzip = createGzip({ level: GZIP_LEVEL })
    gzip.on('data', (part: Buffer) => {
      this.#size += part.length
    })
    gzip.on('end', () => this.#ended.resolve(this.#size))
    gzip.on('error', (error) => this.#ended.reject(error))
    // A failing write says so itself; without this it would be an unhandled rejection as well.
    this.#ended.promise.catch(() => {})
    this.#gzip = gzip
    return gzip
  }
}
