/**
 * A page that follows, drops, is cut and comes back at random while publishing goes on at full speed; afterwards each
 * source is compared with what was published. The same seed makes the same choices, not the same timing.
 */
import { type Draw, drawing } from '../chaos/random'
import { isNewer, Page, type Source } from './page-stream'
import { settled } from './serve'

/** What a run needs of its server. All topics are of kind `log` but those that begin with `cell:`. */
export interface Stage {
  /** Asked for each connection anew. */
  url: () => string
  topics: readonly string[]
  /** Resolves with the event id. */
  publish(topic: string, data: string): Promise<string>
  /** Where it stands. */
  cursor(): string
  address(topics: readonly string[], since: string | undefined): string
  /** Connections that take no more. */
  lagging?(): number
  /** Ends a topic; publishing begins it again. */
  end?(topic: string): Promise<void>
}

/** How long a run is. */
export interface RunOptions {
  seed: number
  /** @default 600 */
  events?: number
  /** @default 25 */
  steps?: number
  /** Whether the addresses of two sources may have topics in common. @default true */
  shared?: boolean
  /** How many of the sources begin without a cursor, from 0 to 1. @default 0.2 */
  bare?: number
  /** How often it is cut and comes back, from 0 to 1. @default 0.15 */
  cuts?: number
  /** How often the page reads nothing for a while, from 0 to 1. @default 0 */
  pauses?: number
  /** How often a topic ends, from 0 to 1. @default 0 */
  ends?: number
  /** Characters added to each event. @default 0 */
  size?: number
  /** Whether a snapshot has only a part of what was published. @default false */
  trimmed?: boolean
}

/** What came of a run. */
export interface Ran {
  /** What was wrong, in words. */
  faults: string[]
  /** So that nobody takes a run for one in which nothing happened. */
  counts: Record<Counted, number>
  /** Events that a source was sent twice and could tell by its own cursor. */
  repeats: number
}

type Counted = 'follows' | 'drops' | 'returns' | 'got' | 'snapshots' | 'done' | 'lagged'

interface Published {
  n: number
  id: string
}

/** Runs. Its page is cut in the end. */
export async function run(stage: Stage, options: RunOptions): Promise<Ran> {
  return new Run(stage, options).run()
}

