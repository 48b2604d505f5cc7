/**
 * The connections of one hub, from the door to their end: opened with what the door has granted, written into the
 * registry, ended when access is taken or the hub drains.
 */
import { Admission, type Place } from './admission'
import { Connection, type Life, type Opening, type Reason } from './connection'
import type { Delivery } from './delivery'
import type { Connect, ConnectPage } from './door'
import { type ConnectionDetails, type ConnectionHooks, detailsOf, isolate } from './hooks'
import { drawRetry, type Limits } from './limits'
import { addressOf, urlOf } from './origin'
import { comeBack, Refusal } from './refusal'
import type { Registry } from './registry'
import type { Replay } from './replay'
import { type Revocation, revoked } from './revocation'
import { Same } from './same'
import { openFrame, type Refused, refusedFrame, Subscriptions } from './subscriptions'

/** Between two slices of a drain, in milliseconds. */
const slice = 50

/** What the connections need of their hub. */
export interface ConnectionsOptions {
  limits: Limits
  /** How many proxies stand in front. */
  proxies: number
  registry: Registry
  delivery: Delivery
  replay: Replay
  revocation: Revocation
  hooks: ConnectionHooks
  onError: (error: unknown) => void
}

/** The connections of one hub. */
export class Connections {
  /** How many were opened. */
  total = 0
  /** Whether new ones are refused. */
  closing = false
  #options: ConnectionsOptions
  /** Those of pages, by id. */
  #pages = new Map<string, Connection>()
  #admission: Admission
  #texts = new Same(1_000)
  #life: Life = {
    opened: (connection) => this.#opened(connection),
    ended: (connection, reason) => this.#ended(connection, reason),
  }

  constructor(options: ConnectionsOptions) {
    this.#options = options
    this.#admission = new Admission(options.limits)
  }

  /**
   * Opens a connection, access having been checked.
   *
   * @throws Refusal when access was taken, there are too many, or the hub is closing.
   */
  open(request: Request, options: Connect): Response {
    const { delivery, revocation } = this.#options
    const { viewer = null, topics, ended = none, open = none } = options
    if (revocation.refuses(viewer, topics, ended)) throw new Refusal(403, revoked)
    return this.#respond(request, {
      ...options,
      id: crypto.randomUUID(),
      interest: delivery.interest(topics, ended, open),
      cursor: cursorOf(request),
    })
  }

  /**
   * Opens the connection of a page, or changes what one follows.
   *
   * @throws Refusal when that connection is not here, there are too many, or the hub is closing.
   */
  page(request: Request, page: ConnectPage, id: string | undefined): Response {
    const { limits, delivery } = this.#options
    const { viewer, server } = page
    const subscriptions = new Subscriptions()
    subscriptions.add(page.granted)
    const refused = [...page.refused, ...this.#refuse(subscriptions, viewer)]
    if (id !== undefined) return this.#change(this.ofPage(id, viewer), page, subscriptions, refused)
    refused.push(...refuseSome(subscriptions, limits.addresses))
    if (subscriptions.size === 0) return noneOf(refused)
    const interest = delivery.interestOfPage(subscriptions.topics())
    const { topics } = interest
    const own = { id: crypto.randomUUID(), kind: 'page', cursor: undefined }
    const first = [openFrame(own.id, limits.heartbeat)]
    if (refused.length > 0) first.push(refusedFrame(refused))
    return this.#respond(request, {
      ...own,
      viewer,
      server,
      topics,
      interest,
      subscriptions,
      first,
    })
  }

  /**
   * The connection of a page, by its id.
   *
   * @throws Refusal when it is not here, or another viewer's.
   */
  ofPage(id: string, viewer: string | undefined): Connection & { subscriptions: Subscriptions } {
    const connection = this.#pages.get(id)
    if (connection && isOfPage(connection) && connection.record.viewer === (viewer ?? null)) {
      return connection
    }
    throw new Refusal(404, 'This connection is not here any more; open a new one.')
  }

  #change(
    connection: Connection & { subscriptions: Subscriptions },
    page: ConnectPage,
    added: Subscriptions,
    refused: readonly Refused[],
  ): Response {
    const { limits, delivery } = this.#options
    const { subscriptions } = connection
    const known = new Set(page.drop.filter((id) => subscriptions.knows(id)))
    const surplus = refuseSome(added, limits.addresses - subscriptions.size + known.size)
    const asked = added.take()
    const twice = asked.find(({ id }) => subscriptions.knows(id) && !known.has(id))
    if (twice) throw new Refusal(400, `The id "${twice.id}" is in use; take another.`)
    subscriptions.drop(known)
    subscriptions.add(asked)
    delivery.change(connection)
    return Response.json({ refused: [...refused, ...surplus] }, { headers: unkept })
  }

  /** Drops those to which access was taken. */
  #refuse(subscriptions: Subscriptions, viewer: string | null | undefined): Refused[] {
    const { revocation } = this.#options
    return subscriptions.refuse(403, ({ topics, ended }) =>
      revocation.refuses(viewer ?? null, topics, ended) ? revoked : undefined,
    )
  }

  #respond(
    request: Request,
    options: Connect & Pick<Opening, 'interest' | 'subscriptions' | 'cursor'> & { id: string },
  ): Response {
    const { limits, proxies, registry } = this.#options
    const { viewer, interest, ended = none, open = none } = options
    const address = addressOf(request, options.server, proxies)
    const now = Date.now()
    const connection = new Connection({
      interest,
      place: this.#reserve(address, viewer),
      life: this.#life,
      ended,
      open,
      aside: options.aside ?? none,
      subscriptions: options.subscriptions,
      first: options.first ?? none,
      cursor: options.cursor,
      retry: drawRetry(limits.retry),
      record: {
        id: options.id,
        node: registry.node,
        kind: options.kind,
        topics: interest.is(options.topics)
          ? (interest.topics as readonly string[] as string[])
          : [...options.topics],
        entity: options.entity ?? null,
        viewer: viewer ?? null,
        address: this.#texts.one(address) ?? null,
        agent: this.#texts.one(request.headers.get('user-agent')?.slice(0, 256)) ?? null,
        openedAt: now,
        seenAt: now,
        events: 0,
        bytes: 0,
        state: 'open',
        reason: null,
      },
    })
    options.server?.timeout(request, idleLimit(limits.heartbeat))
    return connection.respond()
  }

  /** Notes in the registry that they were there, and ends whom access was taken from: a log of one process tells nobody. */
  beat(): void {
    const { delivery, registry } = this.#options
    const now = Date.now()
    for (const { record } of delivery.connections()) {
      record.seenAt = now
      registry.write(record)
    }
    this.enforce()
  }

  /** Ends those whose access was taken since it was last looked. */
  enforce(): void {
    const { revocation, delivery, onError } = this.#options
    try {
      if (!revocation.load()) return
      // What was published before reaches them.
      delivery.flush()
      for (const connection of [...delivery.connections()]) {
        this.#revoke(connection)
      }
    } catch (error) {
      onError(error)
    }
  }

  /** Ends all in slices until then, by `performance.now()`. */
  async drain(until: number): Promise<void> {
    const { delivery } = this.#options
    // Counted anew each time: some leave by themselves, and some were let in just before.
    while (delivery.active > 0) {
      const slices = Math.max(1, Math.round((until - performance.now()) / slice))
      const due = Math.ceil(delivery.active / slices)
      for (const connection of [...delivery.connections()].slice(0, due)) connection.end('drained')
      if (delivery.active > 0) await Bun.sleep(slice)
    }
  }

  /** Ends all at once. */
  close(): void {
    this.closing = true
    for (const connection of [...this.#options.delivery.connections()]) connection.end('closed')
  }

  #opened(connection: Connection): void {
    const { registry, delivery, replay, hooks } = this.#options
    this.total++
    connection.place.open()
    registry.add(connection.record)
    delivery.admit(connection)
    // Before it can end again.
    this.#tell(hooks.onConnect, connection)
    // Meanwhile, perhaps.
    this.#revoke(connection)
    if (connection.ended) return
    if (connection.subscriptions) this.#pages.set(connection.record.id, connection)
    replay.open(connection)
  }

  #ended(connection: Connection, reason: Reason): void {
    const { registry, delivery, hooks } = this.#options
    this.#pages.delete(connection.record.id)
    connection.place.free()
    delivery.remove(connection)
    registry.write(connection.record)
    this.#tell(hooks.onDisconnect, connection, reason)
  }

  #tell<More extends unknown[]>(
    hook: ((connection: ConnectionDetails, ...more: More) => unknown) | undefined,
    { record }: Connection,
    ...more: More
  ): void {
    if (hook) isolate(() => hook(detailsOf(record), ...more), this.#options.onError)
  }

  #reserve(address: string | undefined, viewer: string | undefined): Place {
    if (this.closing) {
      throw new Refusal(503, 'This server is going down; come back in a moment.', comeBack())
    }
    return this.#admission.reserve(address, viewer)
  }

  /** Ends a connection to which access was taken; of a page those addresses alone. */
  #revoke(connection: Connection): void {
    const { revocation, delivery } = this.#options
    const { interest, endedBefore, record, subscriptions } = connection
    if (!revocation.refuses(record.viewer, interest.topics, endedBefore)) return
    if (!subscriptions) return connection.end('revoked')
    const refused = this.#refuse(subscriptions, record.viewer)
    if (refused.length === 0) return
    delivery.tell(connection, refusedFrame(refused))
    if (subscriptions.size === 0) connection.end('revoked')
    else delivery.change(connection)
  }
}

