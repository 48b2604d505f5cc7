/**
 * The door: what is asked for, whether it may be had, and the refusal when not.
 *
 * Everything is checked before the first byte: an EventSource that is refused stops or comes back later, one
 * that is opened and then closed comes back for ever.
 */
import type { AddressFault, Signer } from './address'
import { serveAsset } from './assets'
import type { BunServer } from './connection'
import type { Declarations, Guard } from './declarations'
import type { Limits } from './limits'
import type { Awaitable } from './log'
import { readOrder, type Wanted } from './order'
import { isForeign, urlOf } from './origin'
import { Refusal } from './refusal'
import type { Refused, Subscription } from './subscriptions'
import { asPattern, isPattern, type Pattern, type Topic } from './topic'
import { within } from './within'

/**
 * What a guard is asked about who wants all entities. No id, no name, and nothing that is missing equals it: were it
 * `undefined`, `userOf(request)?.id === id` would let in who has no user.
 */
export const all: unique symbol = Symbol('all')

/** Who says whether a request may have what it asks for. */
export interface Guarded {
  guard: Guard<string | typeof all>
  /** What the guard is asked about. */
  subject: string | typeof all
}

/** What one request to an endpoint asks for. */
export interface Asked {
  /** The endpoint's name for the registry. */
  kind: string
  /** All must let it pass. */
  guards: readonly Guarded[]
  entity?: string | undefined
  /** Called once access was granted. */
  open(): Awaitable<Pick<Connect, 'topics' | 'ended' | 'open' | 'aside' | 'first'>>
}

/** A part of the hub's path, such as a manager's. */
export interface Endpoint {
  readonly name: string
  /** @throws Refusal when the request makes no sense. */
  ask(query: URLSearchParams, stream: string | undefined): Awaitable<Asked>
  /** Told of each connection that becomes live and names a topic or pattern, and when the last one has gone. */
  viewers?(topic: Pattern, viewed: boolean): void
  /** Told that a topic has ended for good. */
  ended?(topic: Topic): Awaitable<void>
  /** Told that a topic goes on that had ended. */
  begun?(topic: Topic): void
}

/** What a connection is opened with, access having been checked. */
export interface Connect {
  kind: string
  topics: readonly Pattern[]
  entity?: string | undefined
  viewer?: string | undefined
  server?: BunServer | undefined
  /** Topics that have ended by the app's word. */
  ended?: readonly Topic[]
  /** Topics that have not ended by the app's word, even if the log says so. */
  open?: readonly Topic[]
  /** Topics that do not keep the connection open when all others have ended. */
  aside?: readonly Topic[]
  /** Frames sent first. */
  first?: readonly string[]
}

/** What a page asks for, each of its addresses having been looked at. */
export interface ConnectPage {
  viewer?: string | undefined
  server?: BunServer | undefined
  granted: readonly Subscription[]
  refused: readonly Refused[]
  drop: readonly string[]
}

/** What the door needs of its hub. */
export interface DoorOptions {
  path: string
  limits: Limits
  signer: Signer
  declarations: Declarations
  /** How many proxies in front are believed. */
  proxies: number
  /** Origins of other sites whose pages may follow streams. */
  origins: readonly string[]
  endpoints: ReadonlyMap<string, Endpoint>
  /** Who asks, if the app says so. */
  viewer: ((request: Request) => Promise<string | undefined>) | undefined
  connect: (request: Request, connect: Connect) => Response
  /** @param connection one that the page has; else it is given one */
  connectPage: (request: Request, page: ConnectPage, connection: string | undefined) => Response
  /** @throws Refusal when a page of that viewer has no such connection here. */
  findPage: (connection: string, viewer: string | undefined) => unknown
  /** Stops what is piped to topics. @throws Refusal when the viewer's access to one was taken. */
  stop: (topics: readonly Topic[], viewer: string | undefined) => Promise<void>
  onRefuse: (refusal: Refusal, request: Request) => void
  onError: (error: unknown) => void
}

/** Where a POST stops what is piped to a topic, under the hub's path. */
export const stopPath = '-/stop'

const why: Record<AddressFault, string> = {
  unsigned: 'This stream needs a signed address; render it with hub.address() or a manager.',
  malformed: 'The address is damaged; reload the page.',
  expired: 'The address has expired; reload the page.',
  forged: 'The signature does not belong to this address or viewer; reload the page.',
}

/** How many addresses of a page are looked at at a time. */
const atOnce = 64

/** Shared, for most addresses have none of it. */
const none: readonly never[] = []

/** The requests of one hub. */
export class Door {
  #options: DoorOptions

  constructor(options: DoorOptions) {
    this.#options = options
  }

