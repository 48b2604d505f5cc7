import type { Connection } from './connection'
import type { Delivery } from './delivery'
import { Interest } from './interest'
import type { Awaitable, Log } from './log'
import { all, then } from './log/awaitable'
import type { Missing } from './missing'
import type { Reader } from './reader'
import { nothing, type Shown, type Snapshots } from './snapshots'
import { idOnly } from './sse'
import type { Stage, Stages } from './stages'
import { doneFrame, followFrame, refusedFrame, topicsOf } from './subscriptions'
import type { Pattern, Topic } from './topic'
import { eventId } from './wire'

/** Takes up the addresses of pages on the way of their readers, and tells when they are over. */
export class Uptake {
  #log: Log
  #delivery: Delivery
  #snapshots: Snapshots
  #missing: Missing
  #onError: (error: unknown, topic: Topic) => void

  constructor(options: {
    log: Log
    delivery: Delivery
    snapshots: Snapshots
    missing: Missing
    onError: (error: unknown, topic: Topic) => void
  }) {
    this.#log = options.log
    this.#delivery = options.delivery
    this.#snapshots = options.snapshots
    this.#missing = options.missing
    this.#onError = options.onError
  }

  /** Takes up addresses of a page that begin where the reader stands, and leaves those out that were dropped. */
  enter(reader: Reader, stages: Stages): Awaitable<'on'> | undefined {
    const { connection } = reader
    this.#turnBack(reader, stages)
    const hasLeft = stages.leave()
    if (hasLeft) forsake(reader)
    // At the end of the log, and not of what was heard of it.
    if (stages.next === Number.POSITIVE_INFINITY) this.#log.head()
    const stage = stages.enter(connection.cursor, this.#delivery.position)
    if (!stage && !hasLeft) return undefined
    reader.interest = this.#delivery.interestOfPage(stages.topics)
    if (!stage || stage.isBack || stage.subscriptions.length === 0) return 'on'
    const from = Number.isFinite(stage.from) ? stage.from : undefined
    const interest = new Interest(topicsOf(stage.subscriptions))
    return then(this.#missing.of(interest, from), (missing) => {
      const common = namedByOthers(missing, connection, stage)
      if (from !== undefined && common.length > 0) {
        stages.delay(stage)
        reader.interest = this.#delivery.interestOfPage(stages.topics)
        return 'on'
      }
      this.#takeUp(reader, stage)
      for (const topic of this.#missing.inOrder(missing)) reader.snapshots.add(topic)
      return this.#showNow(reader, common)
    })
  }

  /** Tells a page which addresses take part from here on. */
  #takeUp(reader: Reader, { subscriptions }: Stage): void {
    const first = subscriptions.flatMap((one) => one.first)
    reader.opening += followFrame(subscriptions) + first.join('')
    reader.waiting += first.length
    // What waits is of others, who came before.
    const isReturning = reader.snapshots.size > 0 && reader.isReturning
    reader.isReturning = isReturning || subscriptions.some(({ cursor }) => cursor !== undefined)
  }

  /**
   * The snapshots of topics that others of the page show too. They are made while these have everything: what is in a
   * later one would be sent to them again after a cut.
   */
  #showNow(reader: Reader, topics: readonly Topic[]): Awaitable<'on'> {
    const made = all(topics.map((topic) => this.show(reader, topic)))
    return then(made, (found) => {
      for (const { text, events } of found) {
        reader.opening += text
        reader.waiting += events
      }
      return 'on'
    })
  }

  /** A topic as it stands. If it can not be made, a page loses the addresses that name it, and no other. */
  show(reader: Reader, topic: Topic): Awaitable<Shown> {
    if (!reader.stages) return this.#snapshots.for(reader, topic)
    // While it was made, access to it may have been taken, or nobody be left who wants it.
    const given = (made: Shown) => {
      if (reader.connection.interest.wants(topic)) return made
      reader.shown.delete(topic)
      return nothing
    }
    try {
      const made = this.#snapshots.for(reader, topic)
      if (!(made instanceof Promise)) return made
      return made.then(given, (error) => this.#fail(reader, topic, error))
    } catch (error) {
      return this.#fail(reader, topic, error)
    }
  }

  #fail({ connection, snapshots }: Reader, topic: Topic, error: unknown): Shown {
    this.#onError(error, topic)
    snapshots.delete(topic)
    const reason = 'What this shows could not be made; the server has the reason.'
    const refused = connection.subscriptions?.refuse(500, ({ topics }) =>
      new Interest(topics).wants(topic) ? reason : undefined,
    )
    this.#delivery.change(connection)
    return { text: refusedFrame(refused ?? []), events: 0, upTo: 0 }
  }

  /** Takes up what a page has asked for meanwhile: its reader goes back, if need be. */
  #turnBack(reader: Reader, stages: Stages): void {
    const { connection, snapshots, shown } = reader
    const { subscriptions, cursor: at } = connection
    if (!subscriptions?.isAsked || snapshots.size > 0) return
    // What is in a snapshot is skipped on the way: first that is behind.
    for (const [topic, upTo] of shown) if (upTo <= at) shown.delete(topic)
    if (shown.size > 0) return
    const asked = subscriptions.take().map((subscription) => {
      const number = this.#missing.numberOf(subscription.cursor)
      const from = number && Math.min(number, this.#delivery.position)
      return { subscription, from }
    })
    const { isReading } = stages
    connection.cursor = stages.plan(at, asked)
    if (!isReading || connection.cursor === at) return
    // Snapshots have none: without it the page could not tell what comes again from what is new to who was sent them.
    reader.opening += idOnly(eventId(this.#log.epoch, at))
  }

  /** A page has everything: what it is told of addresses that are over. */
  settle(connection: Connection, stages: Stages, ended: Iterable<Pattern>): string {
    const { subscriptions } = connection
    if (!subscriptions) return ''
    subscriptions.settle(stages.active, new Set(ended))
    this.#delivery.pages.noteEnded(connection)
    const over = subscriptions.over()
    if (over.length === 0) return ''
    this.#delivery.change(connection)
    return doneFrame(over)
  }
}

/** Those of some topics that others of the page name too. */
function namedByOthers(
  topics: readonly Topic[],
  { subscriptions }: Connection,
  stage: Stage,
): readonly Topic[] {
  if (topics.length === 0 || !subscriptions) return none
  const others = new Interest(subscriptions.topicsBut(stage.subscriptions))
  return topics.filter((topic) => others.wants(topic))
}

const none: readonly never[] = []

/** Snapshots for which nobody of the page is left are not made. */
function forsake({ connection, snapshots, shown }: Reader): void {
  for (const topic of snapshots) if (!connection.interest.wants(topic)) snapshots.delete(topic)
  for (const topic of shown.keys()) if (!connection.interest.wants(topic)) shown.delete(topic)
}
