/**
 * A program that makes a hub, uses all of it, closes it twice, says what is left, and ends by itself.
 */
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { Hub, MultiStreamManager } from 'headwater'
import { connect, cutAll } from './client'
import { given, say } from './program'
import { settled } from './serve'

/** What it is to do. */
export interface ClosingOptions {
  database: string
  /** Closes while a render has not come to its end. */
  rendering?: boolean
}

/** What it has open. */
export interface Left {
  when: 'before' | 'open' | 'closed' | 'stopped'
  /** Of the database. */
  files: number
  /** Whether there is a write-ahead log. */
  wal: boolean
}

/** Its own file handles that lead to a database, on Linux. */
function openFiles(database: string): number {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return targets.filter((target) => target.startsWith(database)).length
}

if (import.meta.main) {
  const { database, rendering } = given<ClosingOptions>()
  const tell = (when: Left['when']) =>
    say({ when, files: openFiles(database), wal: existsSync(`${database}-wal`) })
  tell('before')
  const hub = new Hub({ database, limits: { grace: 60_000, pace: 5_000, render: 4_000 } })
  hub.topic('room:*', { guard: 'public', keep: { count: 16, age: 60_000 } })
  hub.topic('cell:*', { kind: 'state', guard: 'public' })
  new MultiStreamManager<{ id: string }>(hub, {
    name: 'tick',
    getEntity: (id) => ({ id }),
    guard: 'public',
  })
    .register({
      name: 'idle',
      kind: 'log',
      timeout: 60_000,
      source: async function* (_, { signal }) {
        yield 1
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
      render: (n: number) => `<li>${n}</li>`,
    })
    .register({
      name: 'polled',
      kind: 'state',
      source: () => Date.now(),
      interval: 60_000,
      render: String,
      final: () => 'over',
    })
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request, server) =>
      (await hub.fetch(request, { server })) ?? new Response('', { status: 404 }),
  })
  const url = `http://127.0.0.1:${server.port}/stream`
  const clients = await Promise.all([
    connect(`${url}?topic=room:1&topic=cell:1`),
    connect(`${url}?topic=room:1`),
    connect(`${url}/tick?id=1`),
  ])
  await Promise.all(clients.map((client) => client.until(() => client.lastEventId !== '')))
  await clients[2]?.until(() => clients[2]?.events.length === 2)
  clients[1]?.pause()
  for (let n = 0; hub.stats().lagging === 0 && n < 3_000; n++) {
    await hub.publish('room:1', 'x'.repeat(20_000))
    await Bun.sleep(0)
  }
  await hub.publish('cell:1', 'sent')
  hub.publish('cell:1', 'held')
  if (rendering) hub.publish('cell:1', new Promise<string>(() => {})).catch(() => {})
  await settled(() => clients[0]?.events.at(-1)?.data === 'sent')
  tell('open')
  hub.close()
  tell('closed')
  hub.close()
  cutAll()
  await server.stop(true)
  await hub.drain()
  tell('stopped')
}