  /** Answers what is under the hub's path. */
  async answer(request: Request, server: BunServer | undefined): Promise<Response | undefined> {
    const url = urlOf(request)
    const { path } = this.#options
    if (url.pathname !== path && !url.pathname.startsWith(`${path}/`)) return undefined
    const rest = url.pathname.slice(path.length + 1)
    const answer = await this.#serve(request, url, rest, server).catch((error) =>
      this.#refusalOf(error, request).respond(),
    )
    return this.#share(answer, request)
  }

  /** What is told of a failure, which is reported. */
  #refusalOf(error: unknown, request: Request): Refusal {
    if (error instanceof Refusal) {
      this.#options.onRefuse(error, request)
      return error
    }
    this.#options.onError(error)
    return new Refusal(500, 'This stream could not be opened; the server has the reason.')
  }

  /** Lets the pages of origins that are granted read the answer: a browser asks for that beside the request. */
  #share(answer: Response, request: Request): Response {
    const origin = request.headers.get('origin')
    if (origin === null || !this.#options.origins.includes(origin)) return answer
    answer.headers.set('access-control-allow-origin', origin)
    answer.headers.set('access-control-allow-credentials', 'true')
    answer.headers.set('vary', 'origin')
    return answer
  }

  async #serve(
    request: Request,
    url: URL,
    rest: string,
    server: BunServer | undefined,
  ): Promise<Response> {
    if (rest.startsWith('-/') && request.method === 'HEAD') return this.#asset(rest)
    if (rest === stopPath) return this.#stop(request, url)
    const isOfPage = request.method === 'POST' && rest === ''
    if (request.method !== 'GET' && !isOfPage) {
      const allow = rest === '' ? 'GET, POST' : 'GET'
      throw new Refusal(405, `Streams are opened with ${allow}, not ${request.method}.`, { allow })
    }
    if (rest.startsWith('-/')) return this.#asset(rest)
    if (!isOfPage && hasBody(request)) throw new Refusal(413, 'Streams take no body.')
    if (isForeign(request, this.#options)) {
      throw new Refusal(403, 'Streams are not given to pages of other sites.')
    }
    if (isOfPage) return this.#page(request, url, server)
    const asked = await this.#ask(url, rest)
    const viewer = await this.#options.viewer?.(request)
    await this.#guard(request, url, asked, viewer)
    const { kind, entity } = asked
    const opened = await asked.open()
    return this.#options.connect(request, { kind, entity, viewer, server, ...opened })
  }

  /** A form's, or of htmx: the page stays as it is. */
  async #stop(request: Request, url: URL): Promise<Response> {
    if (request.method !== 'POST') {
      throw new Refusal(405, 'A text is stopped with POST.', { allow: 'POST' })
    }
    if (isForeign(request, this.#options)) {
      throw new Refusal(403, 'Streams are not stopped by pages of other sites.')
    }
    const viewer = await this.#options.viewer?.(request)
    const topics = this.#topicsOf(url)
    if (topics.some(isPattern)) throw new Refusal(400, 'Name the topic that is to be stopped.')
    // Who may follow a text may not always stop it: only a signature says so.
    const guards: Guarded[] = topics.map((subject) => ({ guard: 'signed', subject }))
    await this.#guard(request, url, { guards }, viewer)
    await this.#options.stop(topics as readonly string[] as readonly Topic[], viewer)
    if (request.headers.has('hx-request')) return new Response(null, { status: 204 })
    return new Response(null, { status: 303, headers: { location: backTo(request, url) } })
  }

  /** Many addresses at once, for one connection. One that is refused takes none of the others down. */
  async #page(request: Request, url: URL, server: BunServer | undefined): Promise<Response> {
    const { connection, follow, drop } = await readOrder(request)
    const viewer = await this.#options.viewer?.(request)
    // Before anything is asked for it; and again afterwards, for it may have ended meanwhile.
    if (connection !== undefined) this.#options.findPage(connection, viewer)
    const found: (Subscription | Refused)[] = []
    for (let at = 0; at < follow.length; at += atOnce) {
      const some = follow.slice(at, at + atOnce)
      found.push(
        ...(await Promise.all(some.map((one) => this.#subscribe(request, url, one, viewer)))),
      )
    }
    const granted = found.filter((one) => 'topics' in one)
    const refused = found.filter((one) => 'status' in one)
    const page = { viewer, server, granted, refused, drop }
    return this.#options.connectPage(request, page, connection)
  }

  async #subscribe(
    request: Request,
    base: URL,
    { id, address, cursor }: Wanted,
    viewer: string | undefined,
  ): Promise<Subscription | Refused> {
    const url = URL.parse(address, base)
    if (!url) return { id, status: 400, reason: `${shown(address)} is no address.` }
    // What a guard is asked about is this address, with the cookies and headers of the page.
    const own = new Request(url, { headers: request.headers })
    const grant = async () => {
      const asked = await this.#ask(url, this.#restOf(url, base))
      await this.#guard(own, url, asked, viewer)
      return asked.open()
    }
    try {
      const late = () =>
        new Refusal(503, 'The server took too long to look; come back in a moment.')
      const granted = await within(this.#options.limits.render, grant(), late)
      const { topics, ended = none, open = none, aside = none, first = none } = granted
      const since = url.searchParams.get('since')
      const known = since && since.length <= 100 ? since : undefined
      return { id, topics, ended, open, aside, first, cursor: cursor ?? known }
    } catch (error) {
      const { status, message } = this.#refusalOf(error, own)
      return { id, status, reason: message }
    }
  }

  #restOf({ origin, pathname }: URL, base: URL): string {
    const { path } = this.#options
    if (origin === base.origin && pathname === path) return ''
    if (origin === base.origin && pathname.startsWith(`${path}/`)) {
      return pathname.slice(path.length + 1)
    }
    throw new Refusal(404, `A page follows addresses under ${path}, not ${shown(pathname)}.`)
  }

  #asset(rest: string): Response {
    const found = serveAsset(rest.slice(2))
    if (!found) throw new Refusal(404, 'There is no such file; reload the page.')
    return found
  }

  async #ask(url: URL, rest: string): Promise<Asked> {
    if (rest === '') return this.#askTopics(this.#topicsOf(url))
    const [name = '', stream, ...more] = rest.split('/').map(decode)
    const endpoint = this.#options.endpoints.get(name)
    if (!endpoint || more.length > 0) {
      const known = [...this.#options.endpoints.keys()].join(', ') || 'none'
      throw new Refusal(404, `Unknown endpoint: ${shown(rest)}. Known: ${known}.`)
    }
    return endpoint.ask(url.searchParams, stream)
  }

  #topicsOf({ searchParams }: URL): Pattern[] {
    const names = searchParams.getAll('topic')
    const most = this.#options.limits.topics
    if (names.length === 0) {
      throw new Refusal(400, 'Name a topic: ?topic=room:1, or an endpoint in the path.')
    }
    if (names.length > most) {
      throw new Refusal(
        414,
        `At most ${most} topics a request, got ${names.length}; follow a pattern.`,
      )
    }
    try {
      return names.map(asPattern)
    } catch (error) {
      throw new Refusal(400, `${(error as Error).message}.`)
    }
  }

  #askTopics(topics: Pattern[]): Asked {
    const { declarations } = this.#options
    const guards = topics.map((topic) => ({
      // A pattern may name topics with guards of their own, so only a signature opens it.
      guard: isPattern(topic) ? 'signed' : declarations.of(topic as string as Topic).guard,
      subject: topic,
    }))
    return {
      kind: 'topics',
      guards: guards as Guarded[],
      open: () => ({ topics }),
    }
  }

  async #guard(
    request: Request,
    { pathname, searchParams }: URL,
    { guards }: Pick<Asked, 'guards'>,
    viewer: string | undefined,
  ): Promise<void> {
    if (guards.some(({ guard }) => guard === 'signed')) {
      const reason = this.#options.signer.refuse(pathname, searchParams, viewer)
      if (reason) throw new Refusal(403, why[reason])
    }
    for (const { guard, subject } of guards) {
      if (guard === 'public' || guard === 'signed' || (await this.#allows(guard, request, subject)))
        continue
      if (this.#options.viewer && viewer === undefined) {
        throw new Refusal(401, 'Sign in to follow this stream.')
      }
      const what = subject === all ? 'all of these' : shown(subject)
      throw new Refusal(403, `You may not follow ${what}.`)
    }
  }

  /** A guard that throws refuses. */
  async #allows(
    guard: Exclude<Guarded['guard'], string>,
    request: Request,
    subject: Guarded['subject'],
  ): Promise<boolean> {
    try {
      return (await guard(request, subject)) === true
    } catch (error) {
      this.#options.onError(error)
      return false
    }
  }
}

/** The page that a form was sent from; without its name the site's first. */
function backTo({ headers }: Request, { host }: URL): string {
  const from = URL.parse(headers.get('referer') ?? '')
  // Two slashes would begin the name of another host.
  return from?.host === host && /^https?:$/.test(from.protocol)
    ? from.pathname.replace(/^\/+/, '/') + from.search
    : '/'
}

/** Without reading it: what nobody reads the server throws away as it comes. */
function hasBody({ headers }: Request): boolean {
  return headers.has('transfer-encoding') || Number(headers.get('content-length') ?? 0) !== 0
}

/** Text of a stranger, in a sentence. */
function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text)
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new Refusal(400, `The path is not well encoded: ${shown(segment)}.`)
  }
}
