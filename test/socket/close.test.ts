/**
 * What a closed hub leaves behind: nothing, seen from a process that ends by itself, and from one that `bun --hot`
 * evaluates again and again.
 */
import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Client, connect, type Received } from '../support/client'
import type { ClosingOptions, Left } from '../support/closing'
import { endPrograms, Program } from '../support/program'
import { cleanUp, declare, serve, settled, temporary } from '../support/serve'

setDefaultTimeout(60_000)
const folders: string[] = []
const databases: Database[] = []
afterEach(async () => {
  for (const database of databases.splice(0)) database.close()
  await endPrograms()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  await cleanUp()
})

const root = join(import.meta.dir, '../..')
const closing = join(root, 'test/support/closing.ts')

describe('a process that closes its hub', () => {
  test('ends by itself at once, whatever ran: sources, connections, a lagging one, timers', async () => {
    const given: ClosingOptions = { database: temporary() }
    const program = new Program<Left>(closing, given, { told: false })
    await program.until(({ said }) => said.some(({ when }) => when === 'stopped'), 20_000)
    const began = performance.now()
    expect(await program.end(20_000)).toBe(0)
    expect(performance.now() - began).toBeLessThan(1_000)
    // Only its own lines: nothing failed on the way.
    expect(program.words.trim().split('\n')).toHaveLength(program.said.length)
  })

  test('has kept what was held, and its connections, its node and its leases are out of the registry', async () => {
    const given: ClosingOptions = { database: temporary() }
    await new Program<Left>(closing, given, { told: false }).end(20_000)
    expect(existsSync(`${given.database}-wal`)).toBe(false)
    const kept = new Database(given.database, { readonly: true })
    databases.push(kept)
    const row = kept.query("select data from hw_event where topic = 'cell:1'")
    expect(row.get()).toEqual({ data: 'held' })
    const open = kept.query("select count(*) as n from hw_connection where state <> 'closed'")
    expect(open.get()).toEqual({ n: 0 })
    expect(kept.query('select count(*) as n from hw_connection').get()).toEqual({ n: 3 })
    expect(kept.query('select count(*) as n from hw_node').get()).toEqual({ n: 0 })
    expect(kept.query('select count(*) as n from hw_lease').get()).toEqual({ n: 0 })
  })

  // SQLite keeps a file open as long as a statement on it lives, and those of log and registry are not finalized.
  test('has no handle on its file any more, and the write-ahead log is gone', async () => {
    const given: ClosingOptions = { database: temporary() }
    const program = new Program<Left>(closing, given, { told: false })
    await program.end(20_000)
    const left = (at: Left['when']) => program.said.find(({ when }) => when === at)
    expect(left('before')).toEqual({ when: 'before', files: 0, wal: false })
    expect(left('open')?.files).toBeGreaterThan(0)
    expect(left('closed')).toEqual({ when: 'closed', files: 0, wal: false })
  })

  // The limit of the render is a timer that nobody clears.
  test('is not kept alive by a render that does not come to its end', async () => {
    const given: ClosingOptions = { database: temporary(), rendering: true }
    const program = new Program<Left>(closing, given, { told: false })
    await program.until(({ said }) => said.some(({ when }) => when === 'stopped'), 20_000)
    const began = performance.now()
    expect(await program.end(20_000)).toBe(0)
    expect(performance.now() - began).toBeLessThan(1_000)
  })
})

describe('hub.close', () => {
  test('again does nothing, and refuses what comes later with words that say why', async () => {
    const on = serve({ database: temporary() })
    declare(on.hub)
    const client = await connect(`${on.url}/stream?topic=room:1`)
    await client.until(() => client.lastEventId !== '')
    on.hub.close()
    on.hub.close()
    await client.until(() => client.ended)
    expect(on.hub.publish('room:1', 'x')).rejects.toThrow('The hub is closed')
    expect((await connect(`${on.url}/stream?topic=room:1`)).status).toBe(503)
    expect(on.errors).toEqual([])
  })
})

/** What the app of {@link hotApp} says each time it is evaluated. */
interface Evaluated {
  evaluation: number
  port: number
}

