import { type Log, type LogEvent, sqliteLog } from '../../src/log'
import { asPattern } from '../../src/topic'
import { namesOf, valuesOf } from './page'
import type { Confirmed } from './server'
import { isWhole, themes } from './themes'

/** An event of kind `log`: its number, and the name that was given to it. */
export interface Entry {
  seq: number
  name: string
}

/** A confirmation, or a topic, that does not agree with the log. */
export interface Disagreement {
  kind: 'lost' | 'doubled'
  topic: string
  names: string[]
  what: string
}

/**
 * What should be on the pages: every event in its order, as a follower of the log's file hears of it, and what the
 * publishers say was confirmed.
 */
export class Ledger {
  readonly log: Log
  /** Numbers that were confirmed. */
  readonly confirmed = new Set<number>()
  #orders = new Map<string, Entry[]>()
  #states = new Map<string, Entry>()
  #confirmations: Confirmed[] = []

  constructor(database: string) {
    this.log = sqliteLog(database)
    this.log.follow((events) => {
      for (const event of events) this.#hear(event)
    })
  }

  /** All events of a topic of kind `log`, in order, also those that were given up since. */
  order(topic: string): readonly Entry[] {
    return this.#orders.get(topic) ?? []
  }

  /** What was given up before a follower could hear of it is known by its confirmation. */
  complete(): void {
    // Whoever follows has been given everything when this returns.
    this.log.head()
    const given = new Set(themes.filter((theme) => !isWhole(theme)).map(({ topic }) => topic))
    for (const [topic, order] of this.#orders) {
      if (!given.has(topic)) continue
      const heard = new Set(order.map(({ seq }) => seq))
      for (const { topic: of, name, id } of this.#confirmations) {
        if (of === topic && !heard.has(seqOf(id))) order.push({ seq: seqOf(id), name })
      }
      order.sort((a, b) => a.seq - b.seq)
    }
  }

  /** The newest value of a topic's key. */
  states(): ReadonlyMap<string, Entry> {
    return this.#states
  }

  confirm(some: Confirmed[]): void {
    for (const one of some) {
      this.#confirmations.push(one)
      this.confirmed.add(seqOf(one.id))
    }
  }

  close(): void {
    this.log.close()
  }

  /** Compares what was heard with what is kept, and both with what was confirmed. */
  async audit(): Promise<Disagreement[]> {
    const found = [...this.#unkept(), ...this.#disordered()]
    for (const { topic } of themes.filter(isWhole)) found.push(...(await this.#unheard(topic)))
    for (const { topic, kind } of themes) {
      if (kind === 'state') found.push(...(await this.#stale(topic)))
    }
    return found
  }

  #hear({ topic, kind, data, seq }: LogEvent): void {
    if (kind === 'state') {
      for (const [key, name] of valuesOf(data)) this.#states.set(`${topic} ${key}`, { seq, name })
      return
    }
    const order = this.#orders.get(topic) ?? []
    this.#orders.set(topic, order)
    for (const name of namesOf(data)) order.push({ seq, name })
  }

  /** What was confirmed and is not there. */
  #unkept(): Disagreement[] {
    const kept = new Map<string, number>()
    for (const [topic, order] of this.#orders) {
      for (const { seq, name } of order) kept.set(`${topic} ${name}`, seq)
    }
    return this.#confirmations
      .filter(({ topic, key, name, id }) => {
        const state = this.#states.get(`${topic} ${key}`)
        const seq = seqOf(id)
        return state ? seq > state.seq : kept.get(`${topic} ${name}`) !== seq
      })
      .map(({ topic, name, id }) => ({
        kind: 'lost',
        topic,
        names: [`${name}@${id}`],
        what: 'confirmed, but not in the log',
      }))
  }

  /** Each publisher's events stand in the order of its calls, once. */
  #disordered(): Disagreement[] {
    return [...this.#orders].flatMap(([topic, order]) => {
      const last = new Map<string, number>()
      const wrong = order.filter(({ name }) => {
        const [publisher = '', n] = name.split('-')
        const before = last.get(publisher) ?? 0
        last.set(publisher, Number(n))
        return Number(n) <= before
      })
      if (wrong.length === 0) return []
      const what = 'twice in the log, or after what was published later'
      return [{ kind: 'doubled' as const, topic, names: wrong.map(nameOf), what }]
    })
  }

  async #unheard(topic: string): Promise<Disagreement[]> {
    const kept: string[] = []
    for (let after = 0; ; ) {
      const events = await this.log.read({ topics: [asPattern(topic)], after, limit: 1_000 })
      const newest = events.at(-1)
      if (!newest) break
      after = newest.seq
      for (const { seq, data } of events)
        for (const name of namesOf(data)) kept.push(`${name}@${seq}`)
    }
    const heard = this.order(topic).map(nameOf)
    const what = 'kept and not heard by a follower of the file, or heard and not kept'
    const names = differences(kept, heard)
    return names.length > 0 ? [{ kind: 'lost', topic, names, what }] : []
  }

  async #stale(topic: string): Promise<Disagreement[]> {
    const events = await this.log.read({ topics: [asPattern(topic)], after: 0, limit: 1_000 })
    const kept = events.flatMap(({ seq, data }) =>
      valuesOf(data).map(([key, name]) => `${key} ${name}@${seq}`),
    )
    const heard = [...this.#states]
      .filter(([place]) => place.startsWith(`${topic} `))
      .map(([place, entry]) => `${place.slice(topic.length + 1)} ${nameOf(entry)}`)
    const names = differences(kept, heard)
    const what = 'a value that is kept and was not the last one heard, or the reverse'
    return names.length > 0 ? [{ kind: 'lost', topic, names, what }] : []
  }
}

/** An event, for people. */
export function nameOf({ name, seq }: Entry): string {
  return `${name}@${seq}`
}

/** The number in an event id; nothing is lost by not looking at its epoch, which is looked at elsewhere. */
export function seqOf(id: string): number {
  return Number(id.slice(id.lastIndexOf('.') + 1))
}

function differences(some: string[], others: string[]): string[] {
  const [a, b] = [new Set(some), new Set(others)]
  return [...some.filter((one) => !b.has(one)), ...others.filter((one) => !a.has(one))]
}
