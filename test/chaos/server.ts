/**
 * A server process of the chaos test, or a publisher: the same without a server. It does what {@link Order} says.
 */
import './instruments'
import { Hub, MultiStreamManager } from 'headwater'
import { type LogEvent, sqliteLog } from 'headwater/log'
import { jump, timers } from './instruments'
import { type Draw, drawing } from './random'
import { type Sabotage, sabotaged } from './sabotage'
import {
  bulk,
  interestOf,
  item,
  replayed,
  snapshot,
  type Theme,
  themes,
  themesOf,
  value,
} from './themes'

/** What a process begins with. */
export interface Role {
  database: string
  /** What the names of its events begin with. */
  name: string
  /** Whether it has a server. */
  serves: boolean
  sabotage: Sabotage | undefined
}

/** What it can be told. */
export type Order =
  /** Publish so many events in about that time. */
  | { publish: number; time: number; seed: number }
  | { burst: number }
  | { clock: number }
  /** Say when all that was published is confirmed or refused. */
  | 'settle'
  | 'count'
  /** Drain, close, and end by itself when nothing is left to do. */
  | { end: number }

/** What was confirmed: the event `id` of `topic`, and of a state its key. */
export interface Confirmed {
  topic: string
  key: string
  name: string
  id: string
}

/** What is left of connections. */
export interface Counts {
  active: number
  topics: number
  lagging: number
  kinds: number
  timers: number
}

/** What it says. */
export type Answer =
  | { ready: { port: number; node: string; counts: Counts } }
  | { confirmed: Confirmed[] }
  | { settled: true }
  | { counts: Counts }
  | { ended: Counts }
  | { error: string }

interface Entity {
  id: string
  html: string
}

const say = (answer: Answer) => process.connected && process.send?.(answer)

class Process {
  #role: Role
  #hub: Hub
  #jobs
  #server: Bun.Server<undefined> | undefined
  #log: ReturnType<typeof sqliteLog> | undefined
  #published = 0
  #publishing = new Set<Promise<void>>()
  #ending = false

