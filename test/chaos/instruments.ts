/**
 * What a server process of the chaos test has beside the engine: another time of day, and a count of its timers. Import
 * it before anything that reads the clock or sets a timer.
 */

type Set = (run: (...values: unknown[]) => void, ...rest: unknown[]) => unknown
type Clear = (timer: unknown) => void

const now = Date.now
let offset = 0
const pending = new Map<unknown, string>()
const globals = globalThis as unknown as Record<string, Set & Clear>

Date.now = () => now() + offset

/** From now on it is so many milliseconds later than it is. */
export function jump(by: number): void {
  offset = by
}

/** Timers and immediates that are set and have not fired for the last time. */
export function timers(): number {
  return pending.size
}

for (const name of ['Timeout', 'Interval', 'Immediate']) {
  const set = globals[`set${name}`] as Set
  const clear = globals[`clear${name}`] as Clear
  const counted: Set = (run, ...rest) => {
    const timer = set(
      (...values) => {
        if (name !== 'Interval') pending.delete(timer)
        run(...values)
      },
      ...rest,
    )
    pending.set(timer, name)
    return timer
  }
  globals[`set${name}`] = Object.assign(counted, set) as Set & Clear
  globals[`clear${name}`] = ((timer) => {
    pending.delete(timer)
    clear(timer)
  }) as Set & Clear
}
