/**
 * The ring: the newest events as bytes, ready to be sent, in front of the log.
 *
 * Each event is encoded once, behind the one before it in a slab of memory, so what is due to a connection is
 * mostly one stretch of a slab and is written without a copy. Who comes back soon, or lags, is served from here in slices
 * that readers with the same interest share. It is a cache and never the truth: what has left it is in the log.
 */
import type { Interest } from './interest'
import type { LogEvent } from './log'
import { firstAfter, isMark, nameOf } from './log/contract'
import { encode } from './sse'
import type { Topic } from './topic'
import { deletionOf, liveFrame } from './wire'

/** An event and where its frame lies. */
export interface Framed {
  readonly seq: number
  readonly topic: Topic
  readonly kind: LogEvent['kind']
  readonly form: LogEvent['form']
  readonly audience: string | null
  readonly slab: Buffer
  readonly from: number
  readonly to: number
  /** Where in all that ever went through the ring it ends. */
  readonly end: number
  /** Whether a newer state of its key has come. */
  superseded: boolean
  /** What precedes its data in a replay, once that was asked for. */
  prefix: Uint8Array | undefined
}

/** A stretch of events for one interest. */
export interface Slice {
  bytes: Uint8Array
  /** How many events are in it. */
  events: number
  /** Up to where a reader has everything that has read it. */
  reached: number
  /** Whether there is nothing after it, so far. */
  isLast: boolean
  /** Whether it is the same for all who have the interest. */
  isShared: boolean
  /** Whether it ends where the slices of others end too. */
  isAtBlock: boolean
}

interface Segment {
  slab: Buffer
  used: number
  events: Framed[]
}

const slabSize = 1024 * 1024
/** Events that it holds at the most: what is known of each takes memory too. */
const mostEvents = 64 * 1024
/** The first slab of a hub that may never have another. */
const firstSlab = 64 * 1024
/** Slices end at multiples of this, wherever they began, so that readers share them. */
const block = 32 * 1024

/** The newest events of one hub. */
export class Ring {
  #epoch: string
  #limit: number
  #segments: Segment[] = []
  #bytes = 0
  #count = 0
  #end = 0
  /** Each event after this number is in here. */
  #floor: number
  #states = new Map<string, Framed>()

  /**
   * @param position the number of the event before the first that will be pushed
   * @param limit bytes that it may hold, about
   */
  constructor(epoch: string, position: number, limit: number) {
    this.#epoch = epoch
    this.#floor = position
    this.#limit = limit
  }

