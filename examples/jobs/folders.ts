import { constants } from 'node:fs'
import { access, readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf, faultOf } from './fault'
import { JobError } from './job'

/**
 * The real path of a folder that can be listed.
 *
 * @throws JobError 404 when it is not there, 400 when it is no folder or not readable.
 */
export async function checkFolder(folder: string): Promise<string> {
  if (folder.trim() === '') throw new JobError(400, 'Expected the path of a folder, got nothing.')
  if (folder.includes('\0')) {
    throw new JobError(400, 'Expected the path of a folder, got one with a NUL character.')
  }
  try {
    const path = await realpath(folder)
    if (!(await stat(path)).isDirectory()) throw new JobError(400, `${folder} is not a folder.`)
    await access(path, constants.R_OK | constants.X_OK)
    return path
  } catch (cause) {
    if (cause instanceof JobError) throw cause
    if (codeOf(cause) === 'ENOENT') throw new JobError(404, `There is no folder ${folder}.`)
    throw new JobError(400, `The folder ${folder} cannot be read: ${faultOf(cause)}.`, { cause })
  }
}

/** What a folder is called: its last part, `@scope/name` for a scoped package. */
export function nameOf(folder: string): string {
  const name = basename(folder) || folder
  const scope = basename(dirname(folder))
  return scope.startsWith('@') ? `${scope}/${name}` : name
}

/**
 * The real paths of the packages in the project's own `node_modules`, ordered by name.
 *
 * @param root the folder that holds `node_modules`. @default this project
 */
export async function defaultFolders(
  root: string = join(import.meta.dir, '..', '..'),
): Promise<string[]> {
  const top = join(root, 'node_modules')
  const names = await entries(top)
  const packages = await Promise.all(
    names.map(async (name) =>
      name.startsWith('@')
        ? (await entries(join(top, name))).map((inner) => join(name, inner))
        : [name],
    ),
  )
  const paths = await Promise.all(packages.flat().map((name) => folderAt(join(top, name))))
  return [...new Set(paths.filter((path) => path !== undefined))]
}

/** The names in a folder, without `.bin` and the like. */
async function entries(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter((name) => !name.startsWith('.')).sort()
}

/** A dangling link or a file beside the packages is left out. */
async function folderAt(path: string): Promise<string | undefined> {
  return checkFolder(path).catch(() => undefined)
}
