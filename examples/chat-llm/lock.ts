import { Database } from 'bun:sqlite'
import { realpathSync } from 'node:fs'

/** Kept open: what is collected would let go. */
let held: Database | undefined

/**
 * Takes the file of a database for this process, until it ends in whatever way: what holds is a lock of the system on an
 * empty database beside it.
 *
 * @param file that exists, or `:memory:`, which nobody else can have
 * @returns false while another process has it
 */
export function lock(file: string): boolean {
  if (file === ':memory:') return true
  // Two names of one file are one.
  held = new Database(`${realpathSync(file)}.lock.db`, { create: true })
  try {
    held.run('begin exclusive')
    return true
  } catch (error) {
    if ((error as { code?: string }).code === 'SQLITE_BUSY') return false
    throw error
  }
}
