/**
 * Hubs on real servers, closed again after each test, and a second process with one.
 *
 * ```ts
 * afterEach(cleanUp)
 * const site = serve({ database: temporary() })
 * ```
 *
 * Run as a program, it is the second process: it does what {@link Child} tells it.
 */
import { expect } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Server } from 'bun'
import { Elysia } from 'elysia'
import { Hub, MultiStreamManager } from 'headwater'
import { headwater } from 'headwater/elysia'
import { cutAll } from './client'

type HubOptions = NonNullable<ConstructorParameters<typeof Hub>[0]>

/** A hub behind a server on 127.0.0.1. */
export interface Site {
  hub: Hub
  server: Server<undefined>
  /** `http://127.0.0.1:<port>` */
  url: string
  /** What `onError` was told. */
  errors: unknown[]
  /** What `onRefuse` was told, as `<status> <reason>`. */
  refusals: string[]
  closed: boolean
  stop(): Promise<void>
}

type Left = Pick<ReturnType<Hub['stats']>, 'active' | 'topics' | 'lagging' | 'byKind'>

const sites = new Set<Site>()
const children = new Set<Child>()
const folders: string[] = []

/** The path of a database file that is deleted afterwards. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-'))
  folders.push(folder)
  return join(folder, 'test.db')
}

/** Ends all that was opened here, and shows that the hubs have nothing left open. */
export async function cleanUp(): Promise<void> {
  cutAll()
  const open = [...sites].filter((site) => !site.closed)
  const counted = () => open.map(({ hub }) => hub.stats()).map(left)
  const none = open.map(() => left({ active: 0, topics: 0, lagging: 0, byKind: {} }))
  try {
    await Promise.all([...children].map((child) => child.kill()))
    await settled(() => Bun.deepEquals(counted(), none), 2_000).catch(() => {})
    expect(counted()).toEqual(none)
  } finally {
    children.clear()
    await Promise.all([...sites].map((site) => site.stop()))
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  }
}

function left({ active, topics, lagging, byKind }: Left): Left {
  return { active, topics, lagging, byKind }
}

/** Resolves when it holds. For what nothing tells of, such as a row in a database. */
export async function settled(predicate: () => unknown, within = 5_000): Promise<void> {
  const until = performance.now() + within
  while (!(await predicate())) {
    if (performance.now() > until) throw new Error(`Not within ${within} ms: ${predicate}`)
    await Bun.sleep(5)
  }
}

/** A hub on plain `Bun.serve`. */
export function serve(options: HubOptions = {}): Site {
  return site(options, (hub) =>
    Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: async (request, server) =>
        (await hub.fetch(request, { server })) ?? new Response('not the hub', { status: 404 }),
    }),
  )
}

/** A hub on Elysia, with the app's own routes. */
export function serveElysia(
  options: HubOptions = {},
  routes: (app: Elysia, hub: Hub) => unknown = () => {},
): Site {
  return site(options, (hub) => {
    const app = new Elysia().use(headwater(hub))
    routes(app as unknown as Elysia, hub)
    app.listen({ hostname: '127.0.0.1', port: 0 })
    return app.server as Server<undefined>
  })
}

/** A hub behind any server. */
export function site(options: HubOptions, listen: (hub: Hub) => Server<undefined>): Site {
  const errors: unknown[] = []
  const refusals: string[] = []
  const hub = new Hub({
    secret: 'of the tests',
    onError: (error) => errors.push(error),
    onRefuse: ({ status, message }) => refusals.push(`${status} ${message}`),
    ...options,
  })
  const server = listen(hub)
  const made: Site = {
    hub,
    server,
    url: `http://127.0.0.1:${server.port}`,
    errors,
    refusals,
    closed: false,
    stop: async () => {
      sites.delete(made)
      made.closed = true
      hub.close()
      await server.stop(true)
    },
  }
  sites.add(made)
  return made
}

