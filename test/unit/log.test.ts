/**
 * Every driver of the log runs its contract; what only the one in a file can show is here.
 */
import { Database } from 'bun:sqlite'
import { afterEach, describe, expect, setDefaultTimeout, spyOn, test } from 'bun:test'
import { readFileSync, rmSync } from 'node:fs'
import { Hub } from 'headwater'
import { type Log, type LogEvent, memoryLog, sqliteLog } from 'headwater/log'
import { asTopic } from '../../src/topic'
import { startNeighbour } from '../support/neighbour'
import { endPrograms } from '../support/program'
import { cleanUp, settled, temporary } from '../support/serve'
import { all, beside, closeLogs, contract, datas, entry, many, open } from './log.contract'

setDefaultTimeout(30_000)

const databases: Database[] = []
afterEach(async () => {
  await closeLogs()
  for (const database of databases.splice(0)) database.close()
  await endPrograms()
  await cleanUp()
})

const inOneProcess = (log: Log) => ({ log, write: beside(log) })

contract('memoryLog', () => inOneProcess(memoryLog()))
contract('sqliteLog in memory', () => inOneProcess(sqliteLog(':memory:')))
contract('sqliteLog on a file, written to by other processes', () => {
  const file = temporary()
  return {
    log: sqliteLog(file),
    write: async (writer, turns) => (await startNeighbour(file, writer)).append(turns, 2),
  }
})

