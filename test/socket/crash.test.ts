/**
 * H-08: what `publish` has confirmed outlives the death of the process at any moment. Real processes, ended by
 * SIGKILL; what was confirmed stands in a file that they wrote to before they went on.
 */
import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { type Client, connect, type Received } from '../support/client'
import { callersTopics, startNode } from '../support/node'
import { endPrograms } from '../support/program'
import { cleanUp, settled, temporary } from '../support/serve'

setDefaultTimeout(90_000)
const opened: Database[] = []
afterEach(async () => {
  for (const database of opened.splice(0)) database.close()
  await endPrograms()
  await cleanUp()
})

const rounds = 10
const seqOf = (id: string) => Number(id.slice(id.lastIndexOf('.') + 1))
const asking = (topics: string[]) => topics.map((topic) => `topic=${topic}`).join('&')
const query = asking(callersTopics)
const rooms = asking(callersTopics.filter((topic) => topic.startsWith('room:')))

interface Confirmed {
  caller: number
  n: number
  topic: string
  id: string
}

/** Whole lines only: the last one may have been cut by the kill. */
function confirmedIn(file: string): Confirmed[] {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => {
    const [caller, n, topic = '', id = ''] = line.split(' ')
    return { caller: Number(caller), n: Number(n), topic, id }
  })
}

function read(file: string): Database {
  const database = new Database(file, { readonly: true })
  opened.push(database)
  return database
}

