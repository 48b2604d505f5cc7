/**
 * The hub: the engine of one process.
 *
 * Say a job at 40 %. `publish('job:42:progress', <progress value="40" max="100"/>)` appends the HTML to the
 * log at the end of the turn, which numbers it. The log hands it back to every hub that follows it, of this
 * and of other processes; each encodes it once and writes the same bytes to all connections with that topic.
 * A browser that was cut off comes back with the number of the last event it has, reads the log from there,
 * and joins the others.
 */
import { expiryOf, Signer } from './address'
import { Admission } from './admission'
import { type AssetName, asset } from './assets'
import { type BunServer, Connection } from './connection'
import { openStore, type Store } from './db'
import { Declarations, type Guard, type TopicOptions } from './declarations'
import { Delivery } from './delivery'
import { type Connect, Door, type Endpoint } from './door'
import { defaults, drawRetry, type Limits } from './limits'
import { type Kind, type Log, sqliteLog } from './log'
import { endKey } from './log/contract'
import type { AddressOptions, HistoryItem, HubOptions, PublishOptions, Stats } from './options'
import { currentPage, type Page, pages } from './page'
import { type Content, type Destination, Publisher } from './publisher'
import { comeBack, printRefusal, Refusal } from './refusal'
import { Registry } from './registry'
import { Replay } from './replay'
import { asPattern, asTopic, type Pattern, type Topic } from './topic'
import { Trim } from './trim'
import { type EventId, eventId, htmlOf } from './wire'

/** The engine of one process. */
export class Hub {
  /** Where the streams are. */
  readonly path: string
  readonly limits: Limits
  /** Its Drizzle instance. */
  readonly db: Store['db']
  readonly log: Log
  readonly registry: Registry
  #store: Store
  #signer: Signer
  #viewer: NonNullable<HubOptions['viewer']> | undefined
  #onError: NonNullable<HubOptions['onError']>
  #onRefuse: NonNullable<HubOptions['onRefuse']>
  #publisher: Publisher
  #delivery: Delivery
  #replay: Replay
  #trim: Trim
  #door: Door
  #endpoints = new Map<string, Endpoint>()
  #declarations = new Declarations()
  #admission: Admission
  #ownsLog: boolean
  #unfollow: () => void
  #total = 0
  #draining = false
  #closed = false