describe('sqliteLog', () => {
  const raw = (file: string, statement: string, ...values: string[]) => {
    const database = new Database(file)
    database.run(statement, values)
    database.close()
  }

  test('appends all or none', () => {
    const file = temporary()
    const log = open(sqliteLog(file))
    log.append([entry('log a kept')])
    const broken = { ...entry('log a broken'), data: null as unknown as string }
    expect(() => log.append([entry('log a first'), broken, entry('log a last')])).toThrow()
    expect(datas(all(log) as LogEvent[])).toEqual(['kept'])
    expect(log.append([entry('log a next')])).toEqual([{ seq: 2, fresh: true }])
  })

  test('goes on where it stood when it is opened again, under the same epoch', async () => {
    const file = temporary()
    const first = sqliteLog(file)
    await first.append([...many(3), entry('state a s')])
    await first.close()
    const second = open(sqliteLog(file))
    expect([second.epoch, second.head()]).toEqual([first.epoch, 4])
    expect(datas(await second.last(asTopic('a'), 99))).toEqual(['1', '2', '3', 's'])
    const [next] = await second.append([entry('log a')])
    expect(next?.seq).toBeGreaterThan(4)
  })

  test('gives no number again, though the newest was given up', async () => {
    const file = temporary()
    const first = sqliteLog(file)
    await first.append(many(3))
    await first.trim(asTopic('a'), { count: 0, age: 60_000 })
    await first.close()
    const second = open(sqliteLog(file))
    expect(second.head()).toBe(3)
    const [next] = await second.append([entry('log a')])
    expect(next?.seq).toBeGreaterThan(3)
  })

  test('has another epoch when the machine was started anew, or the file is a new one', async () => {
    const file = temporary()
    const first = sqliteLog(file)
    await first.append(many(3))
    await first.close()
    raw(file, "update hw_meta set value = ? where name = 'boot'", 'of another start')
    const second = sqliteLog(file)
    expect(second.epoch).not.toBe(first.epoch)
    expect(second.head()).toBe(3)
    await second.close()
    const third = sqliteLog(file)
    expect(third.epoch).toBe(second.epoch)
    await third.close()
    for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true })
    const fourth = open(sqliteLog(file))
    expect([first.epoch, second.epoch]).not.toContain(fourth.epoch)
    expect(fourth.head()).toBe(0)
  })

  test('hears what another on the same file appends within half a second, all kinds', async () => {
    const file = temporary()
    const [here, there] = [open(sqliteLog(file)), open(sqliteLog(file))]
    expect(here.epoch).toBe(there.epoch)
    const heard: LogEvent[] = []
    here.follow((events) => heard.push(...events))
    const start = performance.now()
    await there.append([entry('log a 1'), entry('state a 2'), entry('signal a 3')])
    await settled(() => heard.length === 3)
    expect(performance.now() - start).toBeLessThan(500)
    expect(heard.map(({ kind, seq }) => [kind, seq])).toEqual([
      ['log', 1],
      ['state', 2],
      ['signal', 3],
    ])
    await there.append([entry('log a 4')])
    expect(here.head()).toBe(4)
    expect(datas(heard)).toEqual(['1', '2', '3', '4'])
  })

  test('hears what another process appends within 50 ms, beyond what this one was held up itself', async () => {
    const file = temporary()
    const log = open(sqliteLog(file))
    const heard: { seq: number; at: number }[] = []
    log.follow((events) => heard.push(...events.map(({ seq }) => ({ seq, at: Date.now() }))))
    const neighbour = await startNeighbour(file, 'other')
    // How long this event loop stood still at the longest: the machine is shared.
    let [longest, last] = [0, performance.now()]
    const watch = setInterval(() => {
      longest = Math.max(longest, performance.now() - last - 1)
      last = performance.now()
    }, 1)
    const appended = await neighbour.append(100, 25)
    await settled(() => heard.length >= appended.length)
    clearInterval(watch)
    const at = new Map(heard.map((event) => [event.seq, event.at]))
    const delays = appended.map((own) => (at.get(own.seq) ?? Number.NaN) - own.at)
    expect(delays.toSorted((a, b) => a - b)[Math.floor(delays.length / 2)]).toBeLessThanOrEqual(30)
    expect(Math.max(...delays)).toBeLessThanOrEqual(50 + longest)
  })

  test('hears everything that was appended while its own process stood still for 300 ms', async () => {
    const file = temporary()
    const log = open(sqliteLog(file))
    const heard: LogEvent[] = []
    log.follow((events) => heard.push(...events))
    const neighbour = await startNeighbour(file, 'other')
    const appending = neighbour.append(150, 8)
    await settled(() => heard.length > 20)
    const before = heard.length
    Bun.sleepSync(300)
    expect(heard.length).toBe(before)
    // What this one appends comes after what it has not heard yet, not before.
    await log.append([entry('log a own')])
    expect(heard.length).toBeGreaterThan(before + 10)
    expect(heard.at(-1)?.data).toBe('own')
    const appended = await appending
    await settled(() => heard.length === appended.length + 1)
    expect(heard.filter(({ data }) => data !== 'own').map(({ seq }) => seq)).toEqual(
      appended.map(({ seq }) => seq),
    )
    expect(heard.map(({ seq }) => seq)).toEqual(
      heard.map(({ seq }) => seq).toSorted((a, b) => a - b),
    )
  })

  // The log takes note of the file's version before it has read what is new, so a look that fails is not repeated.
  test('hears everything although one look for it failed, which it reports', async () => {
    const file = temporary()
    const broken = new Error('disk I/O error')
    const look = failing(/from hw_event where seq >/)
    const log = open(sqliteLog(file))
    look.restore()
    const heard: LogEvent[] = []
    const errors: unknown[] = []
    log.follow(
      (events) => heard.push(...events),
      (error) => errors.push(error),
    )
    const neighbour = await startNeighbour(file, 'other')
    look.next = broken
    // The last that anybody appends: nothing later brings it to mind again.
    const [appended] = await neighbour.append(1, 0)
    await settled(() => look.next === undefined)
    await settled(() => heard.length === 1, 1_000)
    expect(heard[0]?.seq).toBe(appended?.seq as number)
    expect(errors).toEqual([broken])
  })

  test('tells each event once and in order when two writers take turns', async () => {
    const file = temporary()
    const logs = [open(sqliteLog(file)), open(sqliteLog(file)), open(sqliteLog(file))]
    const heard: number[][] = logs.map((log) => {
      const seqs: number[] = []
      log.follow((events) => seqs.push(...events.map(({ seq }) => seq)))
      return seqs
    })
    for (let i = 0; i < 300; i++) {
      await logs[i % 2]?.append(many(1 + (i % 3)))
      if (i % 7 === 0) await Bun.sleep(1)
    }
    const whole = Array.from({ length: 600 }, (_, i) => i + 1)
    await settled(() => heard.every(({ length }) => length >= 600))
    expect(heard).toEqual([whole, whole, whole])
  })

  test('tells all who follow of a topic that was forgotten, on the same file and on the same connection', async () => {
    const file = temporary()
    const database = new Database(':memory:')
    databases.push(database)
    for (const make of [() => sqliteLog(file), () => sqliteLog(database)]) {
      const [here, there] = [open(make()), open(make())]
      const heard: unknown[] = []
      here.follow((events, missed) => heard.push(...(missed?.topics ?? []), ...datas(events)))
      await there.append(many(2))
      expect(here.head()).toBe(there.head())
      // What comes before it was heard is told with it.
      await there.forget(asTopic('a'))
      await here.append([entry('log a next')])
      expect(heard).toEqual(['1', '2', asTopic('a'), 'next'])
      await there.forget(asTopic('a'))
      await settled(() => heard.length === 5)
      expect(here.head()).toBe(there.head())
    }
  })

  test('forgets a topic for good: its number is not given again, and cursors before it stay no good', async () => {
    const file = temporary()
    const first = sqliteLog(file)
    await first.append(many(3))
    await first.forget(asTopic('a'))
    await first.close()
    const second = open(sqliteLog(file))
    expect(second.head()).toBe(4)
    expect(second.knows?.(4)).toBe(true)
    expect(await second.trimmed([asTopic('a')], 3)).toEqual([asTopic('a')])
    expect(await second.trimmed([asTopic('a')], 4)).toEqual([])
    const [next] = await second.append([entry('log a')])
    expect(next?.seq).toBeGreaterThan(4)
  })

  test('notes the skipped numbers of a start, however much is forgotten afterwards', async () => {
    const file = temporary()
    const first = sqliteLog(file)
    await first.append(many(3))
    await first.close()
    const second = open(sqliteLog(file))
    for (let n = 0; n < 50; n++) {
      await second.append(many(1))
      await second.forget(asTopic('a'))
    }
    const reader = new Database(file, { readonly: true })
    databases.push(reader)
    expect(reader.query('select last from hw_gap').all()).toEqual([
      { last: 3 },
      { last: second.head() },
    ])
    expect(second.knows?.(4)).toBe(false)
  })

  test('tells others that what is piped to a topic is to stop, though it was forgotten meanwhile', async () => {
    const file = temporary()
    const [here, there] = [open(sqliteLog(file)), open(sqliteLog(file))]
    const heard: string[] = []
    here.follow((events) => heard.push(...events.map(({ form }) => form)))
    await there.append([entry('signal a words'), entry('signal a', { form: 'stop', data: '' })])
    await there.forget(asTopic('a'))
    here.head()
    expect(heard).toEqual(['stop'])
  })

  test('uses a database of the app and leaves it open', async () => {
    const database = new Database(temporary())
    const log = sqliteLog(database)
    await log.append(many(2))
    await log.close()
    expect(database.query('select count(*) as n from hw_event').get()).toEqual({ n: 2 })
    database.close()
  })
})