  constructor(role: Role) {
    this.#role = role
    const { database, sabotage } = role
    if (sabotage) {
      const spoilt = ({ topic, seq }: LogEvent) =>
        say({ error: `${role.name} did ${sabotage} ${topic} ${seq}, on purpose` })
      this.#log = sabotaged(sqliteLog(database), sabotage, spoilt)
    }
    this.#hub = new Hub({
      database,
      log: this.#log,
      limits: { heartbeat: 700, lease: 3_000, replay: replayed, snapshot },
      onError: (error, topic) => say({ error: `${topic ?? ''} ${error}` }),
      onRefuse: ({ status, message }) =>
        status === 503 || say({ error: `refused: ${status} ${message}` }),
    })
    for (const { topic, kind, keep } of themes.filter(({ stream }) => !stream)) {
      this.#hub.topic(topic, { kind, keep: { count: keep } })
    }
    this.#jobs = new MultiStreamManager<Entity>(this.#hub, {
      name: 'job',
      getEntity: (id) => ({ id, html: '' }),
    })
      .register({
        name: 'lines',
        kind: 'log',
        keep: { count: 1_000_000 },
        render: (html: string) => html,
      })
      .register({ name: 'progress', kind: 'state', render: ({ html }) => html })
    if (role.serves) this.#server = this.#serve()
    const { registry } = this.#hub
    say({
      ready: { port: this.#server?.port ?? 0, node: registry.node, counts: this.#counts() },
    })
  }

  do(order: Order): void {
    if (order === 'count') say({ counts: this.#counts() })
    else if (order === 'settle') this.#settle()
    else if ('publish' in order) this.#track(this.#publish(order))
    else if ('burst' in order) this.#track(this.#burst(order.burst))
    else if ('clock' in order) jump(order.clock)
    else this.#end(order.end)
  }

  #serve() {
    return Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: async (request, server) => {
        const page = /\/page\/(\d+)$/.exec(request.url)
        if (page) return this.#page(request, Number(page[1]))
        return (await this.#hub.fetch(request, { server })) ?? new Response('', { status: 404 })
      },
    })
  }

  /** What a page shows at first, read some time after its cursor was taken, and its address. */
  #page(request: Request, reader: number): Promise<Response> {
    const interest = interestOf(reader)
    return this.#hub.page(request, async () => {
      const address =
        interest.manager === 'all'
          ? this.#jobs.all()
          : interest.manager === 'one'
            ? this.#jobs.address(['b'])
            : this.#hub.address(interest.topics)
      await Bun.sleep(20)
      const slots = await Promise.all(
        themesOf(interest).map(async ({ topic, kind, keep }) => {
          const last = kind === 'log' ? { last: Math.min(keep, 100_000) } : {}
          const { items } = await this.#hub.history(topic, last)
          return [topic, items.map(({ html }) => html).join('')]
        }),
      )
      return Response.json({ address, slots: Object.fromEntries(slots) })
    })
  }

  #track(work: Promise<void>): void {
    const done = work.catch((error) => {
      if (!this.#ending) say({ error: `publish: ${error.message}` })
    })
    this.#publishing.add(done)
    done.then(() => this.#publishing.delete(done))
  }

  /** Some in one turn, some alone. */
  async #publish({ publish, time, seed }: { publish: number; time: number; seed: number }) {
    const draw = drawing(seed)
    for (let left = publish; left > 0 && !this.#ending; ) {
      const turn = Math.min(left, 1 + draw.below(6))
      const some = Array.from({ length: turn }, () => this.#one(draw.weigh(themes), draw))
      say({ confirmed: await Promise.all(some) })
      left -= turn
      await Bun.sleep((time * turn) / publish)
    }
  }

  async #burst(count: number): Promise<void> {
    const some = Array.from({ length: count }, async () => {
      const name = this.#name()
      const id = await this.#hub.publish(bulk, item(name, 64 * 1024))
      return { topic: bulk, key: '', name, id: String(id) }
    })
    say({ confirmed: await Promise.all(some) })
  }

  async #one({ topic, kind, keys, stream }: Theme, draw: Draw): Promise<Confirmed> {
    const name = this.#name()
    if (kind === 'log') {
      const html = item(name, draw.spread(1, 300))
      // Who is not sure that it was kept may say it again under its key.
      const key = draw.real() < 0.1 ? name : undefined
      if (key && !stream) this.#hub.publish(topic, html, { key }).catch(() => {})
      const id = stream
        ? await this.#jobs.publish(stream[0], 'lines', html)
        : await this.#hub.publish(topic, html, { key })
      return { topic, key: '', name, id: String(id) }
    }
    const key = keys ? `k${draw.below(keys)}` : ''
    const html = value(name, key)
    const id = stream
      ? await this.#jobs.publish(stream[0], 'progress', { id: stream[0], html })
      : await this.#hub.publish(topic, html, keys ? { key } : {})
    return { topic, key, name, id: String(id) }
  }

  #name(): string {
    return `${this.#role.name}-${++this.#published}`
  }

  async #settle(): Promise<void> {
    while (this.#publishing.size > 0) await Promise.all(this.#publishing)
    say({ settled: true })
  }

  #counts(): Counts {
    const { active, topics, lagging, byKind } = this.#hub.stats()
    return { active, topics, lagging, kinds: Object.keys(byKind).length, timers: timers() }
  }

  async #end(within: number): Promise<void> {
    this.#ending = true
    await this.#hub.drain({ within })
    await Promise.all(this.#publishing)
    this.#hub.close()
    this.#log?.close()
    await this.#server?.stop(true)
    // What is due in this turn or the next does nothing any more.
    await Bun.sleep(20)
    say({ ended: this.#counts() })
    process.off('disconnect', abandon)
    process.disconnect?.()
  }
}

/** Without the process that began it, nobody would end it. */
function abandon(): void {
  process.exit(1)
}

const own = new Process(JSON.parse(process.env.CHAOS as string))
process.on('disconnect', abandon)
process.on('message', (order: Order) => own.do(order))
