import { constants, type Dirent } from 'node:fs'
import { type FileHandle, open, readdir, realpath, stat } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import { Refusal } from './refusal'

/** A file that may be read. */
export interface OpenFile {
  handle: FileHandle
  /** Without links in it. */
  path: string
}

/** Files that are offered, and how deep they are looked for. */
const most = 500
const deepest = 3

/** The folders that may be read, with all that is in them, and nothing else. */
export class Folders {
  /** Real paths of those that are there. */
  readonly paths: readonly string[]
  /** Those that are not there, as they were given. */
  readonly missing: readonly string[]
  /** Under which a file may be asked for: some may lead through links. */
  readonly #names: readonly string[]

  private constructor(given: readonly { name: string; real: string | undefined }[]) {
    const found = given.filter(({ real }) => real !== undefined)
    this.paths = [...new Set(found.map(({ real }) => real as string))]
    this.missing = given.filter(({ real }) => real === undefined).map(({ name }) => name)
    this.#names = [...this.paths, ...found.map(({ name }) => resolve(name))]
  }

  /** Those that exist; a file that is one of them is missing, too. */
  static async of(names: readonly string[]): Promise<Folders> {
    const given = names.map(async (name) => ({ name, real: await realFolder(name) }))
    return new Folders(await Promise.all(given))
  }

  /**
   * Opens a file. Where a link leads is asked before it is opened, and again afterwards of what was opened.
   *
   * @throws Refusal for one that lies outside, that is none, or that can not be read.
   */
  async open(asked: string): Promise<OpenFile> {
    const path = await this.#within(asked)
    // Not blocking: a pipe would wait for somebody who writes to it.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const handle = await open(path, flags).catch((error) => {
      throw reasonOf(error, asked)
    })
    try {
      const opened = await handle.stat()
      const there = await stat(await this.#within(asked))
      if (!opened.isFile()) throw new Refusal(400, `${asked} is not a file.`)
      if (opened.ino !== there.ino || opened.dev !== there.dev) {
        throw new Refusal(409, `${asked} was replaced just now. Try again.`)
      }
      return { handle, path }
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Paths of files that can be chosen, in their order. */
  async list(): Promise<string[]> {
    const found: string[] = []
    for (const path of this.paths) await walk(path, deepest, found)
    return found.sort()
  }

  async #within(asked: string): Promise<string> {
    const outside = new Refusal(403, `${asked} is outside of the folders that may be read.`)
    // First by its name: nobody is to be told what exists elsewhere.
    if (asked.includes('\0') || !isWithin(this.#names, resolve(asked))) throw outside
    const path = await realpath(asked).catch((error) => {
      throw reasonOf(error, asked)
    })
    if (!isWithin(this.paths, path)) throw outside
    return path
  }
}

function isWithin(folders: readonly string[], path: string): boolean {
  return folders.some((folder) => path.startsWith(folder === sep ? sep : folder + sep))
}

async function realFolder(name: string): Promise<string | undefined> {
  try {
    const path = await realpath(name)
    return (await stat(path)).isDirectory() ? path : undefined
  } catch {
    return undefined
  }
}

function reasonOf(error: unknown, asked: string): Refusal {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') return new Refusal(403, `${asked} may not be read.`)
  if (code === 'ELOOP') return new Refusal(409, `${asked} was replaced just now. Try again.`)
  return new Refusal(404, `${asked} is not there.`)
}

async function walk(folder: string, depth: number, found: string[]): Promise<void> {
  const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    if (found.length >= most) return
    const path = join(folder, entry.name)
    if (entry.isFile()) found.push(path)
    else if (entry.isDirectory() && depth > 1) await walk(path, depth - 1, found)
  }
}