/** Statements that are prepared from now on until `restore`: the next one that fits throws `next`, once. */
function failing(fits: RegExp): { next: Error | undefined; restore(): void } {
  const original = Database.prototype.prepare
  const spy = spyOn(Database.prototype, 'prepare').mockImplementation(function (
    this: Database,
    ...given: Parameters<typeof original>
  ) {
    const statement = original.apply(this, given)
    if (!fits.test(given[0])) return statement
    for (const way of ['all', 'get', 'values', 'iterate'] as const) {
      const read = statement[way].bind(statement) as (...values: unknown[]) => unknown
      const once = (...values: unknown[]) => {
        const { next } = state
        state.next = undefined
        if (next) throw next
        return read(...values)
      }
      Object.defineProperty(statement, way, { value: once })
    }
    return statement
  } as typeof original)
  const state: { next: Error | undefined; restore(): void } = {
    next: undefined,
    restore: () => spy.mockRestore(),
  }
  return state
}

/** How many commits stand in the write-ahead log: the last frame of each says the size of the database. */
function commitsIn(file: string): number {
  const wal = readFileSync(`${file}-wal`)
  const frame = 24 + wal.readUInt32BE(8)
  const salt = wal.subarray(16, 24)
  let commits = 0
  for (let at = 32; at + frame <= wal.length; at += frame) {
    // Frames from before the log was begun again are left over.
    if (!wal.subarray(at + 8, at + 16).equals(salt)) break
    if (wal.readUInt32BE(at + 4) > 0) commits++
  }
  return commits
}

describe('a hub on a file', () => {
  const hubOn = (database: string) => {
    const hub = new Hub({ database })
    hub.topic('cell:*', { kind: 'state' }).topic('flash:*', { kind: 'signal' })
    hubs.push(hub)
    return hub
  }
  const hubs: Hub[] = []
  afterEach(() => {
    for (const hub of hubs.splice(0)) hub.close()
  })

  test('commits all that is published in one turn as one transaction', async () => {
    const file = temporary()
    const hub = hubOn(file)
    await hub.publish('room:1', 'warm')
    // Who reads keeps the write-ahead log from being begun again.
    const reader = new Database(file, { readonly: true })
    databases.push(reader)
    reader.run('begin')
    reader.query('select count(*) from hw_event').get()
    const before = commitsIn(file)
    await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        hub.publish(`${['room', 'cell', 'flash'][n % 3]}:${n}`, `${n}`),
      ),
    )
    expect(commitsIn(file) - before).toBe(1)
    // Who awaits each has a turn, and a transaction, for each.
    for (let n = 0; n < 10; n++) await hub.publish('room:1', `${n}`)
    expect(commitsIn(file) - before).toBe(11)
    reader.run('rollback')
    const kept = reader.query('select count(*) as n from hw_event')
    expect(kept.get()).toEqual({ n: 111 })
  })

  test('H-08 has kept what it confirms: another process reads the row as soon as publish resolves', async () => {
    const file = temporary()
    const hub = hubOn(file)
    const neighbour = await startNeighbour(file, 'other')
    for (let n = 0; n < 50; n++) {
      const [id] = await Promise.all([
        hub.publish('room:1', `first ${n}`),
        hub.publish('room:2', `second ${n}`),
      ])
      const seq = Number(id?.split('.').at(-1))
      expect(await neighbour.look(seq)).toMatchObject({ data: `first ${n}` })
    }
  })
})
