/**
 * A page's side of `POST <path>`: sources that are followed, dropped and counted, each for itself, on one stream.
 *
 * It keeps the order rule to the letter and notes what breaks it in {@link Page.faults}.
 *
 * ```ts
 * const page = new Page(site.url)
 * const lines = page.add(hub.address(['room:1']), ['room:1'])
 * await page.open()
 * await page.until(() => lines.got.length === 3)
 * page.cut()
 * await page.open() // each source goes on from its own cursor
 * ```
 */
import { Client, type Received } from './client'

/** What is asked for on the wire. */
export interface Follow {
  id: string
  address: string
  cursor?: string | undefined
}

/** What is answered about an address that is not granted. */
export interface Refused {
  id: string
  status: number
  reason: string
}

/** What a source was given; an event without an id of its own has none. */
export interface Got {
  id: string | undefined
  name: string
  data: string
}

/** A whole answer that is no stream. */
export interface Answer {
  status: number
  headers: Record<string, string>
  text: string
  /** Where the body is JSON that has it. */
  refused: Refused[] | undefined
}

/** How a page sends its requests. */
export interface PageOptions {
  /** @default '/stream' */
  path?: string
  headers?: Record<string, string>
}

/** Whether an event id comes after another; one of another epoch does. */
export function isNewer(id: string, than: string | undefined): boolean {
  if (than === undefined) return true
  const [at, other] = [id.lastIndexOf('.'), than.lastIndexOf('.')]
  if (id.slice(0, at) !== than.slice(0, other)) return true
  return Number(id.slice(at + 1)) > Number(than.slice(other + 1))
}

/** Sends a body as JSON, text as it is, and resolves when the head of the response is there. */
export function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  return new Client().open(new URL(url), posting(body, headers))
}

/** Sends a body and resolves with the whole answer. */
export async function ask(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return answerOf(await post(url, body, headers))
}

/** The whole answer, once it is there. */
export async function answerOf(client: Client): Promise<Answer> {
  await client.until(() => client.ended)
  client.cut()
  const { status, headers, raw } = client
  const isJson = headers['content-type']?.startsWith('application/json')
  return { status, headers, text: raw, refused: isJson ? JSON.parse(raw).refused : undefined }
}

function posting(body: unknown, headers: Record<string, string>) {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  }
}

/** An address that a page follows, and what it was given. */
export class Source {
  readonly id: string
  readonly address: string
  readonly listens: (name: string) => boolean
  /** Up to where it has everything. */
  cursor: string | undefined
  state: 'new' | 'asked' | 'in' | 'done' | 'refused' | 'dropped' = 'new'
  refused: Refused | undefined
  readonly got: Got[] = []
  /** Events that it was sent although its own cursor says that it has them. */
  repeats = 0

  /** @internal Made by {@link Page.add}. */
  constructor(id: string, address: string, names: readonly string[] | ((name: string) => boolean)) {
    this.id = id
    this.address = address
    this.cursor = sinceOf(address)
    this.listens = typeof names === 'function' ? names : (name) => names.includes(name)
  }

  get datas(): string[] {
    return this.got.map(({ data }) => data)
  }

  get isOver(): boolean {
    return this.state === 'done' || this.state === 'refused' || this.state === 'dropped'
  }

  /** @internal */
  take(id: string, event: Received | undefined): void {
    const isNew = isNewer(id, this.cursor)
    if (event && this.listens(event.name)) {
      if (isNew) this.got.push({ ...event, id })
      else this.repeats++
    }
    if (isNew) this.cursor = id
  }

  /** @internal */
  follow(): Follow {
    const { id, address, cursor } = this
    // What stands in the address need not be said again.
    const isSaid = cursor === undefined || cursor === sinceOf(address)
    return isSaid ? { id, address } : { id, address, cursor }
  }
}

/** The stream of one page, over as many connections as it takes. */
export class Page {
  readonly sources = new Map<string, Source>()
  /** What broke the order rule or the order of frames. */
  readonly faults: string[] = []
  /** Events that no source in the stream listens to. */
  readonly strays: Received[] = []
  /** The names and data of all `hw:` frames of this connection, in order. */
  readonly told: [name: string, data: unknown][] = []
  /** The highest id of this connection. */
  position: string | undefined
  connection: string | undefined
  heartbeat: number | undefined
  #client: Client | undefined
  #behind = new Set<Source>()
  /** Whether what comes once more may be for a source that was dropped meanwhile. */
  #isExcused = false
  /** Of the site. */
  url: string
  #path: string
  #headers: Record<string, string>
  #made = 0

  constructor(url: string, { path = '/stream', headers = {} }: PageOptions = {}) {
    this.url = url
    this.#path = path
    this.#headers = headers
  }

