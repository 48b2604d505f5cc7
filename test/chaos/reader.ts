/**
 * A reader of the chaos test: a page, and the connections that it opens one after the other, as a browser with htmx
 * does. What it was sent is remembered by *lines*: connections in a row of which each begins at the Last-Event-ID of the
 * one before. After a 503 there is no such id, and a new line begins at the `since` of the page's address.
 */
import { seqOf } from './ledger'
import { Page } from './page'
import { type Frame, Stream } from './stream'
import { type Interest, interestOf, isBare, type Theme, themesOf } from './themes'

/** What a line was sent of one topic of kind `log`. */
export interface Received {
  /** How many items the newest snapshot showed. */
  reset: number | undefined
  /** All that is on the page by this line, in order. */
  names: Set<string>
}

/** Connections in a row that lost nothing. */
export interface Line {
  /** The event id in the address; without one it begins with snapshots. */
  since: number | undefined
  /** Its Last-Event-ID. */
  cursor: number | undefined
  id: string | undefined
  topics: Map<string, Received>
  /** Names of events that came with an id of their own. */
  own: Set<string>
  /** Its last connections, for people. */
  trail: string[]
}

/** What went wrong, in the reader's own eyes. */
export interface Complaint {
  kind: 'lost' | 'doubled'
  topic: string
  names: string[]
  what: string
  trail: string[]
}

/** How many times sooner than it is told to it comes back. */
const haste = 20

/** One of the readers. */
export class Reader {
  readonly number: number
  readonly interest: Interest
  readonly themes: readonly Theme[]
  readonly bare: boolean
  readonly complaints: Complaint[] = []
  /** All so far. */
  readonly lines: Line[] = []
  page: Page | undefined
  /** Whether a stream was opened to it. */
  opened = false
  connections = 0
  events = 0
  readonly #port: number
  readonly #serverOf: (reader: number) => string
  #byTopic: ReadonlyMap<string, Theme>
  #line: Line | undefined
  #stream: Stream | undefined
  #retry = 2_000 / haste
  #epoch: string | undefined
  #gone = false
  #began = performance.now()
  #notes: string[] = []

  constructor(number: number, port: number, serverOf: (reader: number) => string) {
    this.number = number
    this.interest = interestOf(number)
    this.themes = themesOf(this.interest)
    this.bare = isBare(number)
    this.#byTopic = new Map(this.themes.map((theme) => [theme.topic, theme]))
    this.#port = port
    this.#serverOf = serverOf
  }

