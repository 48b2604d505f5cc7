/** How much a line matters, by what it says itself. */
export type Level = 'error' | 'warn' | 'info' | 'debug'

const words: Record<string, Level> = {
  fatal: 'error',
  panic: 'error',
  critical: 'error',
  error: 'error',
  err: 'error',
  warning: 'warn',
  warn: 'warn',
  notice: 'info',
  info: 'info',
  debug: 'debug',
  trace: 'debug',
  verbose: 'debug',
}
const word = new RegExp(`(?<![\\w/.-])(?:${Object.keys(words).join('|')})(?![\\w/-])`, 'gi')
/** Where a level may stand, in characters: behind a time, a host and a name. */
const beginning = 64

/**
 * The level that a line says itself: with its first word, or near its beginning with one in capitals, in brackets, before a
 * colon, or as a value (`level=warn`, `"level":"warn"`).
 */
export function levelOf(line: string): Level | undefined {
  for (const found of line.slice(0, beginning).matchAll(word)) {
    const [name] = found
    const before = line.slice(0, found.index)
    const isMarked =
      name === name.toUpperCase() ||
      /(?:[[(<|="']|: )$/.test(before) ||
      /^[\])>|:]/.test(line.slice(found.index + name.length)) ||
      !/\p{L}{2}/u.test(before)
    if (isMarked) return words[name.toLowerCase()]
  }
  return undefined
}
