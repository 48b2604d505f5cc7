/** Figures as people read them. */

const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const

const sizes = units.map(
  (unit, i) =>
    new Intl.NumberFormat('en', {
      style: 'unit',
      unit,
      unitDisplay: i === 0 ? 'narrow' : 'short',
      maximumFractionDigits: i === 0 ? 0 : 1,
      minimumFractionDigits: i === 0 ? 0 : 1,
    }),
)

/** `12.3 MB`. */
export function size(bytes: number): string {
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  return sizes[step]?.format(bytes / 1000 ** step) ?? String(bytes)
}

/** `12.3 MB/s`, always in megabytes, so that a column can be compared. */
export function rate(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`
}

/** `1 h 5 min`, `2 min 5 s`, `12 s`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(1, Math.ceil(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

/** `14:03:59`. */
export function time(at: number): string {
  return new Date(at).toTimeString().slice(0, 8)
}