/** An app that counts on from what is kept, on one port, with a timer that its next evaluation clears. */
const hotApp = (database: string, port: number, version: number) => `
import { Hub } from 'headwater'
const shared = globalThis as unknown as { evaluation?: number; timer?: Timer }
shared.evaluation = (shared.evaluation ?? 0) + 1
clearInterval(shared.timer)
const hub = new Hub({ database: ${JSON.stringify(database)}, limits: { retry: 50, heartbeat: 200 } })
hub.topic('room:*', { guard: 'public', keep: { count: 100_000, age: 86_400_000 } })
const { items } = await hub.history('room:1', { last: 1 })
let n = Number(items.at(-1)?.html ?? 0)
shared.timer = setInterval(() => hub.publish('room:1', String(++n)), 5)
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: ${port},
  fetch: async (request, server) => (await hub.fetch(request, { server })) ?? new Response(''),
})
console.log(JSON.stringify({ evaluation: shared.evaluation, port: server.port }))
// ${version}
`

/** Writes the app into a folder of its own, and runs it with `--hot`. */
async function startHot(database: string) {
  // In the repository, so that the app finds the package by its name; git ignores it.
  mkdirSync(join(root, '.tmp'), { recursive: true })
  const folder = mkdtempSync(join(root, '.tmp/hot-'))
  folders.push(folder)
  const free = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response('') })
  const port = free.port as number
  await free.stop(true)
  const file = join(folder, 'app.ts')
  // In one step: Bun would evaluate an app that is half written.
  const write = (version: number) => {
    writeFileSync(`${file}.new`, hotApp(database, port, version))
    renameSync(`${file}.new`, file)
  }
  write(0)
  const program = new Program<Evaluated>(file, {}, { flags: ['--hot'], told: false })
  await program.until(({ said }) => said.length === 1)
  return {
    program,
    url: `http://127.0.0.1:${port}/stream?topic=room:1`,
    /** Changes the app; resolves when it has been evaluated again. */
    reload: async (version: number) => {
      write(version)
      await program.until(({ said }) => said.length === version + 1)
    },
  }
}

/** Connects, also when for a moment nobody listens. */
async function comeBack(url: string, lastEventId: string): Promise<Client> {
  let client: Client | undefined
  await settled(async () => {
    client = await connect(url, { lastEventId }).catch(() => undefined)
    return client?.status === 200
  })
  return client as Client
}

describe('bun --hot', () => {
  test('H-01 has one living hub after each of five reloads; clients come back and lose nothing', async () => {
    const database = temporary()
    const { program, url, reload } = await startHot(database)
    const reader = new Database(database, { readonly: true })
    databases.push(reader)
    const nodes = reader.query('select id from hw_node')
    const open = reader.query("select node from hw_connection where state in ('open', 'lagging')")
    // As a browser does it: whenever it is ended it comes back with its cursor.
    let isOver = false
    let client: Client = await connect(url)
    const received: Received[] = []
    const following = (async () => {
      while (!isOver) {
        await client.until(() => client.ended || isOver, 60_000)
        received.push(...client.events)
        if (!isOver) client = await comeBack(url, client.lastEventId)
      }
    })()
    const count = () => received.length + client.events.length
    for (let version = 1; version <= 5; version++) {
      const before = count()
      await settled(() => count() > before + 10)
      const old = nodes.all()
      await reload(version)
      await settled(() => nodes.all().length === 1 && !Bun.deepEquals(nodes.all(), old))
      await settled(() =>
        Bun.deepEquals(open.all(), [{ node: (nodes.get() as { id: string }).id }]),
      )
    }
    const before = count()
    await settled(() => count() > before + 10)
    isOver = true
    client.cut()
    await following
    // Who comes for the first time is given what is there as a snapshot, which has no number; nobody who comes back is.
    const events = received[0]?.id === '' ? received.slice(1) : received
    const numbers = events.map(({ data }) => Number(data))
    const [first = 0] = numbers
    expect(numbers).toEqual(numbers.map((_, i) => first + i))
    // Only its own lines: nothing failed on the way.
    expect(program.words.trim().split('\n')).toHaveLength(program.said.length)
  })

  // As above: the statements of the hubs before.
  test('has no more file handles after five reloads than before', async () => {
    const database = temporary()
    const { program, reload } = await startHot(database)
    const before = handles(program.pid, database)
    for (let version = 1; version <= 5; version++) await reload(version)
    expect(handles(program.pid, database)).toBe(before)
  })
})

/** How many file handles of a process lead to a database, on Linux. */
function handles(pid: number, database: string): number {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return links.filter((link) => link.startsWith(database)).length
}
