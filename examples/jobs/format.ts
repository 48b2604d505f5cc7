/** Figures as people read them. */

const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** `12.3 MB`, and bytes whole: `512 B`. */
export function size(bytes: number): string {
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`
}

/** `12,345`. */
export function count(number: number): string {
  return whole.format(number)
}

/** `12.3 MB/s`, always in megabytes, so that a column can be compared. */
export function rate(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`
}

/** A time to come, rounded up: `1 h 5 min`, `2 min 5 s`, `12 s`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(1, Math.ceil(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

/** A time that was taken, short ones exactly: `30 ms`, `1.2 s`, then as {@link duration}. */
export function elapsed(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 9_950) return `${(milliseconds / 1000).toFixed(1)} s`
  return duration(milliseconds)
}

/** `14:03:59`. */
export function time(at: number): string {
  return new Date(at).toTimeString().slice(0, 8)
}

/** A sentence with a long path in it, without the middle: what went wrong stands at its end. */
export function shortened(sentence: string): string {
  return sentence.length <= 200 ? sentence : `${sentence.slice(0, 100)}…${sentence.slice(-80)}`
}