  /** The connection that is open, or was last. */
  get client(): Client {
    if (!this.#client) throw new Error('The page has not been opened')
    return this.#client
  }

  /** Adds a source, which the next {@link open} or {@link follow} asks for. */
  add(
    address: string,
    names: readonly string[] | ((name: string) => boolean),
    { id = `p-${++this.#made}`, cursor }: { id?: string; cursor?: string | undefined } = {},
  ): Source {
    const source = new Source(id, address, names)
    source.cursor = cursor ?? source.cursor
    this.sources.set(id, source)
    return source
  }

  /** Opens a connection with all sources that are not over; resolves when the head of the response is there. */
  async open(): Promise<Client> {
    this.#client?.cut()
    this.position = undefined
    this.connection = undefined
    this.told.length = 0
    this.#level()
    const asked = [...this.sources.values()].filter((source) => !source.isOver)
    for (const source of asked) source.state = 'asked'
    const client = new PageClient((...frame) => {
      if (this.#client === client) this.#take(...frame)
    })
    this.#client = client
    const follow = asked.map((source) => source.follow())
    await client.open(new URL(this.url + this.#path), posting({ follow }, this.#headers))
    return client
  }

  /** Opens, and resolves when every source is in, or over. */
  async start(): Promise<this> {
    await this.open()
    await this.until(() => [...this.sources.values()].every(({ state }) => state !== 'asked'))
    return this
  }

  /** Follows some more on the open connection, or drops some. */
  async change({ follow = [], drop = [] }: { follow?: Source[]; drop?: Source[] }) {
    const { connection } = this
    if (connection === undefined) throw new Error('The connection is not open yet')
    for (const source of follow) source.state = 'asked'
    for (const source of drop) {
      source.state = 'dropped'
      if (this.#behind.delete(source)) this.#isExcused = true
    }
    const answer = await ask(
      this.url + this.#path,
      {
        connection,
        ...(follow.length > 0 && { follow: follow.map((source) => source.follow()) }),
        ...(drop.length > 0 && { drop: drop.map(({ id }) => id) }),
      },
      this.#headers,
    )
    for (const refused of answer.refused ?? []) this.#refuse(refused)
    return answer
  }

  follow = (...sources: Source[]) => this.change({ follow: sources })
  drop = (...sources: Source[]) => this.change({ drop: sources })

  /** Resolves when it holds, looked at whenever something arrives. */
  until(predicate: () => boolean, within?: number): Promise<void> {
    return this.client.until(predicate, within)
  }

  cut(): void {
    this.#client?.cut()
  }

  #take(id: string | undefined, event: Received | undefined): void {
    if (event?.name.startsWith('hw:')) return this.#control(event)
    if (this.connection === undefined) this.faults.push(`before hw:open: ${event?.name ?? id}`)
    if (event && !this.#in().some(({ listens }) => listens(event.name))) this.strays.push(event)
    if (id === undefined) return this.#give(event)
    if (isNewer(id, this.position)) {
      this.position = id
      this.#level()
      return this.#pass(id, event, this.#in())
    }
    const isLevel = !event && id === this.position
    if (this.#behind.size === 0 && !isLevel && !this.#isExcused) {
      this.faults.push(`${id} again, at ${this.position}`)
    }
    this.#pass(id, event, [...this.#behind])
    if (isLevel) this.#level()
  }

  #level(): void {
    this.#behind.clear()
    this.#isExcused = false
  }

  #in(): Source[] {
    return [...this.sources.values()].filter(({ state }) => state === 'in')
  }

  #pass(id: string, event: Received | undefined, sources: Source[]): void {
    const first = firstOf(sources)
    for (const source of sources) {
      const isAnothers = event?.name === 'message' && source !== first
      source.take(id, isAnothers ? undefined : event)
    }
  }

  /** What has no id goes to all that listen. */
  #give(event: Received | undefined): void {
    if (!event) return
    const sources = this.#in()
    for (const source of event.name === 'message' ? [firstOf(sources)] : sources) {
      if (source?.listens(event.name)) source.got.push({ ...event, id: undefined })
    }
  }

  #control({ name, data }: Received): void {
    const value = JSON.parse(data)
    this.told.push([name, value])
    if (name === 'hw:open') {
      if (this.connection !== undefined) this.faults.push('hw:open twice')
      this.connection = value.connection
      this.heartbeat = value.heartbeat
    } else if (this.connection === undefined) this.faults.push(`${name} before hw:open`)
    else if (name === 'hw:follow') for (const [id] of value) this.#enter(id)
    else if (name === 'hw:done') for (const id of value) this.#finish(id)
    else if (name === 'hw:refused') for (const refused of value) this.#refuse(refused)
    else this.faults.push(`unknown: ${name}`)
  }

  #enter(id: string): void {
    const source = this.sources.get(id)
    if (source?.state === 'dropped') {
      this.#isExcused = true
      return
    }
    if (source?.state !== 'asked') {
      this.faults.push(`hw:follow of ${id}, which is ${source?.state}`)
      return
    }
    source.state = 'in'
    this.#behind.add(source)
  }

  #finish(id: string): void {
    const source = this.sources.get(id)
    if (source?.state === 'dropped') return
    if (source?.state !== 'in') this.faults.push(`hw:done of ${id}, which is ${source?.state}`)
    else source.state = 'done'
    if (source) this.#behind.delete(source)
  }

  #refuse(refused: Refused): void {
    const source = this.sources.get(refused.id)
    if (!source) {
      this.faults.push(`hw:refused of ${refused.id}, which is not known`)
      return
    }
    source.refused = refused
    if (source.state !== 'dropped') source.state = 'refused'
    this.#behind.delete(source)
  }
}

function sinceOf(address: string): string | undefined {
  return URL.parse(address, 'http://localhost')?.searchParams.get('since') ?? undefined
}

/** Who gets what has no name: it is applied to the page once. */
function firstOf(sources: Source[]): Source | undefined {
  return sources.find(({ listens }) => listens('message'))
}

/** Tells of each frame with the id that it carries itself. */
class PageClient extends Client {
  #onFrame: (id: string | undefined, event: Received | undefined) => void

  constructor(onFrame: (id: string | undefined, event: Received | undefined) => void) {
    super()
    this.#onFrame = onFrame
  }

  protected override framed(id: string | undefined, event: Received | undefined): void {
    // A comment, and the frame that opens the stream, are none.
    if (id !== undefined || event) this.#onFrame(id, event)
  }
}
