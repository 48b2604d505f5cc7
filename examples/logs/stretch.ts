/**
 * A file for as long as it only grows: where its lines are, and how to read them again.
 *
 * One that is truncated or replaced goes on as another stretch, whose numbers follow.
 */
import type { FileHandle } from 'node:fs/promises'

/** A line with its number. */
export interface Numbered {
  n: number
  text: string
}

/** Where a line begins, in bytes. */
interface Place {
  n: number
  at: number
}

const newline = 10
/** Bytes that are read at a time. */
const chunk = 64 * 1024
/** Further back one line is not looked for, in bytes. */
const furthest = 4 * 1024 * 1024
/** A place is noted after so many lines or bytes, whichever is first. */
const apart = { lines: 256, bytes: 64 * 1024 }

/** What is known of where lines are. It takes little: one place for 256 lines. */
export class Stretch {
  readonly handle: FileHandle
  /** Oldest first. Between two of them all lines end with a line break, but the last. */
  #places: Place[]
  /** Where the next line begins. */
  #end: Place
  /** What was asked for last. */
  #asked: Promise<unknown> = Promise.resolve()

  constructor(handle: FileHandle, { n, at }: Place) {
    this.handle = handle
    this.#places = [{ n, at }]
    this.#end = { n, at }
  }

  /** The number of the first line that is known of. */
  get first(): number {
    return this.#places[0]?.n as number
  }

  /** Where the next line begins. */
  get end(): Readonly<Place> {
    return this.#end
  }

  /** Notes lines that were read on. @param isPiece whether it is one without its end, or such a line's rest */
  add(lines: number, bytes: number, isPiece = false): void {
    const last = this.#places.at(-1) as Place
    const { n, at } = this.#end
    if (isPiece || n - last.n >= apart.lines || at - last.at >= apart.bytes) this.#note()
    this.#end = { n: n + lines, at: at + bytes }
    if (isPiece) this.#note()
  }

  /** Lines before that one, at most so many, oldest first. */
  before(n: number, count: number): Promise<Numbered[]> {
    // One after the other: each may find earlier places.
    const lines = this.#asked.then(() => this.#before(n, count))
    this.#asked = lines.catch(() => {})
    return lines
  }

  async #before(n: number, count: number): Promise<Numbered[]> {
    const to = Math.min(n, this.#end.n)
    for (let tries = 0; tries < 4 && to - count < this.first; tries++) {
      if (!(await this.#goBack(count))) break
    }
    const from = Math.max(to - count, this.first)
    if (from >= to) return []
    const begin = this.#places.findLastIndex((place) => place.n <= from)
    const places = [...this.#places.slice(begin), this.#end]
    const lines: Numbered[] = []
    for (const [i, place] of places.entries()) {
      const next = places[i + 1]
      if (!next || place.n >= to) break
      lines.push(...(await this.#read(place, next)))
    }
    return lines.filter((line) => line.n >= from && line.n < to)
  }

  #note(): void {
    if (this.#places.at(-1)?.at !== this.#end.at) this.#places.push(this.#end)
  }

  /** Finds an earlier place, so many lines back if there are; false where the file begins. */
  async #goBack(count: number): Promise<boolean> {
    const [{ n, at } = { n: 0, at: 0 }] = this.#places
    if (at === 0) return false
    let found = 0
    let from = at
    while (from > 0 && at - from < furthest) {
      const begin = Math.max(0, from - chunk)
      const bytes = await readAt(this.handle, begin, from - begin)
      // The break before the first known line is the end of the one before it.
      let i = from === at ? bytes.length - 1 : bytes.length
      for (;;) {
        i = i > 0 ? bytes.lastIndexOf(newline, i - 1) : -1
        if (i < 0) break
        if (++found === count) {
          this.#places.unshift({ n: n - count, at: begin + i + 1 })
          return true
        }
      }
      from = begin
    }
    // One line reaches from there to the first break.
    this.#places.unshift({ n: n - found - 1, at: from })
    return true
  }

  async #read({ n, at }: Place, next: Place): Promise<Numbered[]> {
    const bytes = await readAt(this.handle, at, next.at - at)
    const texts = textOf(bytes).split('\n')
    if (bytes.at(-1) === newline) texts.pop()
    return texts.map((text, i) => ({ n: n + i, text }))
  }
}

/** So many bytes from there, or fewer where the file ends. */
export async function readAt(
  handle: FileHandle,
  position: number,
  length: number,
): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** What is no UTF-8 becomes U+FFFD; nothing else changes. */
export function textOf(bytes: Buffer): string {
  return bytes.toString('utf8')
}

/** Line breaks before a position. */
export async function countLines(handle: FileHandle, to: number): Promise<number> {
  let count = 0
  for (let at = 0; at < to; at += 16 * chunk) {
    const bytes = await readAt(handle, at, Math.min(16 * chunk, to - at))
    for (let i = bytes.indexOf(newline); i >= 0; i = bytes.indexOf(newline, i + 1)) count++
  }
  return count
}

/** Where the last whole line of a file of that length ends, or 0. */
export async function endOfLines(handle: FileHandle, size: number): Promise<number> {
  let to = size
  while (to > 0 && size - to < furthest) {
    const from = Math.max(0, to - chunk)
    const bytes = await readAt(handle, from, to - from)
    const at = bytes.lastIndexOf(newline)
    if (at >= 0) return from + at + 1
    to = from
  }
  return to
}
