import type { Delivery } from './delivery'
import type { Limits } from './limits'
import type { Awaitable, Kind, Log, LogEvent } from './log'
import { then } from './log/awaitable'
import { everything, isMark } from './log/contract'
import type { Rendered } from './publisher'
import type { Reader } from './reader'
import { Shared } from './shared'
import { frame } from './sse'
import { wholeOf, wholePiece } from './text-wire'
import { asPattern, type Topic } from './topic'
import { replayFrame, snapshotFrame } from './wire'
import { within } from './within'

/** How a topic as it stands is made, when the app says so. */
export type Snapshot = (topic: Topic) => Awaitable<Rendered>

/** What the app has declared of a topic, as far as catching up needs it. */
export type Declared = (topic: Topic) => { kind: Kind; snapshot: Snapshot | undefined }

/** What is shown of a topic, and the number up to which its events are in it. */
export interface Shown {
  text: string
  events: number
  upTo: number
}

/** Of a topic that is not shown. */
export const nothing: Shown = { text: '', events: 0, upTo: 0 }

/** Rows read at a time. */
const page = 256
/** How many are given to several readers, and for how long, in milliseconds; what is in them may be given up meanwhile. */
const keeping = { most: 1_000, age: 1_000 }

/**
 * Topics as they stand: for who can not be given what was missed. They carry no event id, for the reader is not
 * there yet.
 */
export class Snapshots {
  #log: Log
  #delivery: Delivery
  #limits: Limits
  #declared: Declared
  /** For readers who show nothing, and for those who may show what is no longer so. */
  #forNew = new Shared<Shown>(keeping.most, keeping.age)
  #forReturning = new Shared<Shown>(keeping.most, keeping.age)

  constructor(options: { log: Log; delivery: Delivery; limits: Limits; declared: Declared }) {
    this.#log = options.log
    this.#delivery = options.delivery
    this.#limits = options.limits
    this.#declared = options.declared
  }

