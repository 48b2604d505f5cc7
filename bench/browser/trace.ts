/** A trace of DevTools, by what was done. */

/** One event of it, times in microseconds. */
export interface TraceEvent {
  name: string
  /** `X` for one with a duration. */
  ph: string
  pid: number
  tid: number
  ts: number
  dur?: number
  args?: { name?: string }
}

/** One kind of work. */
export interface Own {
  name: string
  /** Milliseconds. */
  time: number
  count: number
}

/** How long each kind of work took on the main thread of the busiest page, without what it contains; the longest first. */
export function ownTimes(events: readonly TraceEvent[]): Own[] {
  const main = mainThread(events)
  const whole = events
    .filter((event) => event.ph === 'X' && event.dur !== undefined && main(event))
    .toSorted((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0))
  const times = new Map<string, { time: number; count: number }>()
  const add = (name: string, time: number, count: number) => {
    const own = times.get(name) ?? { time: 0, count: 0 }
    times.set(name, { time: own.time + time, count: own.count + count })
  }
  const open: { name: string; end: number }[] = []
  for (const { name, ts, dur = 0 } of whole) {
    while ((open.at(-1)?.end ?? Number.POSITIVE_INFINITY) <= ts) open.pop()
    const around = open.at(-1)
    if (around) add(around.name, -dur, 0)
    add(name, dur, 1)
    open.push({ name, end: ts + dur })
  }
  return [...times]
    .map(([name, { time, count }]) => ({ name, time: time / 1_000, count }))
    .toSorted((a, b) => b.time - a.time)
}

function mainThread(events: readonly TraceEvent[]): (event: TraceEvent) => boolean {
  const mains = events.filter(
    ({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain',
  )
  const busy = ({ pid, tid }: TraceEvent) =>
    events.filter((event) => event.pid === pid && event.tid === tid).length
  const [first] = mains.toSorted((a, b) => busy(b) - busy(a))
  return ({ pid, tid }) => pid === first?.pid && tid === first?.tid
}
