/**
 * From the log to the connections: which groups an event concerns, and when they are written to.
 */
import type { Connection } from './connection'
import { Group } from './group'
import { Interest } from './interest'
import type { Limits } from './limits'
import type { LogEvent } from './log'
import { isMark, type Missed } from './log/contract'
import { Pages } from './pages'
import { type Framed, joined, Ring } from './ring'
import { comment, encode, frame, idOnly } from './sse'
import { isPattern, matches, type Pattern, type Topic } from './topic'
import { eventId } from './wire'

const done = encode(frame({ event: 'done', data: '' }))
const beat = encode(comment)

/** The topic of patches to whoever is connected. */
export const everyone = 'hw:all' as Topic

/** Passes after which a group is given up that gets more than it can be written. */
const passes = 4

/** What a hub's delivery tells of. */
export interface DeliveryEvents {
  /** A connection has become live that names this topic or pattern, or the last one has gone. */
  onViewers(topic: Pattern, viewed: boolean): void
  /** A connection takes no more. */
  onLag(connection: Connection): void
  /** A connection is not live, and can be sent what it lacks. */
  onCatchUp(connection: Connection): void
  /** A page follows other topics now. */
  onChange(connection: Connection): void
  onBeat(): void
}

/** The live side of one hub. */
export class Delivery {
  /** Everything up to this number has been taken over from the log. */
  position: number
  readonly ring: Ring
  #epoch: string
  #limits: Limits
  #events: DeliveryEvents
  /** How many connections there are. They are either in a group or catch up. */
  active = 0
  /** Connections that are not live: they catch up. */
  #catchingUp = new Set<Connection>()
  readonly pages = new Pages()
  #viewers = new Map<Pattern, number>()
  #groups = new Map<string, Group>()
  #byTopic = new Map<Pattern, Set<Group>>()
  #byPattern = new Map<Pattern, Set<Group>>()
  /** Which groups with a pattern a topic concerns, until these change. */
  #matching = new Map<Topic, Set<Group>>()
  #dirty = new Set<Group>()
  #flushing: ReturnType<typeof setImmediate> | undefined
  #beating: Timer | undefined
  #beaten: number
  /** Events written to connections that have ended. */
  #past = 0
  /** Signals that did not reach a connection, because it was not live. */
  dropped = 0

  constructor(options: {
    epoch: string
    position: number
    limits: Limits
    events: DeliveryEvents
  }) {
    this.position = options.position
    this.#beaten = options.position
    this.#epoch = options.epoch
    this.#limits = options.limits
    this.#events = options.events
    this.ring = new Ring(options.epoch, options.position, options.limits.ring)
  }

