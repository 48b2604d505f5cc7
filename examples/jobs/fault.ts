import { stat } from 'node:fs/promises'
import { getSystemErrorMessage } from 'node:util'

/** The folder of a job cannot be worked through any more; the message is a sentence for people. */
export class FolderLost extends Error {
  override name = 'FolderLost'
}

/** What went wrong with a file, for people: "no such file or directory (ENOENT)". */
export function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, errno } = error as NodeJS.ErrnoException
  if (code === undefined || errno === undefined) return error.message
  return `${getSystemErrorMessage(errno)} (${code})`
}

/** The `code` of a failed system call. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}

/** Throws {@link FolderLost} unless the folder is there. */
export async function expectFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch((error: unknown) => {
    throw lost(folder, error)
  })
  if (!found.isDirectory()) throw new FolderLost(`The folder ${folder} is no folder any more.`)
}

/** The sentence for a folder that failed with `error`. */
export function lost(folder: string, error: unknown): FolderLost {
  const code = codeOf(error)
  const gone = code === 'ENOENT' || code === 'ENOTDIR'
  return new FolderLost(
    gone
      ? `The folder ${folder} is gone.`
      : `The folder ${folder} cannot be read: ${faultOf(error)}.`,
    { cause: error },
  )
}