  /**
   * A topic as it stands.
   *
   * @param returning whether the reader may show something that is no longer so
   */
  of(topic: Topic, returning: boolean): Awaitable<Shown> {
    const { snapshot } = this.#declared(topic)
    // What is not heard yet could be given up already, then it is in no snapshot and comes in no replay; or forgotten.
    this.#log.head()
    const { position } = this.#delivery
    // What the app makes may be another the next time.
    if (snapshot) {
      return then(this.#make(topic, returning), (made) => {
        return { ...made, upTo: Math.max(made.upTo, position) }
      })
    }
    const shared = returning ? this.#forReturning : this.#forNew
    const kept = shared.get(topic)
    if (kept) return { ...kept, upTo: Math.max(kept.upTo, position) }
    return then(this.#make(topic, returning), (made) => {
      const shown = { ...made, upTo: Math.max(made.upTo, position) }
      // While a driver was asked, more may have been appended: it would not be forgotten when that was told.
      if (this.#delivery.position === position) shared.set(topic, shown)
      return shown
    })
  }

  /** A topic as it stands for a reader, who is then in no need of its events up to there. */
  for(reader: Reader, topic: Topic): Awaitable<Shown> {
    return then(this.of(topic, reader.isReturning), (made) => {
      reader.snapshots.delete(topic)
      // What another process has appended may be in it, and is to be told before the reader is live.
      if (made.upTo > this.#delivery.position) this.#log.head()
      reader.shown.set(topic, made.upTo)
      return made
    })
  }

  /** Forgets what was kept of a topic that has changed. */
  forget(topic: Topic): void {
    this.#forNew.delete(topic)
    this.#forReturning.delete(topic)
  }

  /** Frees what it keeps. */
  close(): void {
    this.#forNew.clear()
    this.#forReturning.clear()
  }

  #make(topic: Topic, returning: boolean): Awaitable<Shown> {
    const { kind, snapshot } = this.#declared(topic)
    if (kind === 'signal') return nothing
    if (kind === 'log' && !snapshot) return this.#kept(topic, returning)
    const made = then(kind === 'state' ? this.#states(topic) : [], (all) => {
      const events = all.filter((event) => !isMark(event))
      return events.length > 0 || !snapshot ? this.#frames(events) : this.#given(topic, snapshot)
    })
    if (!returning) return made
    return then(made, (shown) =>
      kind === 'state' || shown.events === 0 ? this.#emptied(topic, shown) : shown,
    )
  }

  #kept(topic: Topic, returning: boolean): Awaitable<Shown> {
    const { snapshot: most } = this.#limits
    return then(this.#log.texts([asPattern(topic)], 0), ([text]) =>
      then(this.#log.last(topic, text ? everything : most), (events) => {
        const isEmpty = events.length === 0
        if (isEmpty && !returning) return nothing
        const isText = text && (isEmpty || events.some(({ form }) => form === 'text'))
        return isText ? this.#text(topic, events) : this.#reset(topic, events.slice(-most))
      }),
    )
  }

  /** By the app. */
  #given(topic: Topic, snapshot: Snapshot): Awaitable<Shown> {
    return then(this.#inTime(topic, snapshot(topic)), (content) => {
      if (content === null || content === undefined || content === false) return nothing
      const data = typeof content === 'string' ? content : content.html
      const name = typeof content === 'string' ? { event: topic } : { topic }
      return { text: frame({ ...name, data }), events: 1, upTo: 0 }
    })
  }

  /** If something was forgotten, behind what empties the slots: by itself a state only sets what there is. */
  #emptied(topic: Topic, shown: Shown): Awaitable<Shown> {
    return then(this.#log.trimmed([asPattern(topic)], 0), ([isForgotten]) => {
      if (!isForgotten) return shown
      return { ...shown, text: snapshotFrame(topic, []) + shown.text, events: shown.events + 1 }
    })
  }

  #inTime(topic: Topic, content: Awaitable<Rendered>): Awaitable<Rendered> {
    if (!(content instanceof Promise)) return content
    const { render } = this.#limits
    const late = () => new Error(`The snapshot of "${topic}" took longer than ${render} ms`)
    return within(render, content, late)
  }

  /** What stands in the slots in one event, patches one by one. */
  #reset(topic: Topic, events: LogEvent[]): Shown {
    const patches = this.#frames(events.filter(({ form }) => form === 'patch'))
    const items = events.filter(({ form }) => form !== 'patch')
    const upTo = events.at(-1)?.seq ?? 0
    if (items.length === 0 && patches.events > 0) return { ...patches, upTo }
    return { text: snapshotFrame(topic, items) + patches.text, events: patches.events + 1, upTo }
  }

  /** One event that sets the text, whatever its reader has of it; patches that were published to its topic come behind. */
  #text(topic: Topic, events: LogEvent[]): Shown {
    const patches = this.#frames(events.filter(({ form }) => form === 'patch'))
    const data = wholePiece(topic, wholeOf(events))
    return {
      text: frame({ event: topic, data }) + patches.text,
      events: patches.events + 1,
      upTo: events.at(-1)?.seq ?? 0,
    }
  }

  /** Frames of a snapshot have no id: the reader is not there yet. */
  #frames(events: LogEvent[]): Shown {
    const frames = events.map((event) => replayFrame({ ...event, kind: 'signal' }, this.#log.epoch))
    return { text: frames.join(''), events: events.length, upTo: events.at(-1)?.seq ?? 0 }
  }

  /** The newest of each key, however many there are. */
  #states(topic: Topic, after = 0): Awaitable<LogEvent[]> {
    return then(this.#log.read({ topics: [topic], after, limit: page }), (events) => {
      if (events.length < page) return events
      return then(this.#states(topic, events.at(-1)?.seq), (more) => [...events, ...more])
    })
  }
}
