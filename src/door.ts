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
import { Refusal } from './refusal'
import { asPattern, isPattern, type Pattern, type Topic } from './topic'

/** What one request to an endpoint asks for. */
export interface Asked {
  /** The endpoint's name for the registry. */
  kind: string
  /** All must let it pass. */
  guards: readonly { guard: Guard; subject: string }[]
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
  /** Told that the hub closes. */
  close?(): void
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

/** What the door needs of its hub. */
export interface DoorOptions {
  path: string
  limits: Limits
  signer: Signer
  declarations: Declarations
  endpoints: ReadonlyMap<string, Endpoint>
  /** Who asks, if the app says so. */
  viewer: ((request: Request) => Promise<string | undefined>) | undefined
  connect: (request: Request, connect: Connect) => Response
  onRefuse: (refusal: Refusal, request: Request) => void
  onError: (error: unknown) => void
}

const why: Record<AddressFault, string> = {
  unsigned: 'This stream needs a signed address; render it with hub.address() or a manager.',
  malformed: 'The address is damaged; reload the page.',
  expired: 'The address has expired; reload the page.',
  forged: 'The signature does not belong to this address or viewer; reload the page.',
}

/** The requests of one hub. */
export class Door {
  #options: DoorOptions

  constructor(options: DoorOptions) {
    this.#options = options
  }

  /** Answers what is under the hub's path. */
  async answer(request: Request, server: BunServer | undefined): Promise<Response | undefined> {
    const url = new URL(request.url)
    const { path } = this.#options
    if (url.pathname !== path && !url.pathname.startsWith(`${path}/`)) return undefined
    try {
      return await this.#serve(request, url, url.pathname.slice(path.length + 1), server)
    } catch (error) {
      if (error instanceof Refusal) {
        this.#options.onRefuse(error, request)
        return error.respond()
      }
      this.#options.onError(error)
      return new Refusal(
        500,
        'This stream could not be opened; the server has the reason.',
      ).respond()
    }
  }

  async #serve(
    request: Request,
    url: URL,
    rest: string,
    server: BunServer | undefined,
  ): Promise<Response> {
    if (rest.startsWith('-/') && request.method === 'HEAD') return this.#asset(rest)
    if (request.method !== 'GET') {
      throw new Refusal(405, `Streams are opened with GET, not ${request.method}.`, {
        allow: 'GET',
      })
    }
    if (rest.startsWith('-/')) return this.#asset(rest)
    if (request.headers.get('sec-fetch-site') === 'cross-site') {
      throw new Refusal(403, 'Streams are not given to pages of other sites.')
    }
    const asked = await this.#ask(url, rest)
    const viewer = await this.#options.viewer?.(request)
    await this.#guard(request, url, asked, viewer)
    const { kind, entity } = asked
    const opened = await asked.open()
    return this.#options.connect(request, { kind, entity, viewer, server, ...opened })
  }

  #asset(rest: string): Response {
    const found = serveAsset(rest.slice(2))
    if (!found) throw new Refusal(404, 'There is no such file; reload the page.')
    return found
  }

  async #ask({ searchParams }: URL, rest: string): Promise<Asked> {
    if (rest === '') return this.#askTopics(searchParams.getAll('topic'))
    const [name = '', stream, ...more] = rest.split('/').map(decode)
    const endpoint = this.#options.endpoints.get(name)
    if (!endpoint || more.length > 0) {
      const known = [...this.#options.endpoints.keys()].join(', ') || 'none'
      throw new Refusal(404, `Unknown endpoint: ${JSON.stringify(rest)}. Known: ${known}.`)
    }
    return endpoint.ask(searchParams, stream)
  }

  #askTopics(names: string[]): Asked {
    const { limits, declarations } = this.#options
    const most = limits.topics
    if (names.length === 0) {
      throw new Refusal(400, 'Name a topic: ?topic=room:1, or an endpoint in the path.')
    }
    if (names.length > most) {
      throw new Refusal(
        414,
        `At most ${most} topics a request, got ${names.length}; follow a pattern.`,
      )
    }
    let topics: Pattern[]
    try {
      topics = names.map(asPattern)
    } catch (error) {
      throw new Refusal(400, `${(error as Error).message}.`)
    }
    const guards = topics.map((topic) => ({
      // A pattern may name topics with guards of their own, so only a signature opens it.
      guard: isPattern(topic) ? 'signed' : declarations.of(topic as string as Topic).guard,
      subject: topic,
    }))
    return {
      kind: 'topics',
      guards: guards as Asked['guards'],
      open: () => ({ topics }),
    }
  }

  async #guard(
    request: Request,
    { pathname, searchParams }: URL,
    { guards }: Asked,
    viewer: string | undefined,
  ): Promise<void> {
    if (guards.some(({ guard }) => guard === 'signed')) {
      const reason = this.#options.signer.refuse(pathname, searchParams, viewer)
      if (reason) throw new Refusal(403, why[reason])
    }
    for (const { guard, subject } of guards) {
      if (typeof guard === 'string' || (await this.#allows(guard, request, subject))) continue
      if (this.#options.viewer && viewer === undefined) {
        throw new Refusal(401, 'Sign in to follow this stream.')
      }
      throw new Refusal(403, `You may not follow ${JSON.stringify(subject)}.`)
    }
  }

  /** A guard that throws refuses. */
  async #allows(
    guard: Exclude<Guard, string>,
    request: Request,
    subject: string,
  ): Promise<boolean> {
    try {
      return (await guard(request, subject)) === true
    } catch (error) {
      this.#options.onError(error)
      return false
    }
  }
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new Refusal(400, `The path is not well encoded: ${JSON.stringify(segment)}.`)
  }
}