  constructor(options: HubOptions = {}) {
    this.path = pathOf(options.path ?? '/stream')
    this.limits = { ...defaults, ...options.limits }
    this.#admission = new Admission(this.limits)
    this.#viewer = options.viewer
    this.#onError = options.onError ?? printError
    this.#store = openStore(options.database ?? ':memory:')
    this.db = this.#store.db
    this.log = options.log ?? sqliteLog(this.#store.client)
    this.#ownsLog = options.log === undefined
    this.registry = new Registry(this.#store, {
      lease: this.limits.lease,
      onError: this.#onError,
    })
    this.#signer = new Signer(
      options.secret ?? this.registry.constant('secret', () => randomSecret()),
    )
    this.#publisher = new Publisher(this.log, this.limits)
    this.#delivery = new Delivery({
      epoch: this.log.epoch,
      position: this.log.head(),
      limits: this.limits,
      onViewers: (topic, viewed) => this.#viewers(topic, viewed),
      onLag: ({ record }) => this.registry.write(record),
      onDrained: (connection) => this.#replay.resume(connection),
      onBeat: () => this.#seen(),
    })
    this.#replay = new Replay({
      log: this.log,
      delivery: this.#delivery,
      limits: this.limits,
      declared: (topic) => this.#declarations.of(topic),
      onError: this.#onError,
    })
    this.#trim = new Trim(this.log, (topic) => this.#declarations.of(topic).keep, this.#onError)
    this.#onRefuse = options.onRefuse ?? printRefusal
    this.#door = new Door({
      path: this.path,
      limits: this.limits,
      signer: this.#signer,
      declarations: this.#declarations,
      endpoints: this.#endpoints,
      viewer: options.viewer && ((request) => this.viewer(request)),
      connect: (request, connect) => this.#connect(request, connect),
      onRefuse: this.#onRefuse,
      onError: this.#onError,
    })
    this.#unfollow = this.log.follow((events) => {
      this.#delivery.dispatch(events)
      this.#trim.count(events)
      for (const { form, kind, topic } of events) {
        if (form === 'end' && kind === 'state') this.#ended(topic)
        else if (form === 'begin') this.#endpoint(topic)?.begun?.(topic)
      }
    }, this.#onError)
  }

  /**
   * Declares the topics that a pattern names; the first declaration that fits a topic counts.
   *
   * @throws TypeError for a pattern that is none.
   * @example hub.topic('room:*', { kind: 'log', keep: { count: 100 } })
   */
  topic(pattern: string, options: TopicOptions = {}): this {
    this.#declarations.add(pattern, options)
    return this
  }

  /** The declared kind of a topic; `log` where nothing was declared. */
  kindOf(topic: string): Kind {
    return this.#declarations.of(asTopic(topic)).kind
  }

  /**
   * Publishes trusted HTML or a patch, and resolves with its event id once it is kept; with nothing for kind
   * `signal`, and where there was nothing to send. A promise is awaited, a function called in the topic's turn.
   *
   * User text is not trusted: `<p safe>{text}</p>` or `text(value)`.
   *
   * @throws TypeError for a bad topic or another kind than declared; RangeError for more than 1 MB; Error
   * when a render takes longer than 10 s or the log does not keep it.
   */
  async publish(
    topic: string,
    content: Content,
    options: PublishOptions = {},
  ): Promise<EventId | undefined> {
    const checked = asTopic(topic)
    const { kind } = this.#declarations.of(checked)
    if (options.kind !== undefined && options.kind !== kind) {
      throw new TypeError(
        `Expected kind ${kind}, as declared for "${topic}" (undeclared topics are kind log), got ${options.kind}`,
      )
    }
    const key = keyOf(options.key, kind)
    return this.append({ topic: checked, kind, form: 'slot', key }, content)
  }

  /** Publishes as the manager does, with kind and form given. */
  async append(to: Destination, content: Content): Promise<EventId | undefined> {
    if (this.#closed)
      throw new Error(`The hub is closed: nothing can be published to "${to.topic}"`)
    const place = await this.#publisher.publish(to, content)
    return place && to.kind !== 'signal' ? eventId(this.log.epoch, place.seq) : undefined
  }

  /**
   * Ends a topic: connections that name only ended topics are told `done` and closed. Publishing to it
   * begins it again.
   *
   * @param options.kept whether who comes later is told too @default true
   */
  async end(topic: string, { kept = true } = {}): Promise<void> {
    // Of kind signal nothing is kept that could begin it again.
    const kind = kept && this.kindOf(topic) !== 'signal' ? 'state' : 'signal'
    await this.append({ topic: asTopic(topic), kind, form: 'end', key: endKey }, '')
  }

  /** Begins a topic again that has ended. */
  async begin(topic: string): Promise<void> {
    await this.append({ topic: asTopic(topic), kind: 'state', form: 'begin', key: endKey }, '')
  }

  /** Opens a connection to these topics; whether the request may follow them is the caller's to check. */
  open(
    request: Request,
    topics: readonly string[],
    options: { server?: BunServer | undefined; viewer?: string | undefined } = {},
  ): Response {
    if (topics.length === 0) throw new TypeError('Expected a topic, got none')
    try {
      return this.#connect(request, { kind: 'topics', topics: topics.map(asPattern), ...options })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.#onRefuse(error, request)
      return error.respond()
    }
  }

  /**
   * Answers a request for anything under the hub's path; nothing for any other.
   *
   * @example Bun.serve({ fetch: async (request, server) => (await hub.fetch(request, { server })) ?? page() })
   */
  fetch(
    request: Request,
    options: { server?: BunServer | undefined } = {},
  ): Promise<Response | undefined> {
    return this.#door.answer(request, options.server)
  }

  /** A signed URL that opens these topics, and nothing else. */
  address(topics: readonly string[], options: AddressOptions = {}): string {
    const most = this.limits.topics
    if (topics.length === 0) throw new TypeError('Expected a topic, got none')
    if (topics.length > most) {
      throw new RangeError(`Expected at most ${most} topics, got ${topics.length}; use a pattern`)
    }
    const query = new URLSearchParams()
    for (const topic of topics) query.append('topic', asPattern(topic))
    return this.sign(this.path, query, 'signed', options)
  }

  /** An address under the hub's path with `since`, and unless everybody may follow it, a signature. */
  sign(path: string, query: URLSearchParams, guard: Guard, options: AddressOptions = {}): string {
    const page = currentPage(this)
    if (page) page.addressed = true
    if (guard === 'signed') {
      if (page?.fault !== undefined && options.viewer === undefined) throw page.fault
      const expires = expiryOf(options.expires, this.limits.expires)
      this.#signer.sign(path, query, expires, options.viewer ?? page?.viewer)
    }
    const since = options.since === undefined ? page?.cursor : options.since
    if (since) query.set('since', since)
    return `${path}?${query.toString().replaceAll('+', '%20')}`
  }

  /** Where the log stands. Take it before the page's data is read. */
  cursor(): EventId {
    return eventId(this.log.epoch, this.log.head())
  }

  /**
   * Renders a page: its addresses begin at the cursor taken now, and are its viewer's. A response with addresses
   * is marked `Cache-Control: private, no-store`, unless it says something else. The Elysia plugin does all this
   * for every request.
   *
   * @example hub.page(request, async () => html(<Page jobs={await jobs()} />))
   */
  async page<T>(request: Request, render: () => T | Promise<T>): Promise<T> {
    const page = this.#newPage()
    await this.#identify(page, request)
    const rendered = await pages.run(new Map(pages.getStore()).set(this, page), render)
    if (rendered instanceof Response && page.addressed && !rendered.headers.has('cache-control')) {
      rendered.headers.set('cache-control', 'private, no-store')
    }
    return rendered
  }

  /** Begins a page for the rest of the current asynchronous call. Resolves when its viewer is known. */
  async enter(request: Request): Promise<void> {
    const page = this.#newPage()
    pages.enterWith(new Map(pages.getStore()).set(this, page))
    await this.#identify(page, request)
  }

  /** The page that is being rendered for this hub. */
  get current(): Page | undefined {
    return currentPage(this)
  }

  /** Who asks, by the app's word. */
  async viewer(request: Request): Promise<string | undefined> {
    return (await this.#viewer?.(request)) ?? undefined
  }

  /** The newest kept events of a topic, oldest first, and the cursor that goes with exactly these. */
  async history(
    topic: string,
    options: { last?: number } = {},
  ): Promise<{ items: HistoryItem[]; cursor: EventId }> {
    const checked = asTopic(topic)
    const { keep, kind } = this.#declarations.of(checked)
    const wanted = options.last ?? keep.count
    if (!Number.isInteger(wanted) || wanted < 1) {
      throw new TypeError(`Expected a number of events from 1 on, got ${wanted}`)
    }
    const cursor = this.cursor()
    const count = kind === 'log' ? Math.min(wanted, keep.count) : wanted
    const events = await this.log.last(checked, count)
    const oldest = kind === 'log' ? Date.now() - keep.age : 0
    const items = events
      .filter(({ at }) => at >= oldest)
      .map((event) => ({
        id: eventId(this.log.epoch, event.seq),
        html: htmlOf(event),
        key: event.key ?? undefined,
        at: new Date(event.at),
      }))
    return { items, cursor: items.at(-1)?.id ?? cursor }
  }

  /** What it counts at the moment. */
  stats(): Stats {
    const byKind: Record<string, number> = {}
    let lagging = 0
    for (const { record } of this.#delivery.connections) {
      byKind[record.kind] = (byKind[record.kind] ?? 0) + 1
      if (record.state === 'lagging') lagging++
    }
    const { connections, topics, events } = this.#delivery
    return { active: connections.size, total: this.#total, byKind, topics, lagging, events }
  }

  /**
   * Ends all connections in slices over a time, so that they do not come back at once, and refuses new ones.
   *
   * @param options.within milliseconds @default 5000
   */
  async drain({ within = 5_000 } = {}): Promise<void> {
    this.#draining = true
    await Promise.race([this.#publisher.settle(), Bun.sleep(within)])
    this.#delivery.flush()
    const all = [...this.#delivery.connections]
    const slices = Math.min(all.length, Math.max(1, Math.round(within / 50)))
    for (let slice = 0; slice < slices; slice++) {
      for (let i = slice; i < all.length; i += slices) all[i]?.end('drained')
      if (slice < slices - 1) await Bun.sleep(within / slices)
    }
    this.registry.flush()
  }

  /** Ends everything and frees what was opened; what was published is kept first. Closing again does nothing. */
  close(): void {
    if (this.#closed) return
    this.#publisher.flush()
    this.#closed = true
    this.#draining = true
    for (const endpoint of this.#endpoints.values()) endpoint.close?.()
    this.#publisher.flush()
    this.#delivery.flush()
    for (const connection of [...this.#delivery.connections]) connection.end('closed')
    this.#trim.close()
    this.registry.close()
    this.#unfollow()
    if (this.#ownsLog) this.log.close()
    this.#store.close()
  }

  /** Whether a path is the hub's to answer. */
  serves(pathname: string): boolean {
    return pathname === this.path || pathname.startsWith(`${this.path}/`)
  }

  /** The URL of a file that pages need. */
  asset(name: AssetName): string {
    return `${this.path}/-/${asset(name)?.hash}/${name}`
  }

  /**
   * Has an endpoint served under its name.
   *
   * @throws TypeError when the name is taken, or is no segment of a topic.
   */
  mount(endpoint: Endpoint): void {
    const { name } = endpoint
    if (!/^[a-zA-Z][\w-]*$/.test(name)) {
      throw new TypeError(`Expected a name of letters, digits, - and _, got "${name}"`)
    }
    if (this.#endpoints.has(name)) throw new TypeError(`"${name}" is declared already on this hub`)
    this.#endpoints.set(name, endpoint)
  }

  /** Whether anybody follows this very topic at this process. */
  isViewed(topic: Topic): boolean {
    return this.#delivery.isViewed(topic)
  }

  /** Reports what failed away from a caller. */
  report(error: unknown, topic?: Topic): void {
    this.#onError(error, topic)
  }

  /**
   * Opens a connection, access having been checked.
   *
   * @throws Refusal when there are too many, or the hub is draining.
   */
  #connect(request: Request, options: Connect): Response {
    const address = options.server?.requestIP(request)?.address
    const { viewer } = options
    this.#admit(address, viewer)
    const now = Date.now()
    const connection = new Connection({
      topics: [...new Set(options.topics)].sort(),
      ended: options.ended ?? [],
      open: options.open ?? [],
      aside: options.aside ?? [],
      first: options.first ?? [],
      cursor: cursorOf(request),
      retry: drawRetry(this.limits.retry),
      record: {
        id: crypto.randomUUID(),
        node: this.registry.node,
        kind: options.kind,
        topics: [...options.topics],
        entity: options.entity ?? null,
        viewer: viewer ?? null,
        address: address ?? null,
        agent: request.headers.get('user-agent')?.slice(0, 256) ?? null,
        openedAt: now,
        seenAt: now,
        events: 0,
        bytes: 0,
        state: 'open',
        reason: null,
      },
    })
    options.server?.timeout(request, idleLimit(this.limits.heartbeat))
    return connection.respond(
      () => {
        this.#total++
        this.#admission.count(address, viewer, 1)
        this.registry.write(connection.record)
        this.#delivery.admit(connection)
        this.#replay.open(connection)
      },
      () => {
        this.#admission.count(address, viewer, -1)
        this.#delivery.remove(connection)
        this.registry.write(connection.record)
      },
    )
  }

  #admit(address: string | undefined, viewer: string | undefined): void {
    if (this.#draining) {
      throw new Refusal(503, 'This server is going down; come back in a moment.', comeBack())
    }
    this.#admission.check(address, viewer)
  }

  /** A page without addresses is nobody's concern; with some it must not be rendered for the wrong viewer. */
  async #identify(page: Page, request: Request): Promise<void> {
    try {
      page.viewer = await this.viewer(request)
    } catch (error) {
      page.fault = error
    }
  }

  #newPage(): Page {
    return { cursor: this.cursor(), viewer: undefined, addressed: false }
  }

  #seen(): void {
    const now = Date.now()
    for (const { record } of this.#delivery.connections) {
      record.seenAt = now
      this.registry.write(record)
    }
  }

  #viewers(topic: Pattern, viewed: boolean): void {
    this.#endpoint(topic)?.viewers?.(topic, viewed)
  }

  async #ended(topic: Topic): Promise<void> {
    try {
      await this.#endpoint(topic)?.ended?.(topic)
    } catch (error) {
      this.report(error, topic)
    }
  }

  #endpoint(topic: Pattern): Endpoint | undefined {
    return this.#endpoints.get(topic.split(':', 1)[0] ?? '')
  }
}

/**
 * Three missed heartbeats, in seconds: a connection that takes nothing gets none, and the server cuts it. Bun looks
 * every four seconds; a limit of four or less cuts also who was just written to.
 */
function idleLimit(heartbeat: number): number {
  return Math.min(255, Math.max(8, Math.ceil((3 * heartbeat) / 1_000)))
}

function cursorOf(request: Request): string | undefined {
  const last = request.headers.get('last-event-id')
  return last || (new URL(request.url).searchParams.get('since') ?? undefined)
}

function keyOf(key: string | number | undefined, kind: Kind): string | null {
  if (key === undefined) return kind === 'state' ? '' : null
  const text = String(key)
  if (text.startsWith('hw:'))
    throw new TypeError(`Expected a key that does not begin with hw:, got "${text}"`)
  return text
}

function pathOf(path: string): string {
  if (!/^(\/[\w.~-]+)+$/.test(path)) {
    throw new TypeError(
      `Expected a path such as /stream, without a slash at its end, got "${path}"`,
    )
  }
  return path
}

function randomSecret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')
}

function printError(error: unknown, topic?: Topic): void {
  console.error(topic ? `headwater: ${topic}:` : 'headwater:', error)
}
