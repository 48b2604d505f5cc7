/**
 * One round of the chaos test: servers, a publisher and readers on a new database, faults, quiet, and the count.
 */
import { Database } from 'bun:sqlite'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ledger } from './ledger'
import { type Planned, plan, readers, servers } from './plan'
import { Child } from './processes'
import { FaultyProxy } from './proxy'
import { drawing } from './random'
import { type Complaint, Reader } from './reader'
import type { Sabotage } from './sabotage'
import type { Counts } from './server'
import { isUpToDate, verify } from './verify'

/** What a round is made of. */
export interface RoundOptions {
  seed: number
  round: number
  faults: number
  /** Milliseconds between two faults, in the middle. */
  gap: number
  sabotage: Sabotage | undefined
}

/** What it came to. */
export interface Result {
  faults: number
  /** Confirmed. */
  events: number
  /** Over all connections. */
  deliveries: number
  connections: number
  processes: number
  /** How long the faults, their ends, the pages and the servers took, in milliseconds. */
  took: number[]
  lost: number
  doubled: number
  /** What was lost, doubled or left over, for people. */
  faulty: string[]
  /** What the servers complained of, and how often. */
  errors: Map<string, number>
}

/** Events that are published for each fault. */
const perFault = 36
/** Of 64 KB each: more than the kernel takes of one connection. */
const burst = 90
/** How long it may take until everything is as it should be, in milliseconds. */
const patience = 30_000
/** How long until a server that was killed is noticed, in milliseconds: more than its lease. */
const noticed = 6_000
/** After so many without an event there will be none, however many are lacking. */
const hopeless = 4_000
/** The place of the publisher, after those of the servers. */
const publisher = servers
/** The place of the server that comes and goes. */
const second = servers - 1