  /** Takes the next event over. */
  push(event: LogEvent): Framed {
    const text = liveFrame(event, this.#epoch) ?? ''
    const segment = this.#room(text)
    const from = segment.used
    segment.used += segment.slab.write(text, from)
    this.#end += segment.used - from
    const framed = framedOf(event, segment, from, this.#end)
    segment.events.push(framed)
    this.#count++
    if (event.kind === 'state') this.#supersede(nameOf(event), framed)
    return framed
  }

  /** Takes over what lies between that number and the oldest it has: all of it, so far as it is kept. */
  prepend(events: readonly LogEvent[], after: number): void {
    const texts = events.map((event) => liveFrame(event, this.#epoch) ?? '')
    const size = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
    if (!this.hasRoom(size)) return
    const first = this.#segments[0]?.events[0]
    let end = (first ? first.end - (first.to - first.from) : this.#end) - size
    const segment: Segment = { slab: Buffer.allocUnsafeSlow(size), used: 0, events: [] }
    events.forEach((event, i) => {
      const from = segment.used
      segment.used += segment.slab.write(texts[i] as string, from)
      end += segment.used - from
      const framed = framedOf(event, segment, from, end)
      segment.events.push(framed)
      const name = nameOf(event)
      if (event.kind === 'state' && !this.#states.has(name)) this.#states.set(name, framed)
    })
    if (events.length > 0) this.#segments.unshift(segment)
    this.#count += events.length
    this.#bytes += size
    this.#floor = after
  }

  /** Forgets everything: nobody looks on, and events up to this number do not come through here. */
  skip(position: number): void {
    this.#floor = position
    if (this.#segments.length === 0) return
    this.#segments = []
    this.#bytes = 0
    this.#count = 0
    this.#states.clear()
  }

  /** Whether it would take so many bytes over. */
  hasRoom(bytes: number): boolean {
    return this.#bytes + bytes <= this.#limit
  }

  /** The number of the event before the oldest. */
  get floor(): number {
    return this.#floor
  }

  /** Whether everything after that number is in here. */
  covers(after: number): boolean {
    return after >= this.#floor
  }

  /** How many events a reader lacks, of one topic or all; at most the limit. */
  count(interest: Interest, after: number, limit: number, topic?: Topic): number {
    let count = 0
    for (const framed of this.#after(after)) {
      if (isPassing(framed, interest) && (topic === undefined || framed.topic === topic)) count++
      if (count >= limit) break
    }
    return count
  }

  /**
   * The next events of a reader, about so many bytes.
   *
   * @param to the number of the last that is wanted
   * @param reader the id of the connection
   */
  slice(interest: Interest, after: number, to: number, size: number, reader: string): Slice {
    const taken: Framed[] = []
    let bytes = 0
    let reached = after
    let isLast = true
    let isShared = true
    let isAtBlock = false
    let before: number | undefined
    for (const framed of this.#after(after)) {
      if (framed.seq > to) break
      reached = framed.seq
      if (!isPassing(framed, interest)) continue
      if (framed.audience !== null) {
        isShared = false
        if (framed.audience === `!${reader}`) continue
      }
      taken.push(framed)
      bytes += framed.to - framed.from
      isAtBlock = before !== undefined && Math.floor(framed.end / block) > before
      before = Math.floor(framed.end / block)
      if (bytes < size && !(isAtBlock && bytes >= size / 2)) continue
      isLast = false
      break
    }
    const isWhole = !isLast && isShared
    return {
      bytes: joined(taken, true),
      events: taken.length,
      reached,
      isLast,
      isShared: isWhole,
      isAtBlock,
    }
  }

  #supersede(name: string, framed: Framed): void {
    const before = this.#states.get(name)
    if (before) before.superseded = true
    this.#states.set(name, framed)
  }

  /** The segment that the frame goes into; a character is at most three bytes. */
  #room(text: string): Segment {
    const last = this.#segments.at(-1)
    if (last && last.slab.byteLength - last.used >= text.length * 3) return last
    const needed = Buffer.byteLength(text)
    if (last && last.slab.byteLength - last.used >= needed) return last
    const size = Math.max(needed, this.#segments.length === 0 ? firstSlab : slabSize)
    const segment = { slab: Buffer.allocUnsafeSlow(size), used: 0, events: [] }
    this.#segments.push(segment)
    this.#bytes += size
    while (this.#isFull && this.#segments.length > 1) this.#drop()
    return segment
  }

  get #isFull(): boolean {
    return this.#bytes > this.#limit || this.#count > mostEvents
  }

  #drop(): void {
    const segment = this.#segments.shift() as Segment
    this.#count -= segment.events.length
    this.#bytes -= segment.slab.byteLength
    this.#floor = segment.events.at(-1)?.seq ?? this.#floor
    const gone = new Set(segment.events)
    for (const [name, framed] of this.#states) if (gone.has(framed)) this.#states.delete(name)
  }

  *#after(seq: number): Generator<Framed> {
    for (const { events } of this.#segments) {
      const newest = events.at(-1)
      if (!newest || newest.seq <= seq) continue
      for (let i = firstAfter(events, seq); i < events.length; i++) yield events[i] as Framed
    }
  }
}

function framedOf(event: LogEvent, { slab, used }: Segment, from: number, end: number): Framed {
  const { seq, topic, kind, form, audience = null } = event
  const [to, superseded, prefix] = [used, false, undefined]
  return { seq, topic, kind, form, audience, slab, from, to, end, superseded, prefix }
}

/** The frames as one chunk: the stretch of the slab where they lie one behind the other, else a copy. */
export function joined(all: readonly Framed[], isReplay = false): Uint8Array {
  const [first] = all
  if (!first) return nothing
  let size = 0
  let end = first.from
  let isOne = true
  for (const framed of all) {
    size += framed.to - framed.from
    if (framed.slab !== first.slab || framed.from !== end) isOne = false
    end = framed.to
    if (!isReplay || framed.form !== 'item') continue
    isOne = false
    size += prefixOf(framed).byteLength
  }
  if (isOne) return first.slab.subarray(first.from, end)
  const chunk = new Uint8Array(size)
  let at = 0
  const add = (bytes: Uint8Array) => {
    chunk.set(bytes, at)
    at += bytes.byteLength
  }
  for (const framed of all) {
    const { slab, from, to } = framed
    if (!isReplay || framed.form !== 'item') {
      add(slab.subarray(from, to))
      continue
    }
    const data = dataAt(framed)
    add(slab.subarray(from, data))
    add(prefixOf(framed))
    add(slab.subarray(data, to))
  }
  return chunk
}

const nothing = new Uint8Array(0)
const decoder = new TextDecoder()

/** What takes an item away that is on the page already. */
function prefixOf(framed: Framed): Uint8Array {
  if (!framed.prefix) {
    const data = decoder.decode(framed.slab.subarray(dataAt(framed), framed.to))
    framed.prefix = encode(deletionOf(data.replaceAll('\ndata: ', '\n')))
  }
  return framed.prefix
}

/** Where in the slab its data begins: `data: ` is the third line's name, after those of id and event. */
function dataAt({ slab, from }: Framed): number {
  const first = slab.indexOf(newline, from)
  return slab.indexOf(newline, first + 1) + 1 + 'data: '.length
}

const newline = 10

/** Whether a reader who catches up is sent it. */
function isPassing(framed: Framed, interest: Interest): boolean {
  if (framed.superseded || framed.kind === 'signal' || isMark(framed)) return false
  return interest.wants(framed.topic)
}
