import { faultOf } from './fault'
import * as format from './format'
import { type FileResult, JobError, type StoredJob } from './job'
import type { Received } from './receive'

const number = new Intl.NumberFormat('en')

const AGAIN = 'Upload it again.'

/** The line of a file that was read. */
export function aboutFile({ path, size, sha256, gzip, lines, error }: FileResult): string {
  if (error !== null) return `${shown(path)}: ${error}`
  const [bytes, packed, newlines] = [size, gzip, lines].map((figure) => number.format(figure ?? 0))
  return `${shown(path)}: ${bytes} bytes, ${newlines} lines, gzip ${packed}, sha256 ${sha256?.slice(0, 12)}…`
}

/** The line of an upload that is there. */
export function aboutUpload(files: readonly Received[], milliseconds: number): string {
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  const seconds = (milliseconds / 1000).toFixed(1)
  const what = files.length === 1 ? '1 file' : `${number.format(files.length)} files`
  return `Received ${what}, ${number.format(bytes)} bytes, ${seconds} s`
}

/** Why an upload is not there. What was received of it is removed. */
export function aboutBroken(error: unknown, received: number): string {
  if (error instanceof JobError) return error.message
  const isCut = error instanceof Error && error.name === 'AbortError'
  const reason = isCut ? 'the connection was closed' : faultOf(error)
  return `The upload broke off after ${format.size(received)}: ${reason}. ${AGAIN}`
}

/** Why an upload is not there that the program did not live to receive. */
export const aboutEnded = `The upload broke off: the program ended. ${AGAIN}`

/** The line with which a worker takes up a job. */
export function aboutStart({ filesDone, filesTotal, folder }: StoredJob): string {
  if (filesDone === 0) return `Started on ${shown(folder)}`
  return `Going on after ${number.format(filesDone)} of ${number.format(filesTotal)} files`
}

/** The line of a job that went through all of its files. */
export function aboutFinish({ filesDone, failedFiles, bytesDone, activeMs }: StoredJob): string {
  const seconds = (activeMs / 1000).toFixed(1)
  const figures = `${number.format(filesDone)} files, ${number.format(bytesDone)} bytes, ${seconds} s`
  return `Finished: ${figures}${failedFiles > 0 ? `, ${number.format(failedFiles)} not readable` : ''}`
}

/** What a job's row says of the files that could not be read. */
export function aboutFailed(failedFiles: number, first: FileResult): string {
  const named = aboutFile(first)
  if (failedFiles === 1) return `Not readable: ${named}`
  return `${number.format(failedFiles)} files are not readable, first ${named}`
}

/** A name may hold a newline; a line may not. */
function shown(name: string): string {
  return name.replace(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    JSON.stringify(character).slice(1, -1),
  )
}
