import { longestTimer } from './timers'

/** What is flushed at the end of its window. */
export interface Flushed {
  /** Must not throw: others wait behind it. */
  flush(): unknown
}

/** How long after some windows have ended others do not, in milliseconds: they end together. */
const pause = 4

/** @throws TypeError for a window that is no number of milliseconds. */
export function checkWindow(window: number): number {
  if (window >= 0 && window <= longestTimer) return window
  throw new TypeError(`Expected milliseconds from 0 to ${longestTimer} as window, got ${window}`)
}

const ends = new Map<Flushed, number>()
let timer: Timer | undefined
let next = Number.POSITIVE_INFINITY
let flushedAt = Number.NEGATIVE_INFINITY

/**
 * Has something flushed at a point of time, in that of `performance.now`, once. Whatever is due then is flushed in one turn, so that the
 * tokens of a hundred streams are one transaction.
 */
export function flushAt(one: Flushed, end: number): void {
  ends.set(one, end)
  if (end < next) wait(end)
}

/** Forgets what was planned for it. */
export function forgetFlush(one: Flushed): void {
  ends.delete(one)
}

function wait(end: number): void {
  clearTimeout(timer)
  next = end
  const at = Math.max(end, flushedAt + pause)
  timer = setTimeout(flush, Math.max(0, at - performance.now()))
}

function flush(): void {
  const now = performance.now()
  flushedAt = now
  next = Number.POSITIVE_INFINITY
  let earliest = Number.POSITIVE_INFINITY
  const due: Flushed[] = []
  for (const [one, end] of ends) {
    if (end > now) earliest = Math.min(earliest, end)
    else due.push(one)
  }
  if (earliest < next) wait(earliest)
  for (const one of due) {
    ends.delete(one)
    one.flush()
  }
}