describe('kill -9 of a server with 100 callers publishing', () => {
  test('H-08 H-01 loses nothing that was confirmed, doubles nothing, and keeps the order, ten rounds', async () => {
    const database = temporary()
    const limits = { replay: 1_000_000, lease: 30_000 }
    const confirmed = `${database}.confirmed`
    const received: Received[] = []
    let client: Client | undefined
    for (let round = 0; round <= rounds; round++) {
      const { node, url } = await startNode({ database, limits })
      // Who comes back has its cursor and nothing else.
      client = await connect(`${url}/stream?${query}`, { lastEventId: client?.lastEventId })
      const { current } = { current: client }
      if (round > 0) {
        const newest = Math.max(...confirmedIn(confirmed).map(({ id }) => seqOf(id)))
        await current.until(() => seqOf(current.lastEventId) >= newest, 20_000)
      }
      if (round === rounds) {
        await current.until(() => current.comments.length > 0)
        received.push(...current.events)
        break
      }
      await current.until(() => current.lastEventId !== '')
      const pause = 1 + Math.random() * 20
      node.tell({ callers: { count: 100, confirmed, from: round * 100_000, pause } })
      await current.until(() => current.events.length > 200)
      await Bun.sleep(Math.random() * 250)
      await node.kill()
      await current.until(() => current.ended)
      received.push(...current.events)
    }
    const all = confirmedIn(confirmed)
    expect(all.length).toBeGreaterThan(rounds * 100)

    const logs = received.filter(({ name }) => name.startsWith('room:'))
    const seqs = received.map(({ id }) => seqOf(id))
    // One order over all kinds, and no number twice.
    expect(seqs.findIndex((seq, i) => i > 0 && seq <= (seqs[i - 1] as number))).toBe(-1)
    const texts = logs.map(({ data }) => data.trim())
    expect(new Set(texts).size).toBe(texts.length)

    const byId = new Map(logs.map((event) => [event.id, event]))
    const missing = all
      .filter(({ topic }) => topic.startsWith('room:'))
      .filter(({ id, caller, n, topic }) => {
        const event = byId.get(id)
        return event?.name !== topic || event.data.trim() !== `${caller}-${n}`
      })
    expect(missing).toEqual([])

    const numbers = new Map<string, number[]>()
    for (const text of texts) {
      const [caller = '', n] = text.split('-')
      numbers.set(caller, [...(numbers.get(caller) ?? []), Number(n)])
    }
    for (const own of numbers.values()) expect(own).toEqual(own.toSorted((a, b) => a - b))

    // Of a state the newest counts: nobody is left on an older value than was confirmed.
    for (let cell = 0; cell < 10; cell++) {
      const name = `cell:${cell}`
      const newest = all.findLast(({ topic }) => topic === name)?.n ?? 0
      const values = received.filter((event) => event.name === name).map(({ data }) => Number(data))
      expect(values.at(-1)).toBeGreaterThanOrEqual(newest)
      expect(values).toEqual(values.toSorted((a, b) => a - b))
    }
  })

  test('H-08 C-27 marks its connections lost at the next start', async () => {
    const database = temporary()
    const first = await startNode({ database })
    const clients = await Promise.all([1, 2, 3].map(() => connect(`${first.url}/stream?${query}`)))
    const states = read(database).query<{ state: string; reason: string | null }, []>(
      'select state, reason from hw_connection',
    )
    await settled(() => states.all().filter(({ state }) => state === 'open').length === 3)
    await first.node.kill()
    await Promise.all(clients.map((client) => client.until(() => client.ended)))
    expect(states.all().map(({ state }) => state)).toEqual(['open', 'open', 'open'])
    await startNode({ database })
    await settled(() => states.all().every(({ state }) => state === 'lost'))
    expect(states.all().every(({ reason }) => reason)).toBe(true)
  })

  test('H-08 C-27 has its connections marked lost by a living process: at once when its pid is gone, else when its lease ends; those of the living never', async () => {
    const database = temporary()
    const limits = { lease: 900, heartbeat: 300 }
    const node = () => startNode({ database, limits })
    // Two that live: each could take the other for dead.
    const [killed, held, living] = await Promise.all([node(), node(), node(), node()])
    const reader = read(database)
    const pidOf = new Map<string, number>()
    const nodes = reader.query<{ id: string; pid: number }, []>('select id, pid from hw_node')
    for (const { id, pid } of nodes.all()) pidOf.set(id, pid)
    const rows = reader.query<{ node: string; state: string }, []>(
      'select node, state from hw_connection',
    )
    const statesOf = ({ node }: typeof living) =>
      rows
        .all()
        .filter((row) => pidOf.get(row.node) === node.pid)
        .map(({ state }) => state)
    const clients = await Promise.all(
      [killed, held, living].map(({ url }) => connect(`${url}/stream?topic=room:1`)),
    )
    await settled(() => rows.all().filter(({ state }) => state === 'open').length === 3)

    await killed.node.kill()
    await settled(() => statesOf(killed)[0] === 'lost', 3_000)
    // Its pid is there, but it gives no sign of life.
    held.node.signal('SIGSTOP')
    await settled(() => statesOf(held)[0] === 'lost', 5_000)
    held.node.signal('SIGKILL')
    await settled(() => nodes.all().length === 2)
    // Three more of its leases.
    const until = performance.now() + 3 * limits.lease
    while (performance.now() < until) {
      expect(statesOf(living)).toEqual(['open'])
      await Bun.sleep(50)
    }
    living.node.tell({ publish: ['room:1', 'still here'] })
    await clients[2]?.until(() => clients[2]?.events[0]?.data === 'still here')
  })
})

describe('what a client is sent', () => {
  test('H-08 stands in the file before its id leaves the process: 1,000 events, looked for when they arrive', async () => {
    const database = temporary()
    const { node, url } = await startNode({ database })
    const row = read(database).query<{ data: string }, [number]>(
      'select data from hw_event where seq = ?',
    )
    const client = await connect(`${url}/stream?${rooms}`)
    await client.until(() => client.lastEventId !== '')
    let looked = 0
    const absent: string[] = []
    const look = () => {
      for (const { id, data } of client.events.slice(looked)) {
        if (row.get(seqOf(id))?.data !== data) absent.push(id)
        looked++
      }
      return looked >= 1_000
    }
    const confirmed = `${database}.confirmed`
    // So few that some commits are of one event and some of several.
    node.tell({ callers: { count: 10, confirmed, from: 1, pause: 8, size: 100 } })
    await client.until(look, 30_000)
    expect(absent).toEqual([])
    expect(looked).toBeGreaterThanOrEqual(1_000)
  })
})
