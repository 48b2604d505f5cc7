/** The data of an event as `load/readers.c` reads it: `#<number> <microseconds> <length> xxx…`. */

const header = '#0000000000 0000000000000000 000000 '.length

/** Microseconds since 1970. `process.hrtime` begins with the process, so it says nothing to another one. */
export function epochTime(): number {
  return (performance.timeOrigin + performance.now()) * 1_000
}

/** What comes after number and time in an event of so many bytes: its length, and x. */
export function filling(bytes: number): string {
  if (!(bytes > header && bytes < 1e6)) {
    throw new RangeError(`Expected an event of ${header + 1} to 999,999 bytes, got ${bytes}`)
  }
  return `${String(bytes).padStart(6, '0')} ${'x'.repeat(bytes - header)}`
}

/** @param at microseconds since 1970 */
export function eventData(number: number, at: number, rest: string): string {
  return `#${String(number).padStart(10, '0')} ${Math.floor(at)} ${rest}`
}
