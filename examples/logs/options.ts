import { delimiter } from 'node:path'
import { Folders } from './folders'

/** What the environment says. */
export interface Options {
  /** 0 is any free port. */
  port: number
  /** At least one of them is there. */
  folders: Folders
}

/**
 * Reads the environment: `PORT` (3000) and `FOLDERS` (/var/log), separated as in `PATH`. `HOSTS` is read where requests are
 * answered.
 *
 * @throws TypeError for a value that is none, in one sentence.
 */
export async function optionsOf(env: Record<string, string | undefined>): Promise<Options> {
  const port = portOf(env.PORT || '3000')
  const names = (env.FOLDERS || '/var/log').split(delimiter).filter((name) => name !== '')
  const folders = await Folders.of(names)
  if (folders.paths.length > 0) return { port, folders }
  throw new TypeError(
    `Expected FOLDERS to name folders that are there, got ${JSON.stringify(names.join(delimiter))}.`,
  )
}

function portOf(value: string): number {
  if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535) return Number(value)
  throw new TypeError(`Expected PORT to be a number from 0 to 65535, got ${JSON.stringify(value)}.`)
}
