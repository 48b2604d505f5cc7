/**
 * From the log to the connections: which groups an event concerns, and when they are written to.
 */
import type { Connection } from './connection'
import { Group } from './group'
import type { Limits } from './limits'
import type { LogEvent } from './log'
import { comment, encode, frame, idOnly } from './sse'
import { isPattern, matches, type Pattern, type Topic } from './topic'
import { eventId, liveFrame } from './wire'

const done = encode(frame({ event: 'done', data: '' }))
const beat = encode(comment)

/** Told of each connection that becomes live and names a topic or pattern, and when the last one has gone. */
export type OnViewers = (topic: Pattern, viewed: boolean) => void

/** The live side of one hub. */
export class Delivery {
  /** Everything up to this number has been taken over from the log. */
  position: number
  #epoch: string
  #limits: Limits
  #onViewers: OnViewers
  #onLag: (connection: Connection) => void
  #onDrained: (connection: Connection) => void
  #onBeat: () => void
  #connections = new Set<Connection>()
  #viewers = new Map<Pattern, number>()
  #groups = new Map<string, Group>()
  #byTopic = new Map<Pattern, Set<Group>>()
  #byPattern = new Map<Pattern, Set<Group>>()
  #dirty = new Set<Group>()
  #flushing: ReturnType<typeof setImmediate> | undefined
  #beating: Timer | undefined
  #beaten: number
  /** Events written to connections that have ended. */
  #past = 0

  constructor(options: {
    epoch: string
    position: number
    limits: Limits
    onViewers: OnViewers
    onLag: (connection: Connection) => void
    onDrained: (connection: Connection) => void
    onBeat: () => void
  }) {
    this.position = options.position
    this.#beaten = options.position
    this.#epoch = options.epoch
    this.#limits = options.limits
    this.#onViewers = options.onViewers
    this.#onLag = options.onLag
    this.#onDrained = options.onDrained
    this.#onBeat = options.onBeat
  }

  /** All open connections, live or catching up. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections
  }

  /** Topics and patterns that somebody follows. */
  get topics(): number {
    return this.#viewers.size
  }

