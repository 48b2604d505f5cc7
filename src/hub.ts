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
import { type AssetName, asset } from './assets'
import type { BunServer } from './connection'
import { Connections } from './connections'
import { openStore, type Store } from './db'
import { Declarations, type Guard, keyOf, type TopicOptions } from './declarations'
import { Delivery, everyone } from './delivery'
import { Door, type Endpoint, stopPath } from './door'
import { readHistory } from './history'
import { isolate } from './hooks'
import { closeOnReload } from './hot'
import type { Html } from './html'
import { type Limits, limitsOf } from './limits'
import type { Kind, Log, Tx } from './log'
import { endKey } from './log/contract'
import { sqliteLogOn } from './log/sqlite'
import { type Middleware, Middlewares } from './middleware'
import type {
  AddressOptions,
  Broadcast,
  History,
  HistoryOptions,
  HubOptions,
  PublishOptions,
  RevokeOptions,
  Stats,
} from './options'
import { checkOrigins, checkProxies, checkViewer } from './origin'
import { currentPage, type Page, pages } from './page'
import { type Content, type Destination, Publisher, type Rendered } from './publisher'
import { printRefusal, Refusal } from './refusal'
import { Registry } from './registry'
import { Replay } from './replay'
import { type Access, Revocation, revocations, revoked } from './revocation'
import { Stops } from './stops'
import { Patch, swap } from './swap'
import { asPattern, asTopic, matches, type Pattern, type Topic } from './topic'
import { Trim } from './trim'
import { Windows } from './windows'
import { type EventId, eventId } from './wire'

/** What {@link Hub.push} pushes: a component, which stands on a floor above. */
export interface Pushable {
  readonly topic: Topic
  pushTo(hub: Hub): Promise<EventId | undefined>
}

/** The engine of one process. */
export class Hub {
  /** Where the streams are. */
  readonly path: string
  readonly limits: Limits
  /** Its Drizzle instance. */
  readonly db: Store['db']
  readonly log: Log
  readonly registry: Registry
  /** @internal Texts and logs that wait for more: what they have is sent before the hub closes. */
  readonly windows = new Windows()
  /** @internal What is stopped with {@link stop}. */
  readonly stops = new Stops()
  #store: Store
  #signer: Signer
  #viewer: NonNullable<HubOptions['viewer']> | undefined
  #onError: NonNullable<HubOptions['onError']>
  #onRefuse: NonNullable<HubOptions['onRefuse']>
  #middlewares: Middlewares
  #publisher: Publisher
  #delivery: Delivery
  #replay: Replay
  #trim: Trim
  #door: Door
  #endpoints = new Map<string, Endpoint>()
  #closing = new Set<() => void>()
  #missed = new Set<(topic: Topic) => void>()
  #declarations = new Declarations()
  #connections: Connections
  #revocation: Revocation
  #ownsLog: boolean
  #unfollow: () => void
  #forget: () => void
  #drained: Promise<void> | undefined
  #closed = false