  /** All open connections, live or catching up. */
  *connections(): Generator<Connection> {
    for (const { live } of this.#groups.values()) yield* live
    yield* this.#catchingUp
  }

  /** Topics and patterns that somebody follows. */
  get topics(): number {
    return this.#viewers.size
  }

  /** Events written to connections since the start. */
  get events(): number {
    let sum = this.#past
    for (const { record } of this.connections()) sum += record.events
    return sum
  }

  /** The interest in these topics; the same for all of a group. */
  interest(topics: readonly Pattern[], ended: readonly Topic[], open: readonly Topic[]): Interest {
    const [first] = topics
    const made = topics.length === 1 && first ? undefined : new Interest(topics)
    const group = this.#groups.get(nameOf(made?.name ?? (first as string), ended, open))
    return group?.interest ?? made ?? new Interest(topics)
  }

  /** The interest of a page in these topics; the same for all of a group. */
  interestOfPage(topics: readonly Pattern[]): Interest {
    const made = new Interest(topics)
    return this.#groups.get(ofPages + made.name)?.interest ?? made
  }

  /** Counts a connection in. It gets events once it has {@link join}ed. */
  admit(connection: Connection): void {
    this.active++
    this.#catchingUp.add(connection)
    if (connection.subscriptions) this.pages.add(connection)
    this.#beating ??= setInterval(() => this.#beat(), this.#limits.heartbeat)
    this.#countIn(connection.interest.topics)
  }

  /** Counts a connection out. */
  remove(connection: Connection): void {
    const group = this.#groups.get(groupOf(connection))
    if (group?.live.delete(connection)) this.#dispose(group)
    else if (!this.#catchingUp.delete(connection)) return
    this.pages.delete(connection)
    this.active--
    this.#past += connection.record.events
    if (this.active === 0) {
      clearInterval(this.#beating)
      this.#beating = undefined
    }
    this.#countOut(connection.interest.topics)
  }

  /**
   * The addresses of a page have become others: it follows their topics from now on. If some were added, it leaves
   * the live ones to catch up with them.
   */
  change(connection: Connection): void {
    const { subscriptions, interest } = connection
    if (connection.ended || !subscriptions) return
    this.pages.noteEnded(connection)
    const next = this.interestOfPage(subscriptions.topics())
    if (next.name === interest.name && !subscriptions.isAsked) return
    const isLive = this.#takeOut(connection)
    if (connection.ended) return
    connection.interest = next
    // Shared by all with this interest, and never changed.
    connection.record.topics = next.topics as readonly string[] as string[]
    this.#countIn(next.topics.filter((topic) => !interest.has(topic)))
    this.#countOut(interest.topics.filter((topic) => !next.has(topic)))
    this.#events.onChange(connection)
    if (!isLive) return
    if (subscriptions.isAsked) this.#events.onCatchUp(connection)
    else this.#putIn(connection, subscriptions.open())
  }

  /** Has a connection be no more among the live ones, with all that is due to it; false if it was not. */
  #takeOut(connection: Connection): boolean {
    const group = this.#groups.get(groupOf(connection))
    if (group) this.#flushWhole(group)
    if (!group?.live.delete(connection)) return false
    connection.cursor = this.position
    this.#catchingUp.add(connection)
    this.#dispose(group)
    return true
  }

  #countIn(topics: readonly Pattern[]): void {
    for (const topic of topics) this.#viewers.set(topic, (this.#viewers.get(topic) ?? 0) + 1)
  }

  #countOut(topics: readonly Pattern[]): void {
    for (const topic of topics) {
      const viewers = (this.#viewers.get(topic) ?? 0) - 1
      if (viewers > 0) this.#viewers.set(topic, viewers)
      else if (this.#viewers.delete(topic)) this.#events.onViewers(topic, false)
    }
  }

  /** Writes something to one connection alone, after all that is due to it. */
  tell(connection: Connection, text: string): void {
    if (connection.addToOpening(text)) return
    const group = this.#groups.get(groupOf(connection))
    if (group) this.#flushWhole(group)
    if (group?.live.has(connection)) this.#write(group, connection, encode(text), 0)
    else connection.write(text)
  }

  /** Which of the topics of an interest have ended, if somebody live has it. */
  endedOf({ name }: Interest): ReadonlySet<Pattern> | undefined {
    const group = this.#groups.get(name)
    if (!group) return undefined
    this.#flushWhole(group)
    return this.#groups.get(name) === group ? group.ended : undefined
  }

  /** Makes a connection live that has caught up to {@link position}. `open`: those that have not ended. */
  join(connection: Connection, open: readonly Pattern[]): void {
    if (connection.ended) return
    if (open.length === 0 && !connection.subscriptions) return this.#finish(connection)
    if (!this.#putIn(connection, open)) return this.#finish(connection)
    for (const topic of open) this.#events.onViewers(topic, true)
  }

  /** Has a connection be among the live ones; false if it has nothing to wait for there. */
  #putIn(connection: Connection, open: readonly Pattern[]): boolean {
    const before = this.#groupFor(connection, open)
    this.#flushWhole(before)
    if (before.over) return false
    // The last of them may have gone while it was written to, and its group with it.
    this.#groupFor(connection, open).live.add(connection)
    this.#catchingUp.delete(connection)
    return true
  }

  /** Whether anybody follows this topic. */
  isViewed(topic: Topic): boolean {
    return this.#viewers.has(topic)
  }

  /** How many connections follow one of the topics, but for the one with that id. */
  countOf(topics: readonly Topic[] | typeof everyone, except?: string): number {
    let count = 0
    const wanted = new Map<Interest, boolean>()
    for (const { interest, record } of this.connections()) {
      if (record.id === except) continue
      let wants = topics === everyone || wanted.get(interest)
      if (wants === undefined) {
        wants = (topics as readonly Topic[]).some((topic) => interest.wants(topic))
        wanted.set(interest, wants)
      }
      if (wants) count++
    }
    return count
  }

  /**
   * Takes over what was appended; it is written out at the end of the next turn.
   *
   * @param missed what can not be told any more: who follows it is sent to the log, and finds that it was given up
   */
  dispatch(events: readonly LogEvent[], missed?: Missed): void {
    for (const topic of missed?.topics ?? []) {
      for (const group of [...this.#concerned(topic)]) {
        this.#flushWhole(group)
        this.#disband(group)
      }
    }
    for (const event of events) this.#take(event)
    if (missed) {
      this.position = Math.max(this.position, missed.upTo)
      // Who is catching up must not go on from here either.
      this.ring.skip(this.position)
    }
    if (this.#dirty.size > 0) this.#soon()
  }

  /** Writes what is due. */
  flush(): void {
    clearImmediate(this.#flushing)
    this.#flushing = undefined
    const groups = [...this.#dirty]
    this.#dirty.clear()
    for (const group of groups) {
      this.#flushGroup(group)
      if (!group.idle && group.live.size > 0) this.#dirty.add(group)
    }
    this.#tellEnds()
    if (this.#dirty.size > 0) this.#soon()
  }

  #take(event: LogEvent): void {
    const before = this.position
    this.position = event.seq
    // Nobody is there who could come back to it.
    if (this.active === 0) return this.ring.skip(event.seq)
    const framed = this.ring.push(event)
    if (framed.audience?.startsWith('=')) {
      return this.#writeTo(framed.audience.slice(1), framed, before)
    }
    if (event.kind === 'signal' && !isMark(event)) this.#signal(framed)
    this.pages.mark(event)
    for (const group of this.#concerned(event.topic)) {
      if (framed.audience !== null) this.#writeApart(group, framed, before)
      else {
        group.push(framed)
        if (group.due > passes * this.#limits.budget) this.#disband(group)
        else this.#dirty.add(group)
      }
    }
  }

  #tellEnds(): void {
    const isReady = (connection: Connection) => {
      const group = this.#groups.get(groupOf(connection))
      return group?.live.has(connection) ? group.idle : undefined
    }
    for (const [connection, text] of this.pages.tellings(isReady)) {
      this.tell(connection, text)
      // Of a page that follows nothing any more the connection is over too.
      if (connection.subscriptions?.size === 0) connection.end('done')
      else this.change(connection)
    }
  }

  /** To those that are not live: a page that looks after a new address only has it all the same. */
  #signal(framed: Framed): void {
    const { topic, audience } = framed
    for (const connection of this.#catchingUp) {
      const { interest, record, subscriptions, lagging } = connection
      const wants = topic === everyone || interest.wants(topic)
      if (!wants || audience === `!${record.id}`) continue
      const isFollowed =
        topic === everyone ? subscriptions?.settled.size : subscriptions?.isSettled(topic)
      if (isFollowed && !lagging) connection.write(joined([framed]), 1)
      else this.dropped++
    }
  }

  /** What is not for all of a group is not joined with the rest. */
  #writeApart(group: Group, framed: Framed, before: number): void {
    this.#flushWhole(group, before)
    group.mark(framed)
    const bytes = joined([framed])
    for (const connection of group.live) {
      if (framed.audience !== `!${connection.record.id}`) this.#write(group, connection, bytes, 1)
    }
    this.#dispose(group)
  }

  /** To one connection alone: between what it catches up with, if it is not live, for it is kept for nobody. */
  #writeTo(id: string, framed: Framed, before: number): void {
    for (const connection of this.connections()) {
      if (connection.record.id !== id) continue
      const group = this.#groups.get(groupOf(connection))
      if (group) this.#flushWhole(group, before)
      if (group?.live.has(connection)) {
        this.#write(group, connection, joined([framed]), 1)
        this.#dispose(group)
      } else if (connection.lagging) this.dropped++
      else connection.write(joined([framed]), 1)
      return
    }
  }

  /** At the end of the next turn: so what is published in two turns is one write, and nobody waits for a clock. */
  #soon(): void {
    this.#flushing ??= setImmediate(() => {
      this.#flushing = setImmediate(() => this.flush())
    })
  }