/** What both processes declare. The source tells of its start, and yields a number every 5 ms. */
export function declare(hub: Hub, onStart: (id: string) => void = () => {}) {
  hub.topic('room:*', { guard: 'public' })
  hub.topic('cell:*', { kind: 'state', guard: 'public' })
  hub.topic('flash:*', { kind: 'signal', guard: 'public' })
  return new MultiStreamManager<{ id: string }>(hub, {
    name: 'tick',
    getEntity: (id) => ({ id }),
    guard: 'public',
  }).register({
    name: 'lines',
    kind: 'log',
    key: (n: number) => n,
    source: async function* (id, { after, signal }) {
      onStart(id)
      for (let n = Number(after ?? 0) + 1; n <= 300 && !signal.aborted; n++) {
        yield n
        await Bun.sleep(5)
      }
    },
    render: (n: number) => `<li>${n}</li>`,
  })
}

/** Declares the topic `slow`, whose guard thinks until it is told what to say. */
export function slowGuard(hub: Hub) {
  const { promise: said, resolve: grant } = Promise.withResolvers<boolean>()
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  hub.topic('slow', {
    guard: () => {
      ask()
      return said
    },
  })
  return { asked, grant }
}

type Order =
  | { publish: [topic: string, html: string] }
  | { stop: string }
  | { burst: [string, number] }
  | { transact: [topic: string, kept: string, undone: string] }
  | { lock: number }
type Answer = { port: number } | { started: string } | { done: string | undefined }

/** A second process with a hub on the same database. */
export class Child {
  url = ''
  /** Entities whose source was started there. */
  readonly started: string[] = []
  readonly #process: Bun.Subprocess
  #answers: ((id: string | undefined) => void)[] = []

  constructor(database: string, limits: HubOptions['limits'] = {}) {
    children.add(this)
    this.#process = Bun.spawn([process.execPath, import.meta.path], {
      env: { ...process.env, CHILD: JSON.stringify({ database, limits }) },
      stdio: ['ignore', 'inherit', 'inherit'],
      ipc: (answer: Answer) => {
        if ('port' in answer) this.url = `http://127.0.0.1:${answer.port}`
        else if ('started' in answer) this.started.push(answer.started)
        else this.#answers.shift()?.(answer.done)
      },
    })
  }

  get pid(): number {
    return this.#process.pid
  }

  /** Resolves when it serves. */
  async ready(): Promise<this> {
    await settled(() => this.url !== '' || this.#process.exitCode !== null, 10_000)
    return this
  }

  /** Resolves with the event id once the child has it confirmed. */
  tell(order: Order): Promise<string | undefined> {
    this.#process.send(order)
    return new Promise((resolve) => this.#answers.push(resolve))
  }

  /** Ends it with SIGKILL, by its pid. */
  async kill(): Promise<void> {
    const { exitCode, signalCode } = this.#process
    if (exitCode === null && signalCode === null) process.kill(this.pid, 'SIGKILL')
    await this.#process.exited
  }
}

if (import.meta.main) {
  const { database, limits } = JSON.parse(process.env.CHILD as string)
  const say = (answer: Answer) => process.send?.(answer)
  const { hub, server } = serve({ database, limits })
  const ticks = declare(hub, (id) => say({ started: id }))
  process.on('message', async (order: Order) => {
    if ('publish' in order) say({ done: await hub.publish(...order.publish) })
    else if ('stop' in order) say({ done: (await ticks.stop(order.stop)) ?? undefined })
    else if ('transact' in order) {
      const [topic, kept, undone] = order.transact
      try {
        hub.db.transaction((tx) => {
          void hub.publish(topic, undone, { tx })
          tx.rollback()
        })
      } catch {}
      say({ done: await hub.db.transaction((tx) => hub.publish(topic, kept, { tx })) })
    } else if ('lock' in order) {
      hub.db.$client.run('begin immediate')
      await Bun.sleep(order.lock)
      hub.db.$client.run('commit')
      say({ done: undefined })
    } else {
      const [topic, count] = order.burst
      for (let n = 1; n <= count; n++) await hub.publish(topic, `<p id="b${n}">${n}</p>`)
      say({ done: undefined })
    }
  })
  say({ port: server.port as number })
}
