import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { checkFolder, defaultFolders } from './folders'

/** What the program is started with. */
export interface Options {
  /** 0 is any free port. */
  port: number
  /** Real paths. */
  folders: string[]
  /** A file, or `:memory:`. */
  database: string
  /** Jobs that run at the same time. @default the number of processors, 1 to 4 */
  workers?: number | undefined
  /** Where uploaded files are kept. @default beside the database */
  uploads?: string | undefined
  /** Bytes of one upload. @default 4 GB */
  uploadLimit?: number | undefined
}

/** What the arguments ask for: to run, or to print a text and exit with a code. */
export type Parsed = { options: Options } | { text: string; code: 0 | 2 }

export const HELP = `Works through the files of folders and shows it live.

Usage: bun run demo -- [options]

  --port N          listen on this port (a free one unless given)
  --folder DIR      work through this folder; may be given several times
                    (the packages in node_modules unless given)
  --database FILE   keep the jobs in this file (jobs.db unless given)
  --workers N       run N jobs at the same time (as many as there are
                    processors, at most 4, unless given)
  --uploads DIR     keep uploaded files in this folder, which is made when
                    the first one comes (jobs.db.uploads unless given)
  --upload-limit N  take uploads of at most N megabytes (4000 unless given)
  --help            print this

Behind a proxy: HOSTS=name,name in the environment are names under which
it answers too; else it does so under those of this machine only.
`

/** Reads the arguments after the program's name; what is wrong with them is one sentence and code 2. */
export async function parseOptions(args: readonly string[]): Promise<Parsed> {
  try {
    const { values } = parseArgs({ args: [...args], options: FLAGS, strict: true })
    if (values.help) return { text: HELP, code: 0 }
    const database = await checkDatabase(values.database ?? 'jobs.db')
    const port = checkPort(values.port ?? '0')
    const workers = values.workers === undefined ? undefined : checkWorkers(values.workers)
    const uploads = values.uploads === undefined ? undefined : checkUploads(values.uploads)
    const limit = values['upload-limit']
    const uploadLimit = limit === undefined ? undefined : checkLimit(limit)
    const given = await Promise.all(values.folder?.map(checkFolder) ?? [])
    const folders = values.folder ? [...new Set(given)] : await defaultFolders()
    return { options: { port, folders, database, workers, uploads, uploadLimit } }
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split('\n')
    return { text: `${reason} Try --help.\n`, code: 2 }
  }
}

/** As {@link parseOptions}, but prints and ends the process where there is nothing to run. */
export async function optionsOrExit(args: readonly string[] = Bun.argv.slice(2)): Promise<Options> {
  const parsed = await parseOptions(args)
  if ('options' in parsed) return parsed.options
  if (parsed.code === 0) process.stdout.write(parsed.text)
  else process.stderr.write(parsed.text)
  process.exit(parsed.code)
}

const FLAGS = {
  port: { type: 'string' },
  folder: { type: 'string', multiple: true },
  database: { type: 'string' },
  workers: { type: 'string' },
  uploads: { type: 'string' },
  'upload-limit': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

function checkPort(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new TypeError(
    `Expected --port to be a number from 0 to 65535, got ${JSON.stringify(text)}.`,
  )
}

function checkWorkers(text: string): number {
  const workers = Number(text)
  if (/^\d{1,2}$/.test(text) && workers >= 1) return workers
  throw new TypeError(
    `Expected --workers to be a number from 1 to 99, got ${JSON.stringify(text)}.`,
  )
}

function checkUploads(folder: string): string {
  if (folder === '') throw new TypeError('Expected --uploads to be a folder, got nothing.')
  return resolve(folder)
}

/** In bytes. */
function checkLimit(text: string): number {
  const megabytes = Number(text)
  if (/^\d{1,7}$/.test(text) && megabytes >= 1) return megabytes * 1e6
  throw new TypeError(
    `Expected --upload-limit to be a number from 1 to 9999999, got ${JSON.stringify(text)}.`,
  )
}

async function checkDatabase(file: string): Promise<string> {
  if (file === ':memory:') return file
  if (file === '') throw new TypeError('Expected --database to be a file, got nothing.')
  const path = resolve(file)
  const isFolder = (path: string) =>
    stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    )
  if (await isFolder(path))
    throw new TypeError(`Expected --database to be a file, got the folder ${file}.`)
  if (!(await isFolder(dirname(path)))) {
    throw new TypeError(`There is no folder ${dirname(path)} for --database.`)
  }
  return path
}