  /** Events written to connections since the start. */
  get events(): number {
    let sum = this.#past
    for (const { record } of this.#connections) sum += record.events
    return sum
  }

  /** Counts a connection in. It gets events once it has {@link join}ed. */
  admit(connection: Connection): void {
    this.#connections.add(connection)
    this.#beating ??= setInterval(() => this.#beat(), this.#limits.heartbeat)
    for (const topic of connection.topics) {
      const viewers = (this.#viewers.get(topic) ?? 0) + 1
      this.#viewers.set(topic, viewers)
    }
  }

  /** Counts a connection out. */
  remove(connection: Connection): void {
    if (!this.#connections.delete(connection)) return
    this.#past += connection.record.events
    this.#leave(connection)
    if (this.#connections.size === 0) {
      clearInterval(this.#beating)
      this.#beating = undefined
    }
    for (const topic of connection.topics) {
      const viewers = (this.#viewers.get(topic) ?? 0) - 1
      if (viewers > 0) this.#viewers.set(topic, viewers)
      else if (this.#viewers.delete(topic)) this.#onViewers(topic, false)
    }
  }

  /** Makes a connection live that has caught up to {@link position}. `open`: those that have not ended. */
  join(connection: Connection, open: readonly Pattern[]): void {
    if (connection.ended) return
    if (open.length === 0) return this.#finish(connection)
    const before = this.#groupFor(connection, open)
    while (!before.idle && before.live.size > 0) this.#flushGroup(before)
    if (before.over) return this.#finish(connection)
    // The last of them may have gone while it was written to, and its group with it.
    this.#groupFor(connection, open).live.add(connection)
    for (const topic of open) this.#onViewers(topic, true)
  }

  /** Whether anybody follows this topic. */
  isViewed(topic: Topic): boolean {
    return this.#viewers.has(topic)
  }

  /** Takes over what was appended; it is written out at the end of the turn. */
  dispatch(events: readonly LogEvent[]): void {
    for (const event of events) {
      this.position = event.seq
      const groups = this.#concerned(event.topic)
      if (groups.size === 0) continue
      const text = liveFrame(event, this.#epoch)
      const due = {
        seq: event.seq,
        topic: event.topic,
        bytes: text === undefined ? undefined : encode(text),
        isEnd: event.form === 'end',
      }
      for (const group of groups) {
        group.push(due)
        this.#dirty.add(group)
      }
    }
    if (this.#dirty.size > 0) this.#soon()
  }

  /** At the end of the next turn: so what is published in two turns is one write, and nobody waits for a clock. */
  #soon(): void {
    this.#flushing ??= setImmediate(() => {
      this.#flushing = setImmediate(() => this.flush())
    })
  }

  /** Writes what is due. */
  flush(): void {
    this.#flushing = undefined
    const groups = [...this.#dirty]
    this.#dirty.clear()
    for (const group of groups) {
      this.#flushGroup(group)
      if (!group.idle) this.#dirty.add(group)
    }
    if (this.#dirty.size > 0) this.#soon()
  }

  #flushGroup(group: Group): void {
    group.flush(this.#limits.budget, this.position, (connection, drained) =>
      this.#lag(connection, drained),
    )
    if (group.over) for (const connection of [...group.live]) this.#finish(connection)
  }

  #finish(connection: Connection): void {
    connection.write(done)
    connection.end('done')
  }

  #lag(connection: Connection, drained: Promise<unknown>): void {
    connection.record.state = 'lagging'
    this.#onLag(connection)
    this.#dispose(connection)
    drained.then(
      () => this.#drained(connection),
      () => this.#drained(connection),
    )
  }

  #drained(connection: Connection): void {
    // The promise also resolves when the connection dies.
    if (connection.ended) return
    connection.record.state = 'open'
    this.#onDrained(connection)
  }

  #groupFor({ following, topics, aside }: Connection, open: readonly Pattern[]): Group {
    let group = this.#groups.get(following)
    if (group) return group
    group = new Group(topics, open, aside)
    this.#groups.set(following, group)
    for (const topic of topics) {
      const index = isPattern(topic) ? this.#byPattern : this.#byTopic
      const groups = index.get(topic)
      if (groups) groups.add(group)
      else index.set(topic, new Set([group]))
    }
    return group
  }

  #concerned(topic: Topic): Set<Group> {
    const exact = this.#byTopic.get(topic) ?? new Set<Group>()
    if (this.#byPattern.size === 0) return exact
    const all = new Set(exact)
    for (const [pattern, groups] of this.#byPattern) {
      if (matches(pattern, topic)) for (const group of groups) all.add(group)
    }
    return all
  }

  #leave(connection: Connection): void {
    this.#groups.get(connection.following)?.live.delete(connection)
    this.#dispose(connection)
  }

  /** Forgets the group of a connection when nobody is left in it. */
  #dispose({ following }: Connection): void {
    const group = this.#groups.get(following)
    if (!group || group.live.size > 0) return
    this.#groups.delete(following)
    this.#dirty.delete(group)
    for (const topic of group.topics) {
      const index = isPattern(topic) ? this.#byPattern : this.#byTopic
      const groups = index.get(topic)
      groups?.delete(group)
      if (groups?.size === 0) index.delete(topic)
    }
  }

  /** A sign of life for every live connection; it carries the position when that has moved. */
  #beat(): void {
    this.flush()
    const moved = this.position !== this.#beaten
    this.#beaten = this.position
    const bytes = moved ? encode(idOnly(eventId(this.#epoch, this.position))) : beat
    for (const group of this.#groups.values()) {
      if (!group.idle) continue
      for (const connection of group.live) {
        const drained = connection.write(bytes)
        if (!drained) continue
        connection.cursor = this.position
        group.live.delete(connection)
        this.#lag(connection, drained)
      }
    }
    this.#onBeat()
  }
}