  /** Opens the page and follows it until {@link leave}. */
  async follow(): Promise<void> {
    while (!this.#gone) {
      try {
        this.page ??= await this.#load()
      } catch {
        await Bun.sleep(this.#retry)
        continue
      }
      await this.#connection(this.page)
      if (!this.#gone) await Bun.sleep(this.#retry)
    }
  }

  leave(): void {
    this.#gone = true
    this.#stream?.cut()
  }

  /** The page comes back out of the history, with its address of old. */
  restore(): void {
    this.#line = undefined
    this.#stream?.cut()
  }

  /** The page is loaded anew. */
  reload(): void {
    this.page = undefined
    this.#line = undefined
    this.#stream?.cut()
  }

  /** Says in the trail what is done to it. */
  note(what: string): void {
    this.#notes.push(`${what} at ${this.#time()}`)
  }

  async #load(): Promise<Page> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/page/${this.number}`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(2_000),
    })
    const { address, slots } = (await response.json()) as {
      address: string
      slots: Record<string, string>
    }
    const url = new URL(address, 'http://127.0.0.1')
    if (this.bare) url.searchParams.delete('since')
    const page = new Page(url.pathname + url.search)
    if (this.bare) return page
    for (const { topic, kind } of this.themes) {
      if (kind === 'log') page.log(topic, slots[topic] ?? '')
      else page.state(topic, slots[topic] ?? '')
    }
    return page
  }

  #lineOf(page: Page): Line {
    if (this.#line) return this.#line
    const since = new URL(page.address, 'http://127.0.0.1').searchParams.get('since')
    const line: Line = {
      since: since === null ? undefined : seqOf(since),
      cursor: undefined,
      id: undefined,
      topics: new Map(),
      own: new Set(),
      trail: this.lines.at(-1)?.trail.slice(-3) ?? [],
    }
    this.lines.push(line)
    this.#line = line
    return line
  }

  #connection(page: Page): Promise<void> {
    const line = this.#lineOf(page)
    const asked = line.id ?? (line.since === undefined ? 'nothing' : `since ${line.since}`)
    const from = this.#time()
    const seen: string[] = []
    let status = 0
    let frames = 0
    this.connections++
    const headers: Record<string, string> = { 'x-reader': String(this.number) }
    if (line.id !== undefined) headers['last-event-id'] = line.id
    const { promise, resolve } = Promise.withResolvers<void>()
    const say = (server: string) =>
      [
        `  ${from} asked ${asked} of ${server || 'nobody'}: ${status}`,
        `${frames} events${seen.length > 0 ? `, snapshots of ${seen.join(' ')}` : ''}`,
        `until ${line.id ?? 'no id'} at ${this.#time()} (${stream.bytes} bytes)`,
        ...this.#notes,
      ].join(', ')
    let server = ''
    const stream = new Stream(this.#port, page.address, headers, {
      head: (given) => {
        status = given
        this.opened ||= given === 200
        server = this.#serverOf(this.number)
      },
      frame: (frame) => {
        if (frame.data !== undefined) frames++
        const reset = this.#take(page, line, frame, () => [...line.trail, say(server)])
        if (reset) seen.push(frame.event)
      },
      end: () => {
        line.trail.push(say(server))
        if (line.trail.length > 8) line.trail.shift()
        this.#notes = []
        // A browser's EventSource stops at an error; htmx makes another one, which knows nothing.
        if (status !== 0 && status !== 200 && this.#line === line) this.#line = undefined
        resolve()
      },
    })
    this.#stream = stream
    return promise
  }

  /** Says whether it was a snapshot. */
  #take(page: Page, line: Line, frame: Frame, trail: () => string[]): boolean {
    const { id, event, data, retry } = frame
    if (retry !== undefined) this.#retry = retry / haste
    const seq = id === undefined ? undefined : this.#seqOf(id, trail)
    const complain = (kind: Complaint['kind'], names: string[], what: string) =>
      this.complaints.push({ kind, topic: event, names, what, trail: trail() })
    let reset = false
    if (data !== undefined) {
      this.events++
      const theme = this.#byTopic.get(event)
      if (!theme) {
        complain('doubled', [data.slice(0, 100)], 'an event that it did not ask for')
      } else if (theme.kind === 'state') page.state(event, data)
      else reset = this.#log(page, line, theme, frame, complain)
      if (theme && seq !== undefined) this.#once(line, seq, frame, complain)
    }
    if (seq !== undefined && id !== undefined) {
      line.cursor = seq
      line.id = id
    }
    return reset
  }

  #log(
    page: Page,
    line: Line,
    { topic, stream }: Theme,
    { data = '' }: Frame,
    complain: (kind: Complaint['kind'], names: string[], what: string) => void,
  ): boolean {
    const { reset, names, again } = page.log(topic, data)
    // Of a manager's items each deletes what it replaces; what is published plainly is known by its id.
    if (stream && !reset && again.length > 0) complain('doubled', again, 'on the page twice')
    const received = reset ? undefined : line.topics.get(topic)
    const all = received ?? { reset: reset ? names.length : undefined, names: new Set<string>() }
    line.topics.set(topic, all)
    for (const name of names) {
      all.names.delete(name)
      all.names.add(name)
    }
    return reset
  }

  /** Of the events that have an id, none comes twice in a line, and none after an id that is beyond it. */
  #once(
    line: Line,
    seq: number,
    { data = '', event }: Frame,
    complain: (kind: Complaint['kind'], names: string[], what: string) => void,
  ): void {
    const name = `${event} ${seq}`
    const text = [`${seq} ${data.slice(-100)}`]
    if (line.own.has(name)) complain('doubled', text, 'sent twice')
    else if (seq <= (line.cursor ?? 0)) {
      complain('lost', text, `sent after the id ${line.cursor}: a cut in between would lose it`)
    }
    line.own.add(name)
  }

  #seqOf(id: string, trail: () => string[]): number {
    const epoch = id.slice(0, id.lastIndexOf('.'))
    if (this.#epoch !== undefined && this.#epoch !== epoch) {
      const what = `the epoch was ${this.#epoch}`
      this.complaints.push({ kind: 'lost', topic: '', names: [id], what, trail: trail() })
    }
    this.#epoch = epoch
    return seqOf(id)
  }

  #time(): string {
    return `${((performance.now() - this.#began) / 1_000).toFixed(2)}s`
  }
}