/** Runs one round. */
export async function runRound(options: RoundOptions): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-chaos-'))
  const round = new Round(options, join(folder, 'chaos.db'))
  try {
    return await round.run()
  } finally {
    round.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Waits until it holds, but not for longer than so many milliseconds. */
async function within(time: number, predicate: () => boolean | Promise<boolean>): Promise<void> {
  const until = performance.now() + time
  while (!(await predicate()) && performance.now() < until) await Bun.sleep(50)
}

class Round {
  #options: RoundOptions
  #database: string
  #ledger: Ledger
  #proxy: FaultyProxy
  #readers: Reader[]
  /** The process in each place. */
  #places: (Child | undefined)[] = []
  #all: Child[] = []
  #next = 0
  #draw
  #errors = new Map<string, number>()
  #left: string[] = []
  /** Faults that take their time. */
  #working = new Set<Promise<unknown>>()

  constructor(options: RoundOptions, database: string) {
    this.#options = options
    this.#database = database
    this.#ledger = new Ledger(database)
    this.#draw = drawing(options.seed + options.round)
    this.#proxy = new FaultyProxy(() => this.#server())
    const serverOf = (reader: number) => this.#proxy.serverOf(reader)
    this.#readers = Array.from(
      { length: readers },
      (_, number) => new Reader(number, this.#proxy.port, serverOf),
    )
  }

  async run(): Promise<Result> {
    const { seed, round, faults, gap } = this.#options
    const times = [performance.now()]
    for (const place of [0, 1, publisher]) this.#start(place)
    await Promise.all(this.#all.map(({ ready }) => ready))
    const following = this.#readers.map((reader) => reader.follow())
    await within(patience, () => this.#readers.every(({ opened }) => opened))
    let due = performance.now()
    for (const fault of plan(seed, round, faults, gap)) {
      this.#publish(perFault)
      this.#inflict(fault)
      due += fault.gap
      await Bun.sleep(Math.max(0, due - performance.now()))
    }
    times.push(performance.now())
    await this.#quiet()
    times.push(performance.now())
    const complaints = await this.#verdict()
    times.push(performance.now())
    for (const reader of this.#readers) reader.leave()
    await Promise.all(following)
    await this.#remains()
    times.push(performance.now())
    const disagreements = await this.#ledger.audit()
    const all = [...complaints, ...disagreements.map((one) => ({ ...one, trail: [], reader: '' }))]
    const sum = (kind: Complaint['kind']) =>
      all.filter((one) => one.kind === kind).reduce((count, { names }) => count + names.length, 0)
    return {
      faults,
      events: this.#ledger.confirmed.size,
      deliveries: this.#deliveries(),
      connections: this.#readers.reduce((count, { connections }) => count + connections, 0),
      processes: this.#all.length,
      took: times.slice(1).map((time, i) => time - (times[i] as number)),
      lost: sum('lost'),
      doubled: sum('doubled'),
      faulty: [...all.map((one) => this.#describe(one)), ...this.#left],
      errors: this.#errors,
    }
  }

  close(): void {
    for (const reader of this.#readers) reader.leave()
    this.#proxy.close()
    for (const child of this.#all) child.kill()
    this.#ledger.close()
  }

  #start(place: number): Child {
    const name = `p${++this.#next}`
    const { sabotage } = this.#options
    const role = { database: this.#database, name, serves: place !== publisher, sabotage }
    const child = new Child(role, {
      confirmed: (some) => this.#ledger.confirm(some),
      error: (message) => this.#errors.set(message, (this.#errors.get(message) ?? 0) + 1),
    })
    this.#places[place] = child
    this.#all.push(child)
    child.ready.catch(() => {
      if (!child.killed) this.#left.push(`${name} could not start`)
    })
    return child
  }

  /** One of those that listen, the draining ones too. */
  #server(): { port: number; name: string } | undefined {
    const open = this.#places.filter((child) => child?.open)
    return open[Math.floor(Math.random() * open.length)]
  }

  #publish(count: number): void {
    const living = this.#places.filter((child) => child?.alive) as Child[]
    for (let half = 0; half < 2 && living.length > 0; half++) {
      const time = this.#options.gap * 2
      const seed = this.#draw.below(2 ** 31)
      this.#draw.pick(living).tell({ publish: count / 2, time, seed })
    }
  }

  #inflict(fault: Planned): void {
    const reader = 'reader' in fault ? this.#readers[fault.reader] : undefined
    const time = 'time' in fault ? ` for ${fault.time} ms` : ''
    reader?.note(`${fault.kind}${'after' in fault ? ` after ${fault.after} bytes` : ''}${time}`)
    const work = this.#do(fault)
    if (!work) return
    this.#working.add(work)
    work.then(() => this.#working.delete(work))
  }

  #do(fault: Planned): Promise<unknown> | undefined {
    const proxy = this.#proxy
    switch (fault.kind) {
      case 'cut':
        return void proxy.cut(fault.reader, fault)
      case 'cut again':
        return void proxy.cutAgain(fault.reader, fault)
      case 'stall':
        return proxy.stall(fault.reader, fault.time, fault.cut)
      case 'slow':
        if (fault.burst) this.#listening()?.tell({ burst })
        return fault.burst
          ? proxy.stall(fault.reader, fault.time, false)
          : proxy.slow(fault.reader, 50, fault.time)
      case '503':
        return void proxy.refuse(fault.reader)
      case 'restore':
        return void this.#readers[fault.reader]?.restore()
      case 'reload':
        return void this.#readers[fault.reader]?.reload()
      case 'kill':
        return this.#replace(fault.server, fault.back, (child) => this.#kill(child))
      case 'drain':
        return this.#replace(fault.server, fault.back, (child) => this.#end(child, fault.within))
      case 'second process':
        return this.#second(fault.kill)
      case 'publisher crash':
        return this.#replace(publisher, fault.back, (child) => this.#kill(child))
      case 'clock':
        return void this.#places[fault.server]?.tell({ clock: fault.by })
    }
  }

  #listening(): Child | undefined {
    return this.#places.find((child) => child?.open)
  }

  async #replace(place: number, back: number, end: (child: Child) => Promise<unknown>) {
    const child = this.#places[place]
    if (!child) return
    await end(child)
    await Bun.sleep(back)
    // Another fault may have put another one there.
    if (this.#places[place] === child) this.#start(place)
  }

  async #second(kill: boolean): Promise<void> {
    const child = this.#places[second]
    if (!child?.alive) return void this.#start(second)
    await (kill ? this.#kill(child) : this.#end(child, 200))
    if (this.#places[second] === child) this.#places[second] = undefined
  }

  async #kill(child: Child): Promise<void> {
    child.kill()
    await child.exited
  }

  async #end(child: Child, within: number): Promise<void> {
    this.#left.push(...(await child.end(within)))
  }

  /** No more faults; everything that was published is confirmed or lost for good. */
  async #quiet(): Promise<void> {
    this.#proxy.heal()
    await Promise.all(this.#working)
    this.#proxy.heal()
    for (const place of [0, 1, publisher]) if (!this.#places[place]?.alive) this.#start(place)
    const living = this.#living()
    await Promise.all(living.map(({ ready }) => ready.catch(() => {})))
    await Promise.all(living.map((child) => child.settle()))
  }

  async #verdict(): Promise<(Complaint & { reader: string })[]> {
    this.#ledger.complete()
    let [events, at] = [0, performance.now()]
    await within(patience, () => {
      if (events !== this.#deliveries()) [events, at] = [this.#deliveries(), performance.now()]
      const isHopeless = performance.now() > at + hopeless
      return isHopeless || this.#readers.every((reader) => isUpToDate(reader, this.#ledger))
    })
    // What is doubled comes after everything was there.
    await Bun.sleep(200)
    return this.#readers.flatMap((reader) =>
      verify(reader, this.#ledger).map((complaint) => ({
        ...complaint,
        reader: `reader ${reader.number} of ${reader.interest.topics}${reader.bare ? ', without since' : ''}: `,
      })),
    )
  }

  /** What the servers have left when all readers have gone, and the database when all servers have. */
  async #remains(): Promise<void> {
    const database = new Database(this.#database, { readonly: true })
    const count = (what: string) =>
      (database.query(`select count(*) as count from ${what}`).get() as { count: number }).count
    const open = () => count("hw_connection where state not in ('closed', 'lost')")
    await Promise.all(this.#living().map((child) => this.#isIdle(child)))
    // Those of a server that was killed are marked lost by the others, a third of a lease later.
    await within(noticed, () => open() === 0)
    if (open() > 0) {
      const orphans = count(
        "hw_connection where state not in ('closed', 'lost') and node not in (select id from hw_node)",
      )
      const of = `${orphans} of them of servers that are not in hw_node`
      this.#left.push(`${open()} connections are open in the registry, ${of}`)
    }
    await Promise.all(this.#living().map((child) => this.#end(child, 100)))
    const dead = this.#all.filter(({ died }) => died).map(({ node }) => `'${node}'`)
    const lost = count(`hw_connection where state = 'lost' and node not in (${dead})`)
    if (lost > 0)
      this.#left.push(`${lost} connections of servers that lived are lost in the registry`)
    for (const table of ['hw_node', 'hw_lease']) {
      const rows = count(table)
      if (rows > 0) this.#left.push(`${rows} rows are left in ${table}`)
    }
    database.close()
  }

  /** As it was before the first reader came. */
  async #isIdle(child: Child): Promise<void> {
    const excess = (counts: Counts) =>
      Object.entries(counts).filter(([name, n]) => n > (child.idle?.[name as keyof Counts] ?? 0))
    let left: unknown[] = []
    await within(patience, async () => {
      left = excess(await child.count())
      return left.length === 0
    })
    if (left.length > 0) {
      this.#left.push(`${child.name} has left without readers: ${JSON.stringify(left)}`)
    }
  }

  #deliveries(): number {
    return this.#readers.reduce((count, { events }) => count + events, 0)
  }

  #living(): Child[] {
    return this.#places.filter((child) => child?.alive) as Child[]
  }

  #describe({ kind, reader, topic, names, what, trail }: Complaint & { reader: string }): string {
    const { seed, round } = this.#options
    const some = names.slice(0, 12).join(' ') + (names.length > 12 ? ' …' : '')
    return [
      `${kind}: seed ${seed}, round ${round}, ${reader}${topic}: ${names.length} ${what}: ${some}`,
      ...trail,
    ].join('\n')
  }
}
