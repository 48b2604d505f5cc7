import type { FileResult, StoredJob } from './job'

const number = new Intl.NumberFormat('en')

/** The line of a file that was read. */
export function aboutFile({ path, size, sha256, gzip, lines, error }: FileResult): string {
  if (error !== null) return `${shown(path)}: ${error}`
  const [bytes, packed, newlines] = [size, gzip, lines].map((figure) => number.format(figure ?? 0))
  return `${shown(path)}: ${bytes} bytes, ${newlines} lines, gzip ${packed}, sha256 ${sha256?.slice(0, 12)}…`
}

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
