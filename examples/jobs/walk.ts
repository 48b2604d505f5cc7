import { lstat, readdir } from 'node:fs/promises'
import { codeOf, expectFolder, faultOf, lost } from './fault'

/** A regular file of a folder. */
export interface Found {
  /** Relative to the folder; bytes that are no UTF-8 are written `\xff`. */
  path: string
  /** The whole path, byte for byte: a name need not be UTF-8. */
  raw: Buffer
  /** Bytes when it was listed. */
  size: number
  /** Why it cannot be worked on, when listing it showed that. */
  error?: string
}

/**
 * Lists the regular files of a folder and of its subfolders, ordered by the bytes of the path.
 *
 * Symbolic links are skipped, so nothing outside of the folder is read; so is what is no regular file. A subfolder
 * that cannot be listed is one entry with an error and a `/` at its end. What vanishes during the listing is left out.
 *
 * @throws FolderLost when the folder itself is not there or not readable.
 */
export async function walk(folder: string, signal: AbortSignal): Promise<Found[]> {
  const found: Found[] = []
  const root = Buffer.from(folder)
  const names = await readdir(root, { encoding: 'buffer' }).catch((error: unknown) => {
    throw lost(folder, error)
  })
  await list(root, '', names, found, signal)
  // Seen from here, a folder that vanished in mid-listing is a folder with fewer files.
  await expectFolder(folder)
  return found.sort((a, b) => Buffer.compare(a.raw, b.raw))
}

async function list(
  folder: Buffer,
  prefix: string,
  names: Buffer[],
  found: Found[],
  signal: AbortSignal,
): Promise<void> {
  const entries = await Promise.all(names.map((name) => look(folder, prefix, name)))
  for (const entry of entries) {
    if (signal.aborted) return
    if (entry === undefined) continue
    if (!entry.isFolder) {
      found.push(entry.file)
      continue
    }
    const { path, raw } = entry.file
    const inner = await readdir(raw, { encoding: 'buffer' }).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') {
        found.push({ path: `${path}/`, raw, size: 0, error: faultOf(error) })
      }
      return []
    })
    await list(raw, `${path}/`, inner, found, signal)
  }
}

async function look(
  folder: Buffer,
  prefix: string,
  name: Buffer,
): Promise<{ file: Found; isFolder: boolean } | undefined> {
  const raw = Buffer.concat([folder, SLASH, name])
  const path = prefix + decode(name)
  try {
    const stats = await lstat(raw)
    if (!stats.isFile() && !stats.isDirectory()) return undefined
    return { file: { path, raw, size: stats.size }, isFolder: stats.isDirectory() }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    return { file: { path, raw, size: 0, error: faultOf(error) }, isFolder: false }
  }
}

const SLASH = Buffer.from('/')
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Two names that are no UTF-8 must not become the same path, as they would with U+FFFD. */
function decode(name: Buffer): string {
  try {
    return utf8.decode(name)
  } catch {
    return name
      .toString('latin1')
      .replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`)
  }
}
