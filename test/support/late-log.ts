/**
 * A log that answers later, as one over a network does: `lateLog(memoryLog())`.
 */
import type { Log } from 'headwater/log'

/** How late it is. */
interface LateLogOptions {
  /** Gives the time of each answer, in milliseconds. @default 1 each time */
  delay?: () => number
  /** Whether appending takes as long; where times differ, one would overtake the other. @default true */
  appends?: boolean
}

/** Makes one of another log. */
export function lateLog(log: Log, { delay = () => 1, appends = true }: LateLogOptions = {}): Log {
  const wait = async <T>(make: () => T | Promise<T>) => {
    await Bun.sleep(delay())
    return make()
  }
  return {
    name: 'late',
    epoch: log.epoch,
    head: () => log.head(),
    append: (entries) => (appends ? wait(() => log.append(entries)) : log.append(entries)),
    read: (query) => wait(() => log.read(query)),
    count: (query) => wait(() => log.count(query)),
    last: (topic, count) => wait(() => log.last(topic, count)),
    topics: (pattern) => wait(() => log.topics(pattern)),
    ended: (topics) => wait(() => log.ended(topics)),
    trimmed: (topics, after) => wait(() => log.trimmed(topics, after)),
    texts: (topics, after) => wait(() => log.texts(topics, after)),
    compact: (...text) => wait(() => log.compact(...text)),
    trim: (topic, keep) => wait(() => log.trim(topic, keep)),
    forget: (topic) => wait(() => log.forget(topic)),
    follow: (listener) => log.follow(listener),
    close: () => log.close(),
  }
}