  constructor(options: HubOptions = {}) {
    this.path = pathOf(options.path ?? '/stream')
    this.limits = limitsOf(options.limits)
    this.#viewer = options.viewer
    const proxies = checkProxies(options.proxies ?? 0)
    const origins = checkOrigins(options.origins ?? [])
    this.#onError = reporting(options.onError)
    this.#store = openStore(options.database ?? ':memory:', options)
    this.db = this.#store.db
    this.log = options.log ?? sqliteLogOn(this.#store)
    this.#ownsLog = options.log === undefined
    this.registry = new Registry(this.#store, {
      lease: this.limits.lease,
      onError: this.#onError,
    })
    this.#signer = new Signer(
      options.secret ?? this.registry.constant('secret', () => randomSecret()),
    )
    this.#middlewares = new Middlewares(this.#onError)
    this.#revocation = new Revocation(this.#store)
    this.#publisher = new Publisher(this.log, this.limits, this.#middlewares)
    this.#delivery = new Delivery({
      epoch: this.log.epoch,
      position: this.log.head(),
      limits: this.limits,
      events: {
        onViewers: (topic, viewed) => this.#viewers(topic, viewed),
        onLag: ({ record }) => this.registry.write(record),
        onCatchUp: (connection) => this.#replay.resume(connection),
        onChange: ({ record }) => this.registry.move(record),
        onBeat: () => this.#connections.beat(),
      },
    })
    this.#replay = new Replay({
      log: this.log,
      delivery: this.#delivery,
      limits: this.limits,
      declared: (topic) => this.#declarations.of(topic),
      onError: this.#onError,
    })
    this.#connections = new Connections({
      limits: this.limits,
      proxies,
      registry: this.registry,
      delivery: this.#delivery,
      replay: this.#replay,
      revocation: this.#revocation,
      hooks: options,
      onError: this.#onError,
    })
    this.#trim = new Trim(this.log, (topic) => this.#declarations.of(topic).keep, this.#onError)
    const { onRefuse = printRefusal } = options
    this.#onRefuse = (...refused) => void isolate(() => onRefuse(...refused), this.#onError)
    this.#door = new Door({
      path: this.path,
      limits: this.limits,
      signer: this.#signer,
      declarations: this.#declarations,
      endpoints: this.#endpoints,
      proxies,
      origins,
      viewer: options.viewer && ((request) => this.viewer(request)),
      connect: (request, connect) => this.#connections.open(request, connect),
      connectPage: (...page) => this.#connections.page(...page),
      findPage: (...page) => this.#connections.ofPage(...page),
      stop: async (topics, viewer) => {
        const patterns = topics as readonly string[] as readonly Pattern[]
        if (this.#revocation.refuses(viewer ?? null, patterns)) throw new Refusal(403, revoked)
        await Promise.all(topics.map((topic) => this.stop(topic)))
      },
      onRefuse: this.#onRefuse,
      onError: this.#onError,
    })
    this.#unfollow = this.log.follow((events, missed) => {
      this.#replay.forget(events, missed)
      this.#delivery.dispatch(events, missed)
      this.#trim.count(events)
      for (const { form, kind, topic, seq } of events) {
        if (topic === revocations) this.#connections.enforce()
        if (form === 'stop') this.stops.hear(topic, seq)
        else if (form === 'end' && kind === 'state') this.#ended(topic)
        else if (form === 'begin') this.#endpoint(topic)?.begun?.(topic)
      }
      for (const topic of missed?.topics ?? []) for (const act of this.#missed) act(topic)
    }, this.#onError)
    this.#forget = closeOnReload(this)
    this.#store.hurry()
  }

  /**
   * Declares the topics that a pattern names; of the declarations that fit a topic the one with the highest
   * priority counts, then the first. A manager's own counts before all.
   *
   * @throws TypeError for a pattern or a priority that is none.
   * @example hub.topic('room:*', { kind: 'log', keep: { count: 100 } })
   */
  topic(pattern: string, options: TopicOptions = {}): this {
    this.#declarations.add(pattern, options)
    return this
  }

  /** @internal Declares topics of an endpoint, which count before all that the app declares. */
  own(pattern: string, options: TopicOptions): void {
    this.#declarations.add(pattern, options, true)
  }

  /**
   * Has everything that is published to the topics of a pattern go through a function, once it is rendered. Several
   * go one after the other, the highest priority first, then the first declared. What a page renders itself does not
   * pass here. One that fails is reported, and changes nothing: a guard is no middleware.
   *
   * @param options.priority @default 0
   * @throws TypeError for a pattern or a priority that is none.
   * @example hub.use('room:**', ({ content }) => (isRude(content) ? null : undefined))
   */
  use(pattern: string, middleware: Middleware, options: { priority?: number } = {}): this {
    this.#middlewares.add(pattern, middleware, { priority: options.priority })
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
   * when a render takes longer than 10 s or the log does not keep it. With `tx` at once, so that it is rolled back.
   */
  publish(
    topic: string,
    content: Content,
    options: PublishOptions = {},
  ): Promise<EventId | undefined> {
    const { tx } = options
    if (!tx) {
      try {
        return this.append(this.#destination(topic, options), content)
      } catch (error) {
        return Promise.reject(error)
      }
    }
    return this.#within(tx, this.#destination(topic, options), content)
  }

  /**
   * Renders a component again and publishes it, to whoever shows it at whatever process. Who pushes while it is being
   * rendered shares the next render, so that what is published last is never older than the last push.
   *
   * Of trusted HTML each root takes the place of the element with its id, on every page that is connected; it is not kept.
   *
   * @throws TypeError for a component of another hub and within its own render, what the render throws, and what
   * {@link publish} throws.
   * @example await hub.push(board)
   */
  push(component: Pushable | Html | Promise<Html>): Promise<EventId | undefined> {
    if (typeof component === 'string' || component instanceof Promise)
      return this.#pushHtml(component)
    if (this.#closed) return Promise.reject(closedFor(component.topic))
    return component.pushTo(this)
  }

  async #pushHtml(html: Html | Promise<Html>): Promise<undefined> {
    await this.broadcast('**', swap.replace(await html))
  }

  #destination(topic: string, options: PublishOptions): Destination {
    const checked = asTopic(topic)
    const { kind, form, key: own } = this.#declarations.of(checked)
    if (options.kind !== undefined && options.kind !== kind) {
      throw new TypeError(
        `Expected kind ${kind}, as declared for "${topic}" (undeclared topics are kind log), got ${options.kind}`,
      )
    }
    const key = keyOf(options.key) ?? own
    return { topic: checked, kind, form, key, audience: audienceBut(options.except) }
  }

  /**
   * Publishes to one topic, to many, or with `'**'` a patch to whoever is connected, and says for how many connections of
   * this process that was; those of other processes get it too.
   *
   * @throws TypeError as {@link publish} does, and for HTML to all: it has no slot.
   * @example await hub.broadcast('**', swap.innerHTML('#notice', 'Back in a minute'))
   */
  broadcast(
    to: string | readonly string[],
    content: Content,
    options: PublishOptions = {},
  ): Promise<Broadcast> {
    // With a transaction what fails must fail inside of it: this is not `async`.
    const { except, tx } = options
    if (to === '**') {
      const all = { ...toAll, audience: audienceBut(except) }
      const patch = patchOnly(content)
      const published = tx ? this.#within(tx, all, patch) : this.append(all, patch)
      return this.#broadcastOf([published], everyone, options)
    }
    try {
      const topics = [...new Set(typeof to === 'string' ? [to] : to)].map(asTopic)
      const published = topics.map((topic) => this.publish(topic, content, options))
      return this.#broadcastOf(published, topics, options)
    } catch (error) {
      if (tx) throw error
      return Promise.reject(error)
    }
  }

  #broadcastOf(
    published: Promise<EventId | undefined>[],
    topics: readonly Topic[] | typeof everyone,
    { except, tx }: PublishOptions,
  ): Promise<Broadcast> {
    const done = Promise.all(published).then((ids) => ({
      ids: ids.filter((id) => id !== undefined),
      delivered: this.#delivery.countOf(topics, except),
    }))
    // Who rolls a transaction back knows; without one it is the caller's.
    if (tx) done.catch(() => {})
    return done
  }

  #within(tx: Tx, to: Destination, content: Content): Promise<EventId | undefined> {
    if (this.#closed) throw closedFor(to.topic)
    const published = this.#publisher.publishWithin(tx, to, content)
    const named = published.then((place) => this.#nameOf(to, place))
    // Nobody awaits inside of a transaction, and who rolls it back knows.
    named.catch(() => {})
    return named
  }

  /**
   * Publishes to one connection alone, as an event of kind `signal`, whatever the topic's kind: it is not kept.
   *
   * @param connection its id, as in the registry and in `onConnect`
   * @returns whether it is open and follows the topic, at this process or another
   * @throws TypeError for a bad topic.
   */
  async send(connection: string, topic: string, content: Content): Promise<boolean> {
    this.#mustBeOpen()
    const { form, topic: checked } = this.#destination(topic, {})
    if (!this.#isFollowing(connection, checked)) return false
    const audience = `=${connection}`
    await this.append({ topic: checked, kind: 'signal', form, key: null, audience }, content)
    return true
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new Error('The hub is closed')
  }

  #isFollowing(id: string, topic: Topic): boolean {
    const open = this.registry.find(id)
    return open?.topics.some((one) => matches(one as Pattern, topic)) ?? false
  }

  /** Publishes as the manager does, with kind and form given. */
  append(to: Destination, content: Content): Promise<EventId | undefined> {
    if (this.#closed) return Promise.reject(closedFor(to.topic))
    return this.#publisher.publish(to, content).then((place) => this.#nameOf(to, place))
  }

  #nameOf({ kind }: Destination, place: { seq: number } | undefined): EventId | undefined {
    return place && kind !== 'signal' ? eventId(this.log.epoch, place.seq) : undefined
  }

  /**
   * Ends a topic: connections that name only ended topics are told `done` and closed; a page is told of each address
   * of which that holds. Publishing to it begins it again.
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

  /** Has whatever is piped to a topic stopped, at whichever process it runs. */
  async stop(topic: string): Promise<void> {
    await this.append({ topic: asTopic(topic), kind: 'signal', form: 'stop', key: null }, '')
  }

  /**
   * Deletes all that is kept of a topic, its end too, at every process on the database; what was published to it here
   * before goes first, and what comes later is as on a new topic. Who comes or returns is given nothing of it, and whoever
   * follows is shown the topic as it then stands: its slots are emptied. What patches put elsewhere on a page stays there,
   * as does what is shown of kind `signal`.
   *
   * What is still piped to it goes on: stop that first, and wait for it. The database keeps the topic's name with a number.
   * The words are overwritten in the file; in the write-ahead log beside it they can be read until SQLite has written
   * that over, or the last who has the file open closes it. A copy that SQLite made earlier, when it moved rows between its
   * pages, may stay now and then: `vacuum` leaves none. Where the database was given opened, what its own connection replaces
   * or deletes is overwritten only with `pragma secure_delete`.
   *
   * @throws TypeError for a pattern or a bad topic, and Error when the hub is closed or the log does not take it.
   * @example await hub.forget(`chat:${id}:answer`)
   */
  async forget(topic: string): Promise<void> {
    this.#mustBeOpen()
    const checked = asTopic(topic)
    this.windows.flush()
    // A mark comes after all that was published before, what waits for its pace too.
    await this.append({ topic: checked, kind: 'signal', form: 'begin', key: null }, '')
    await this.log.forget(checked)
  }

  /** A signed URL: whoever posts to it stops what is piped to that topic. */
  stopAddress(topic: string, options: Omit<AddressOptions, 'since'> = {}): string {
    const query = new URLSearchParams({ topic: asTopic(topic) })
    return this.sign(`${this.path}/${stopPath}`, query, 'signed', { ...options, since: null })
  }

  /** Opens a connection to these topics; whether the request may follow them is the caller's to check. */
  open(
    request: Request,
    topics: readonly string[],
    options: { server?: BunServer | undefined; viewer?: string | undefined } = {},
  ): Response {
    if (topics.length === 0) throw new TypeError('Expected a topic, got none')
    checkViewer(options.viewer)
    try {
      return this.#connections.open(request, {
        kind: 'topics',
        topics: topics.map(asPattern),
        ...options,
      })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.#onRefuse(error, request)
      return error.respond()
    }
  }

  /**
   * Answers a request for anything under the hub's path; nothing for any other.
   *
   * @param options.server knows the address of the socket; without it, and without `proxies`, no cap counts by address
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

  /**
   * Takes a viewer's access, or everybody's, to the topics that a pattern names, or to everything: ends such
   * connections of every process on the database, after what was published before, and refuses their return
   * with 403, whatever an address or a guard says, also after a restart. A connection to several topics ends as a whole;
   * that of a page loses the addresses that name them.
   * What was taken for longer already stays so until it is granted.
   *
   * @throws TypeError for neither a viewer nor a topic, and for a topic that is none.
   * @example await hub.revoke({ viewer: session.id, expires: 86_400_000 })
   */
  async revoke({ expires, ...access }: RevokeOptions): Promise<void> {
    this.#mustBeOpen()
    await this.#revocation.add(access, expires)
    await this.#announce()
  }

  /**
   * Gives access back that was taken with the same viewer and topic.
   *
   * @throws TypeError for neither a viewer nor a topic, and for a topic that is none.
   */
  async grant(access: Access): Promise<void> {
    this.#mustBeOpen()
    await this.#revocation.remove(access)
    await this.#announce()
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
    return checkViewer(await this.#viewer?.(request))
  }

  /**
   * What is kept of a topic, within the declared count and age: all of it, the newest so many, or a window of time;
   * oldest first. With it the cursor from where to follow: nothing is missed then, and nothing comes twice.
   *
   * @throws TypeError for a pattern, a number below 1, or a time that is none.
   * @example hub.history('room:1', { last: 50, since: Date.now() - 3_600_000 })
   */
  async history(topic: string, options: HistoryOptions = {}): Promise<History> {
    this.#mustBeOpen()
    const checked = asTopic(topic)
    return readHistory(this.log, checked, this.#declarations.of(checked), options)
  }

  /** What it counts at the moment. */
  stats(): Stats {
    const byKind: Record<string, number> = {}
    let lagging = 0
    for (const { record } of this.#delivery.connections()) {
      byKind[record.kind] = (byKind[record.kind] ?? 0) + 1
      if (record.state === 'lagging') lagging++
    }
    const { active, topics, events, dropped } = this.#delivery
    return {
      active,
      total: this.#connections.total,
      byKind,
      topics,
      lagging,
      events,
      dropped,
    }
  }

  /**
   * Ends all connections in slices over a time, so that they do not come back at once, and refuses new ones. What
   * is being published is kept and sent first, as long as that takes no more than half of the time. Draining
   * again joins the first drain.
   *
   * @param options.within milliseconds; with less than the retry hints nobody comes back meanwhile @default 5000
   * @throws TypeError for less than none, and for ever.
   */
  async drain({ within = 5_000 } = {}): Promise<void> {
    if (!Number.isFinite(within) || within < 0) {
      throw new TypeError(`Expected milliseconds from 0 on, got ${within}`)
    }
    this.#drained ??= this.#drain(within)
    return this.#drained
  }

  /** Ends everything and frees what was opened; what was published is kept first. Closing again does nothing. */
  close(): void {
    if (this.#closed) return
    // Nobody comes after it to try again.
    this.#store.wait()
    this.stops.close()
    this.windows.flush()
    this.#publisher.flush()
    this.#closed = true
    this.#forget()
    for (const act of this.#closing) act()
    this.#publisher.flush()
    this.#delivery.flush()
    this.#connections.close()
    this.#replay.close()
    this.#trim.close()
    this.registry.close()
    this.#unfollow()
    if (this.#ownsLog) this.log.close()
    this.#store.close()
  }

  /** Whether it was closed, so that nothing can be published any more. */
  get isClosed(): boolean {
    return this.#closed
  }

  /** Whether a path is the hub's to answer. */
  serves(pathname: string): boolean {
    return pathname === this.path || pathname.startsWith(`${this.path}/`)
  }

  /**
   * Names the viewer of the page that is being rendered, without saying who it is; nothing for nobody in particular.
   * The browser runtime shares a stream only between pages with the same one. Such a page is marked as one with
   * addresses is.
   */
  get viewerTag(): string | undefined {
    const page = currentPage(this)
    if (page?.viewer === undefined) return undefined
    page.addressed = true
    return this.#signer.tag(page.viewer)
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

  /** @internal Has something done when the hub closes: what it then publishes is kept no more. */
  onClose(act: () => void): void {
    this.#closing.add(act)
  }

  /** @internal Has something done when a topic was forgotten, or of what was given up could not be told all. */
  onMissed(act: (topic: Topic) => void): void {
    this.#missed.add(act)
  }

  /** Whether anybody follows this very topic at this process. */
  isViewed(topic: Topic): boolean {
    return this.#delivery.isViewed(topic)
  }

  /** Reports what failed away from a caller. */
  report(error: unknown, topic?: Topic): void {
    this.#onError(error, topic)
  }

  /** A page without addresses is nobody's concern; with some it must not be rendered for the wrong viewer. */
  async #identify(page: Page, request: Request): Promise<void> {
    try {
      page.viewer = await this.viewer(request)
    } catch (error) {
      page.fault = error
    }
  }

  async #drain(within: number): Promise<void> {
    this.#connections.closing = true
    const until = performance.now() + within
    this.windows.flush()
    await atMost(within / 2, this.#publisher.settle())
    if (!this.#closed) this.#delivery.flush()
    await this.#connections.drain(until)
    if (!this.#closed) this.registry.flush()
  }

  #newPage(): Page {
    return { cursor: this.cursor(), viewer: undefined, addressed: false }
  }

  /** Tells all processes, this one too, to end whom access was taken from. */
  async #announce(): Promise<void> {
    const mark = { topic: revocations, kind: 'signal', form: 'begin', key: null } as const
    await this.append(mark, '').finally(() => this.#connections.enforce())
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

/** Waits for a promise, but not for longer than so many milliseconds. */
async function atMost(milliseconds: number, promise: Promise<unknown>): Promise<void> {
  let timer: Timer | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

const toAll = { topic: everyone, kind: 'signal', form: 'slot', key: null } as const

function audienceBut(connection: string | undefined): string | undefined {
  return connection === undefined ? undefined : `!${connection}`
}

function closedFor(topic: string): Error {
  return new Error(`The hub is closed: nothing can be published to "${topic}"`)
}

/** What goes to all has no slot of its own. */
function patchOnly(content: Content): Content {
  const check = (rendered: Rendered): Rendered => {
    if (rendered instanceof Patch || !rendered) return rendered
    throw new TypeError(
      'Expected a patch for all connections, got HTML, for which there is no slot',
    )
  }
  return () => {
    const rendered = typeof content === 'function' ? content() : content
    return rendered instanceof Promise ? rendered.then(check) : check(rendered)
  }
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

/** One that fails itself is printed, with what it was to be told. */
function reporting(onError: HubOptions['onError']): NonNullable<HubOptions['onError']> {
  if (!onError) return printError
  return (error, topic) => {
    const fail = (fault: unknown) => {
      printError(fault)
      printError(error, topic)
    }
    isolate(() => onError(error, topic), fail)
  }
}

function printError(error: unknown, topic?: Topic): void {
  console.error(topic ? `headwater: ${topic}:` : 'headwater:', error)
}
