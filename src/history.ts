import type { Declaration } from './declarations'
import type { Log, LogEvent } from './log'
import { everything } from './log/contract'
import type { History, HistoryOptions } from './options'
import type { Topic } from './topic'
import { eventId, htmlOf } from './wire'

/**
 * What is kept of a topic, oldest first, and the cursor that goes with exactly that: whoever shows the items and
 * follows from it gets what is newer, once.
 *
 * A window is cut by number, not by time: an event with a later number is not older, whatever a clock that was
 * set back said. So `until` leaves out only what comes after the last event that it names, and the cursor stands there.
 */
export async function readHistory(
  log: Log,
  topic: Topic,
  { kind, keep }: Declaration,
  options: HistoryOptions,
): Promise<History> {
  const { last = everything, since, until } = checked(options)
  // Before the reading: what is appended meanwhile must not lie behind it.
  const head = log.head()
  const most = kind === 'log' ? keep.count : everything
  const kept = await log.last(
    topic,
    until === Number.POSITIVE_INFINITY ? Math.min(last, most) : most,
  )
  const end = kept.findLastIndex(({ at }) => at <= until) + 1
  const oldest = kind === 'log' ? Math.max(since, Date.now() - keep.age) : since
  const items = kept.slice(0, end).filter(({ at }) => at >= oldest)
  return {
    items: items.slice(-last).map((event) => ({
      id: eventId(log.epoch, event.seq),
      html: htmlOf(event),
      key: event.key ?? undefined,
      at: new Date(event.at),
    })),
    cursor: eventId(log.epoch, reached(kept, end, head)),
  }
}

/** Up to where the first `end` of the kept events are everything. */
function reached(kept: LogEvent[], end: number, head: number): number {
  const shown = kept[end - 1]
  const left = kept[end]
  if (shown) return shown.seq
  return left ? left.seq - 1 : head
}

function checked({ last, since, until }: HistoryOptions) {
  if (last !== undefined && (!Number.isInteger(last) || last < 1)) {
    throw new TypeError(`Expected a number of events from 1 on as last, got ${last}`)
  }
  const from = timeOf('since', since) ?? Number.NEGATIVE_INFINITY
  const to = timeOf('until', until) ?? Number.POSITIVE_INFINITY
  if (from > to) {
    throw new TypeError(`Expected since not to be later than until, got ${from} and ${to}`)
  }
  return { last, since: from, until: to }
}

function timeOf(name: string, value: Date | number | undefined): number | undefined {
  if (value === undefined) return undefined
  const time = value instanceof Date ? value.getTime() : value
  if (Number.isFinite(time)) return time
  throw new TypeError(
    `Expected a Date or milliseconds since 1970 as ${name}, got ${typeof value === 'string' ? `"${value}"` : value}`,
  )
}
