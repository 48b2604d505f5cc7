/**
 * Follows a file as `tail -F` does: what is appended, through rotation (it is renamed, and another takes its name) and
 * truncation. Each byte is shown once.
 */
import { type FSWatcher, watch } from 'node:fs'
import { type FileHandle, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { countLines, endOfLines, type Numbered, readAt, Stretch, textOf } from './stretch'

/** What a file is doing; `gone` while nothing has its name. */
export type Following = 'following' | 'gone' | 'refused'

/** What is followed, and who is told. */
export interface TailOptions {
  path: string
  /** Opens what has its name now. @throws where that may not be read */
  open: () => Promise<FileHandle>
  onLines: (lines: Numbered[]) => void
  onChange?: ((following: Following) => void) | undefined
  /** How many lines it begins with. @default 200 */
  last?: number | undefined
  /** After so many milliseconds an unfinished line is shown as it is. @default 500 */
  patience?: number | undefined
  /** For so long a file that was renamed may still be written to, in milliseconds. @default 1000 */
  grace?: number | undefined
  /** After so many it is left, though it is written to still. @default 5000 */
  latest?: number | undefined
}

const newline = 10
/** Bytes that are read at a time, and of an unfinished line that are waited with. */
const chunk = 256 * 1024
const longest = 64 * 1024
/** Up to this size lines are counted, so that numbers are the file's. */
const countable = 64 * 1024 * 1024
/** The file is looked at so often where the system tells nothing, in milliseconds. */
const pulse = 200
/** Of replaced files so many can still be read backwards, and of those that have taken the name so many wait. */
const most = 3
/** Bytes before the position that must be as they were. */
const remembered = 64

/** A file that is followed. */
export class Tail {
  #options: TailOptions
  #patience: number
  #grace: number
  #latest: number
  /** What was read, oldest first; the last is being read. */
  #stretches: Stretch[] = []
  /** Files that have taken the name since, oldest first. */
  #next: { handle: FileHandle; ino: number }[] = []
  /** Since when another file has the name. */
  #renamedAt = 0
  #ino = 0
  /** Behind what was shown: an unfinished line, and when it grew last. */
  #rest: Buffer = Buffer.alloc(0)
  #grewAt = 0
  /** The bytes before the position, to see whether they are the same still. */
  #mark: Buffer = Buffer.alloc(0)
  #following: Following = 'following'
  #watcher: FSWatcher | undefined
  /** Whether the system has told of something since it was looked at. */
  #isTold = false
  #wake = () => {}
  #isOver = false
  #isClosed = false
  #running: Promise<void> = Promise.resolve()

  private constructor(options: TailOptions) {
    this.#options = options
    this.#patience = options.patience ?? 500
    this.#grace = options.grace ?? 1_000
    this.#latest = options.latest ?? 5_000
  }

  /** Begins with the newest lines, however long the file is. */
  static async start(options: TailOptions): Promise<Tail> {
    const tail = new Tail(options)
    await tail.#begin()
    tail.#running = tail.#run()
    return tail
  }

  /** Whether it lets go of the files, or has. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Lines before that one, at most so many, oldest first; none where nothing can be read any more. */
  async before(n: number, count: number): Promise<Numbered[]> {
    for (const stretch of this.#stretches.toReversed()) {
      const lines = await stretch.before(n, count)
      if (lines.length > 0) return lines
    }
    return []
  }

  /** Reads what is there still, and follows no longer. What was read can be read again until it is closed. */
  finish(): Promise<void> {
    this.#isOver = true
    this.#wake()
    this.#running = this.#running.then(() => this.#readOn())
    return this.#running
  }

  /** Lets go of the files. */
  async close(): Promise<void> {
    this.#isOver = this.#isClosed = true
    this.#wake()
    await this.#running
    const handles = new Set(this.#stretches.map(({ handle }) => handle))
    for (const { handle } of this.#next) handles.add(handle)
    this.#stretches = []
    this.#next = []
    await Promise.all([...handles].map((handle) => handle.close()))
  }

  async #begin(): Promise<void> {
    const { open, last = 200, onLines } = this.#options
    const handle = await open()
    try {
      const { size, ino } = await handle.stat()
      this.#ino = ino
      const at = await endOfLines(handle, size)
      const counted = size <= countable ? await countLines(handle, at) : 0
      const stretch = new Stretch(handle, { n: counted + 1, at })
      this.#stretches.push(stretch)
      await this.#remember()
      const lines = await stretch.before(counted + 1, last)
      if (lines.length > 0) onLines(lines)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async #run(): Promise<void> {
    try {
      // Of the folder, which is told of renaming too.
      this.#watcher = watch(dirname(this.#options.path), { persistent: false }, () => {
        this.#isTold = true
        this.#wake()
      })
      this.#watcher.on('error', () => {})
    } catch {
      // Then it is looked at again and again.
    }
    try {
      while (!this.#isOver) if (!(await this.#step())) await this.#pause()
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#watcher?.close()
    }
  }

  async #readOn(): Promise<void> {
    try {
      while (!this.#isClosed && (await this.#read())) {}
      if (!this.#isClosed) this.#showRest()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** It is followed no longer. */
  #fail(error: unknown): void {
    console.error(`${this.#options.path}:`, error)
    this.#say('refused')
  }

  /** Whether there may be more at once. */
  async #step(): Promise<boolean> {
    this.#isTold = false
    await this.#look()
    const isLate = this.#isLate()
    if (!isLate && (await this.#read())) return true
    const quiet = performance.now() - this.#grewAt
    if (this.#rest.length > 0 && quiet > this.#patience) this.#showRest()
    if (this.#next.length === 0 || (!isLate && quiet < this.#grace)) return false
    await this.#replace()
    return true
  }

  /** Whether the renamed file has been waited with for long enough. */
  #isLate(): boolean {
    const { length } = this.#next
    return length > most || (length > 0 && performance.now() - this.#renamedAt > this.#latest)
  }

  /** Whether another file has the name. */
  async #look(): Promise<void> {
    const { open, path } = this.#options
    const newest = this.#next.at(-1)?.ino ?? this.#ino
    try {
      const { ino } = await stat(path)
      if (ino !== newest || this.#following === 'refused') {
        const handle = await open()
        const opened = (await handle.stat()).ino
        if (opened === newest) await handle.close()
        else {
          // What it was followed by is waited for from here on.
          if (this.#next.length === 0) this.#grewAt = this.#renamedAt = performance.now()
          this.#next.push({ handle, ino: opened })
        }
      }
      this.#say('following')
    } catch (error) {
      this.#say((error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'refused')
    }
  }

  /** How far the file was read, in bytes. */
  get #position(): number {
    return (this.#stretches.at(-1) as Stretch).end.at + this.#rest.length
  }

  /** Shows what has come; whether anything has. */
  async #read(): Promise<boolean> {
    const stretch = this.#stretches.at(-1) as Stretch
    const { handle } = stretch
    const position = this.#position
    const { size } = await handle.stat()
    if (size === position) return false
    const from = position - this.#mark.length
    const bytes = await readAt(handle, from, this.#mark.length + chunk)
    // Of one that is shorter there are not as many.
    if (!bytes.subarray(0, this.#mark.length).equals(this.#mark)) {
      this.#truncated(stretch)
      return true
    }
    const more = bytes.subarray(this.#mark.length)
    if (more.length === 0) return false
    this.#take(more)
    this.#mark = Buffer.from(bytes.subarray(-remembered))
    return true
  }

  #take(more: Buffer): void {
    this.#grewAt = performance.now()
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, more]) : more
    const end = bytes.lastIndexOf(newline) + 1
    this.#rest = Buffer.from(bytes.subarray(end))
    if (end > 0) {
      const texts = textOf(bytes.subarray(0, end)).split('\n')
      texts.pop()
      this.#show(texts, end)
    }
    if (this.#rest.length > longest) this.#showRest()
  }

  #show(texts: string[], bytes: number, isPiece = false): void {
    const stretch = this.#stretches.at(-1) as Stretch
    const { n } = stretch.end
    stretch.add(texts.length, bytes, isPiece)
    this.#options.onLines(texts.map((text, i) => ({ n: n + i, text })))
  }

  /** Shows a line without its end; what follows of it will be a line of its own. */
  #showRest(): void {
    const length = wholeLength(this.#rest)
    if (length === 0) return
    const piece = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    this.#show([textOf(piece)], length, true)
  }

  /** It was made shorter, or written anew: what was in it can not be read again. */
  #truncated(stretch: Stretch): void {
    this.#showRest()
    const { n } = stretch.end
    this.#stretches = this.#stretches.filter(({ handle }) => handle !== stretch.handle)
    this.#stretches.push(new Stretch(stretch.handle, { n, at: 0 }))
    this.#rest = Buffer.alloc(0)
    this.#mark = Buffer.alloc(0)
  }

  /** Goes on with the file that has taken the name, behind all that is in the renamed one by now. */
  async #replace(): Promise<void> {
    const next = this.#next.shift()
    if (!next) return
    this.#renamedAt = performance.now()
    const { size } = await (this.#stretches.at(-1) as Stretch).handle.stat()
    while (this.#position < size && !this.#isOver && (await this.#read())) {}
    this.#showRest()
    const { n } = (this.#stretches.at(-1) as Stretch).end
    this.#stretches.push(new Stretch(next.handle, { n, at: 0 }))
    this.#ino = next.ino
    this.#rest = Buffer.alloc(0)
    this.#mark = Buffer.alloc(0)
    const old = this.#stretches.splice(0, Math.max(0, this.#stretches.length - 1 - most))
    await Promise.all(old.map(({ handle }) => handle.close()))
  }

  async #remember(): Promise<void> {
    const { handle, end } = this.#stretches.at(-1) as Stretch
    const from = Math.max(0, end.at - remembered)
    this.#mark = await readAt(handle, from, end.at - from)
  }

  /** Until the system tells of a change, or for a pulse. */
  #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, pulse)
    this.#wake = resolve
    if (this.#isOver || this.#isTold) resolve()
    return promise.finally(() => clearTimeout(timer))
  }

  #say(following: Following): void {
    if (following === this.#following) return
    this.#following = following
    this.#options.onChange?.(following)
  }
}

/** Without a character that is not complete: at most three bytes of one. */
function wholeLength(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number
    if (byte < 0x80) break
    if (byte < 0xc0) continue
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    return needed > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}