  #flushGroup(group: Group, position = this.position): void {
    group.flush(this.#limits.budget, position, (connection, drained) =>
      this.#lag(connection, drained),
    )
    this.#dispose(group)
    if (group.over) for (const connection of [...group.live]) this.#finish(connection)
  }

  /** @param position up to where those who take no more have everything then */
  #flushWhole(group: Group, position = this.position): void {
    while (!group.idle && group.live.size > 0) this.#flushGroup(group, position)
  }

  /** More is due than can be written: they get it as readers of the ring and the log, each at its own speed. */
  #disband(group: Group): void {
    const reached = group.reached ?? this.position
    this.dropped += group.signals * group.live.size
    for (const connection of [...group.live]) {
      connection.cursor = reached
      group.live.delete(connection)
      this.#catchingUp.add(connection)
      this.#events.onCatchUp(connection)
    }
    this.#dispose(group)
  }

  #write(group: Group, connection: Connection, bytes: Uint8Array, events: number): void {
    const drained = connection.write(bytes, events)
    if (!drained) return
    connection.cursor = this.position
    group.live.delete(connection)
    this.#lag(connection, drained)
  }

  #finish(connection: Connection): void {
    connection.write(done)
    connection.end('done')
  }

  #lag(connection: Connection, drained: Promise<unknown>): void {
    connection.record.state = 'lagging'
    this.#catchingUp.add(connection)
    this.#events.onLag(connection)
    const resume = () => {
      // The promise also resolves when the connection dies.
      if (connection.ended) return
      connection.record.state = 'open'
      this.#events.onCatchUp(connection)
    }
    drained.then(resume, resume)
  }

  #groupFor(connection: Connection, open: readonly Pattern[]): Group {
    const { interest, aside } = connection
    const name = groupOf(connection)
    let group = this.#groups.get(name)
    if (group) return group
    const isOfPages = connection.subscriptions !== undefined
    group = new Group(name, interest, open, { aside, isOfPages })
    this.#groups.set(name, group)
    for (const topic of interest.topics) {
      const index = isPattern(topic) ? this.#byPattern : this.#byTopic
      const groups = index.get(topic)
      if (groups) groups.add(group)
      else index.set(topic, new Set([group]))
    }
    if (interest.patterns.length > 0) this.#matching.clear()
    return group
  }

  #concerned(topic: Topic): Iterable<Group> {
    if (topic === everyone) return this.#groups.values()
    const exact = this.#byTopic.get(topic) ?? none
    if (this.#byPattern.size === 0) return exact
    const matching = this.#matchingOf(topic)
    if (matching.size === 0) return exact
    return exact.size === 0 ? matching : new Set([...exact, ...matching])
  }

  #matchingOf(topic: Topic): Set<Group> {
    let found = this.#matching.get(topic)
    if (found) return found
    found = new Set()
    for (const [pattern, groups] of this.#byPattern) {
      if (matches(pattern, topic)) for (const group of groups) found.add(group)
    }
    if (this.#matching.size >= 10_000) this.#matching.clear()
    this.#matching.set(topic, found)
    return found
  }

  /** Forgets a group when nobody is left in it. */
  #dispose(group: Group): void {
    const { interest, name } = group
    if (group.live.size > 0 || this.#groups.get(name) !== group) return
    this.#groups.delete(name)
    this.#dirty.delete(group)
    for (const topic of interest.topics) {
      const index = isPattern(topic) ? this.#byPattern : this.#byTopic
      const groups = index.get(topic)
      groups?.delete(group)
      if (groups?.size === 0) index.delete(topic)
    }
    if (interest.patterns.length > 0) this.#matching.clear()
  }

  /** A sign of life for every live connection; it carries the position when that has moved. */
  #beat(): void {
    this.flush()
    const moved = this.position !== this.#beaten
    this.#beaten = this.position
    const bytes = moved ? encode(idOnly(eventId(this.#epoch, this.position))) : beat
    for (const group of [...this.#groups.values()]) {
      if (!group.idle) continue
      for (const connection of group.live) this.#write(group, connection, bytes, 0)
      this.#dispose(group)
    }
    this.#events.onBeat()
  }
}

/** Of a group: those with the same interest, and the same word of the app on what of it has ended. */
function nameOf(interest: string, ended: readonly Topic[], open: readonly Topic[]): string {
  if (ended.length === 0 && open.length === 0) return interest
  return [interest, ended.join('\n'), open.join('\n')].join('\n\n')
}

function groupOf({ interest, endedBefore, openBefore, subscriptions }: Connection): string {
  if (subscriptions) return ofPages + interest.name
  return nameOf(interest.name, endedBefore, openBefore)
}

/** Before the name of a group of pages: no other begins so, for no topic is empty. */
const ofPages = '\npages\n'

const none: ReadonlySet<Group> = new Set()