const unkept = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

/** Drops what is too much: of a browser with many tabs the others live on. */
function refuseSome(subscriptions: Subscriptions, most: number): Refused[] {
  let left = most
  const reason = 'This browser follows as much as one connection may; let elements share a parent.'
  return subscriptions.refuse(414, () => (left-- > 0 ? undefined : reason))
}

/** A page may follow nothing of what it asked for: why, for each. */
function noneOf(refused: readonly Refused[]): Response {
  const statuses = new Set(refused.map(({ status }) => status))
  const [first = 403] = statuses
  const status = statuses.size > 1 ? 403 : first
  const headers = { ...unkept, ...(status === 429 || status >= 500 ? comeBack() : {}) }
  return Response.json({ refused }, { status, headers })
}

function isOfPage(
  connection: Connection,
): connection is Connection & { subscriptions: Subscriptions } {
  return connection.subscriptions !== undefined
}

/** Shared, for most connections have none of it. */
const none: readonly never[] = []

/**
 * Three missed heartbeats, in seconds: a connection that takes nothing gets none, and the server cuts it. Bun looks
 * every four seconds; a limit of four or less cuts also who was just written to.
 */
function idleLimit(heartbeat: number): number {
  return Math.min(255, Math.max(8, Math.ceil((3 * heartbeat) / 1_000)))
}

function cursorOf(request: Request): string | undefined {
  const last = request.headers.get('last-event-id')
  const cursor = last || sinceOf(request.url)
  // What is longer is none, and would be kept for as long as the connection lives.
  return cursor && cursor.length <= 100 ? cursor : undefined
}

/** Most addresses have none, and need not be taken apart. */
function sinceOf(url: string): string | null {
  return url.includes('since=') ? urlOf({ url }).searchParams.get('since') : null
}
