/** What is flushed at the end of its window. */
export interface Flushed {
  flush(): void
}

/** Windows that end so soon after another are ended with it, in milliseconds. */
const near = 2

const ends = new Map<Flushed, number>()
let timer: Timer | undefined
let next = Number.POSITIVE_INFINITY

/**
 * Has something flushed after so many milliseconds, once. Whatever is due then is flushed in one turn, so that the
 * tokens of a hundred streams are one transaction.
 */
export function flushAfter(one: Flushed, delay: number): void {
  const end = performance.now() + delay
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
  timer = setTimeout(flush, Math.max(0, end - performance.now()))
}

function flush(): void {
  const now = performance.now() + near
  next = Number.POSITIVE_INFINITY
  let earliest = Number.POSITIVE_INFINITY
  for (const [one, end] of ends) {
    if (end > now) earliest = Math.min(earliest, end)
    else {
      ends.delete(one)
      one.flush()
    }
  }
  if (earliest < next) wait(earliest)
}
