/**
 * How long to wait before the next try: a random time, so that those who were cut together do not come back together.
 * Full jitter from 500 ms (or `base`, if that is less) to `base` doubled with each attempt, 30 s at the most.
 *
 * @param attempt how often it was tried in vain before, from 0 on
 * @param base in milliseconds
 */
export function backoff(attempt: number, base: number): number {
  const least = Math.min(500, base)
  return least + Math.random() * (Math.min(30_000, base * 2 ** attempt) - least)
}