class Run {
  #stage: Stage
  #options: Required<RunOptions>
  #draw: Draw
  /** Of who publishes, so that the other's choices do not hang on its speed. */
  #publisher: Draw
  #page: Page
  #ledger = new Map<string, Published[]>()
  #starts = new Map<Source, { topics: readonly string[]; cursor: string | undefined }>()
  /** How many had been published to a topic each time that it ended. */
  #ends = new Map<string, number[]>()
  #ids: string[]
  #publishing = true
  #faults: string[] = []
  /** Topics that no source has named. */
  #free: string[]
  #counts: Ran['counts'] = {
    follows: 0,
    drops: 0,
    returns: 0,
    got: 0,
    snapshots: 0,
    done: 0,
    lagged: 0,
  }

  constructor(stage: Stage, options: RunOptions) {
    this.#stage = stage
    this.#options = {
      events: 600,
      steps: 25,
      shared: true,
      bare: 0.2,
      cuts: 0.15,
      pauses: 0,
      ends: 0,
      size: 0,
      trimmed: false,
      ...options,
    }
    this.#draw = drawing(options.seed)
    this.#publisher = drawing(options.seed + 1_000_000)
    this.#page = new Page(stage.url())
    this.#ids = [stage.cursor()]
    this.#free = [...stage.topics]
    for (const topic of stage.topics) this.#ledger.set(topic, [])
  }

  async run(): Promise<Ran> {
    for (let n = 0; n < 10; n++) await this.#publish(this.#stage.topics)
    for (let n = 0; n < 3; n++) this.#source()
    const publishing = this.#publishOn()
    await this.#open()
    for (let step = 0; step < this.#options.steps; step++) await this.#step()
    this.#publishing = false
    await publishing
    await Promise.all(this.#stage.topics.map((topic) => this.#publish([topic])))
    await this.#arrived()
    if (this.#options.ends > 0) await this.#endAll()
    this.#page.cut()
    for (const source of this.#starts.keys()) this.#check(source)
    const sources = [...this.#starts.keys()]
    this.#counts.done = sources.filter(({ state }) => state === 'done').length
    this.#counts.got = sources.reduce((sum, { got }) => sum + got.length, 0)
    const repeats = sources.reduce((sum, one) => sum + one.repeats, 0)
    return { faults: [...this.#faults, ...this.#page.faults], counts: this.#counts, repeats }
  }

  async #publish(topics: readonly string[]): Promise<void> {
    const topic = this.#publisher.pick(topics)
    const ledger = this.#ledger.get(topic) as Published[]
    const n = ledger.length + 1
    const published = { n, id: '' }
    ledger.push(published)
    published.id = await this.#stage.publish(topic, `<p>${n}</p>${'x'.repeat(this.#options.size)}`)
    this.#ids.push(published.id)
  }

  async #publishOn(): Promise<void> {
    const { events } = this.#options
    for (let n = 0; n < events || this.#publishing; n++) {
      const published = this.#publish(this.#stage.topics)
      if (this.#publisher.real() < this.#options.ends)
        void this.#end(this.#publisher.pick(this.#stage.topics))
      if (this.#publisher.real() < 0.3) await published
      if (this.#publisher.real() < 0.1) await Bun.sleep(this.#publisher.real() * 4)
    }
  }

  #end(topic: string): Promise<void> {
    const ends = this.#ends.get(topic) ?? []
    this.#ends.set(topic, [...ends, this.#ledger.get(topic)?.length ?? 0])
    return this.#stage.end?.(topic) ?? Promise.resolve()
  }

  async #endAll(): Promise<void> {
    await Promise.all(this.#stage.topics.map((topic) => this.#end(topic)))
    const left = () => [...this.#page.sources.values()].filter(({ isOver }) => !isOver)
    await settled(() => left().length === 0, 3_000).catch(() => {
      for (const { id, state } of left()) this.#faults.push(`${id} (${state}) is not done`)
    })
  }

  /** One to three topics, from some point in the past, from now, or without a cursor. */
  #source(): Source | undefined {
    const { shared, bare } = this.#options
    const from = shared ? this.#stage.topics : this.#free
    const topics = new Set<string>()
    for (let n = Math.ceil(this.#draw.real() * 3); n > 0 && from.length > 0; n--) {
      const topic = this.#draw.pick(from)
      topics.add(topic)
      if (!shared) this.#free = this.#free.filter((one) => one !== topic)
    }
    if (topics.size === 0) return undefined
    const chosen = [...topics]
    const cursor = this.#draw.real() < bare ? undefined : this.#cursor()
    const isInAddress = cursor !== undefined && this.#draw.real() < 0.5
    const other = this.#draw.real() < 0.5 ? this.#cursor() : undefined
    const source = this.#page.add(
      this.#stage.address(chosen, isInAddress ? cursor : cursor && other),
      chosen,
      { cursor: isInAddress ? undefined : cursor },
    )
    this.#starts.set(source, { topics: chosen, cursor })
    return source
  }

  #cursor(): string {
    return this.#draw.real() < 0.2
      ? this.#stage.cursor()
      : this.#draw.pick(this.#ids.slice(-Math.ceil(this.#draw.real() * 400)))
  }

  async #step(): Promise<void> {
    const page = this.#page
    const dice = this.#draw.real()
    if (dice < this.#options.cuts) {
      await Bun.sleep(this.#draw.real() * 8)
      page.cut()
      if (this.#draw.real() < 0.5) await Bun.sleep(this.#draw.real() * 5)
      this.#counts.returns++
      return this.#open()
    }
    if (this.#draw.real() < this.#options.pauses) await this.#pause()
    const follow = dice < 0.7 ? [this.#source(), this.#source()].filter((one) => !!one) : []
    const living = [...page.sources.values()].filter(
      (source) => !source.isOver && !follow.includes(source),
    )
    const drop = dice > 0.5 && living.length > 1 ? [this.#draw.pick(living)] : []
    if (follow.length + drop.length === 0) return
    this.#counts.follows += follow.length
    this.#counts.drops += drop.length
    const { status, text } = await page.change({ follow, drop })
    if (status !== 200) this.#faults.push(`a change was answered ${status} ${text}`)
    if (this.#draw.real() < 0.5) await Bun.sleep(this.#draw.real() * 5)
  }

  /** Until the kernel takes no more, or for a while; what comes next is done meanwhile. */
  async #pause(): Promise<void> {
    const { client } = this.#page
    client.pause()
    const lags = () => (this.#stage.lagging?.() ?? 0) > 0
    await settled(lags, 400).catch(() => {})
    if (lags()) this.#counts.lagged++
    setTimeout(client.resume, this.#draw.real() * 40)
  }

  async #open(): Promise<void> {
    this.#page.url = this.#stage.url()
    const client = await this.#page.open()
    if (client.status !== 200) throw new Error(`Opened with ${client.status}: ${client.raw}`)
    await this.#page.until(() => this.#page.connection !== undefined)
  }

  /** Every living source has the newest of each of its topics. */
  async #arrived(): Promise<void> {
    const isThere = (source: Source) =>
      source.state === 'in' &&
      (this.#starts.get(source)?.topics ?? []).every((topic) => {
        const newest = this.#ledger.get(topic)?.at(-1)
        const items = itemsOf(source, topic).now
        return items.at(-1) === newest?.n || !isNewer(newest?.id ?? '', source.cursor)
      })
    const living = () => [...this.#page.sources.values()].filter(({ isOver }) => !isOver)
    await settled(() => living().every(isThere), 10_000).catch(() => {
      const late = living().filter((source) => !isThere(source))
      for (const { id, state, cursor } of late) {
        this.#faults.push(
          `${id} (${state}) stands at ${cursor}, the page at ${this.#page.position}`,
        )
      }
    })
  }

  #check(source: Source): void {
    const { topics, cursor } = this.#starts.get(source) as { topics: string[]; cursor?: string }
    for (const topic of topics) {
      const ledger = this.#ledger.get(topic) as Published[]
      const { now, before } = itemsOf(source, topic)
      this.#counts.snapshots += before.length
      const since = ledger.filter(({ id }) => isNewer(id, cursor)).map(({ n }) => n)
      const fault = topic.startsWith('cell:')
        ? this.#faultOfState(now, source.isOver, ledger)
        : (this.#faultOfLog(now, before, source.isOver, since, ledger) ??
          this.#faultOfEnd(source, topic, now))
      if (fault) this.#faults.push(`${source.id} ${topic} from ${cursor}: ${fault}`)
    }
  }

  /** Who is done was given all up to an end. */
  #faultOfEnd({ state }: Source, topic: string, now: number[]): string | undefined {
    const newest = now.at(-1)
    const ends = this.#ends.get(topic) ?? []
    if (state !== 'done' || newest === undefined || ends.includes(newest)) return undefined
    return `it is done at ${newest}, but the topic ended at ${ends}`
  }

  #faultOfState(got: number[], isOver: boolean, ledger: Published[]): string | undefined {
    const older = got.findIndex((n, i) => i > 0 && n < (got[i - 1] as number))
    if (older >= 0) return `an older value came later: ${got.slice(older - 1, older + 1)}`
    const newest = ledger.at(-1)?.n
    if (isOver || got.length === 0 || got.at(-1) === newest) return undefined
    return `it stands at ${got.at(-1)}, not ${newest}`
  }

  #faultOfLog(
    now: number[],
    before: number[][],
    isOver: boolean,
    since: number[],
    ledger: Published[],
  ): string | undefined {
    const all = ledger.map(({ n }) => n)
    const [first = now, ...shown] = before.length > 0 ? [...before, now] : [now]
    const wasShown = before.length > 0
    if (!isRun(first, wasShown || isOver ? since.slice(0, first.length) : since)) {
      return differ(first, since)
    }
    for (const [i, items] of shown.entries()) {
      const isLast = i === shown.length - 1
      const whole = this.#options.trimmed ? all.slice(all.indexOf(items[0] as number)) : all
      const expected = isLast && !isOver ? whole : whole.slice(0, items.length)
      if (!isRun(items, expected)) return `after a snapshot ${differ(items, expected)}`
    }
    return undefined
  }
}

/** The numbers that it shows of a topic, and what it showed before each snapshot. */
function itemsOf(source: Source, topic: string): { now: number[]; before: number[][] } {
  const before: number[][] = []
  let now: number[] = []
  for (const { name, data } of source.got) {
    if (name !== topic) continue
    if (data.includes('innerHTML')) {
      before.push(now)
      now = []
    }
    for (const [, n] of data.matchAll(/>(\d+)<\/p>/g)) now.push(Number(n))
  }
  return { now, before }
}

function isRun(got: number[], expected: number[]): boolean {
  return got.length === expected.length && got.every((n, i) => n === expected[i])
}

function differ(got: number[], expected: number[]): string {
  const at = expected.findIndex((n, i) => n !== got[i])
  const from = Math.max(0, (at < 0 ? expected.length : at) - 2)
  const [were, are] = [expected, got].map((list) => list.slice(from, from + 6).join())
  return `${got.length} of ${expected.length}; at ${at} expected …${were}…, got …${are}…`
}
