import { longestTimer } from './timers'

/**
 * What a hub grants, and for how long. Times in milliseconds, sizes in bytes.
 */
export interface Limits {
  /** Between signs of life on a quiet connection. @default 15000 */
  heartbeat: number
  /** When a browser comes back after a cut; drawn anew for each connection. @default [1000, 3000] */
  retry: number | readonly [from: number, to: number]
  /** What one write to a connection may hold. @default 262144 */
  budget: number
  /** What of the newest events is held in memory, ready to be sent. @default 33554432 */
  ring: number
  /** Open connections of one network address. @default 200 */
  perAddress: number
  /** Open connections of one viewer. @default 50 */
  perViewer: number
  /** Open connections of the hub. @default 50000 */
  connections: number
  /** Topics, or entities, that one request may name. @default 100 */
  topics: number
  /** Addresses that the connection of a page may follow; with the runtime it is one for all tabs. @default 5000 */
  addresses: number
  /** Events that are replayed of one topic; with more the reader gets the snapshot. @default 1000 */
  replay: number
  /** Items in the snapshot of a topic of kind `log`. @default 200 */
  snapshot: number
  /** How long a signed address is good. @default 86400000 */
  expires: number
  /** One event. @default 1048576 */
  event: number
  /** How long a render may take. @default 10000 */
  render: number
  /** Between two appends of one state's key. @default 17 */
  pace: number
  /** How long a source goes on after its last viewer left. @default 5000 */
  grace: number
  /** How long a node counts as living without a sign of life. @default 30000 */
  lease: number
}

export const defaults: Limits = {
  heartbeat: 15_000,
  retry: [1_000, 3_000],
  budget: 256 * 1024,
  ring: 32 * 1024 * 1024,
  perAddress: 200,
  perViewer: 50,
  connections: 50_000,
  topics: 100,
  addresses: 5_000,
  replay: 1_000,
  snapshot: 200,
  expires: 24 * 60 * 60 * 1_000,
  event: 1024 * 1024,
  render: 10_000,
  pace: 17,
  grace: 5_000,
  lease: 30_000,
}

/** What is waited for with a timer. */
const timed: readonly string[] = ['heartbeat', 'retry', 'render', 'pace', 'grace', 'lease']

/** What may be none at all. */
const dispensable: readonly string[] = ['pace', 'grace']

/**
 * The limits that a hub is given, and the defaults for those it is not. `undefined` is not given.
 *
 * @throws TypeError for what is no number in its range: a limit that is none would let everybody in.
 */
export function limitsOf(given: { readonly [Name in keyof Limits]?: unknown } = {}): Limits {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined)
  for (const [name, value] of entries) check(name, value)
  return { ...defaults, ...Object.fromEntries(entries) }
}

function check(name: string, value: unknown): void {
  const from = dispensable.includes(name) ? 0 : 1
  const isTimed = timed.includes(name)
  const to = isTimed ? longestTimer : Number.MAX_SAFE_INTEGER
  const fits = (one: unknown): one is number =>
    typeof one === 'number' && one >= from && one <= to && (isTimed || Number.isInteger(one))
  if (fits(value) || (name === 'retry' && isPair(value, fits))) return
  const what = `${isTimed ? 'milliseconds' : 'a whole number'} from ${from} to ${to}`
  const pair = name === 'retry' ? ', or a pair of them' : ''
  throw new TypeError(`Expected as limits.${name} ${what}${pair}, got ${Bun.inspect(value)}`)
}

function isPair(value: unknown, fits: (one: unknown) => one is number): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [from, to] = value as unknown[]
  return fits(from) && fits(to) && from <= to
}

/** The retry hint of one connection. */
export function drawRetry(retry: Limits['retry']): number {
  if (typeof retry === 'number') return retry
  const [from, to] = retry
  return from + Math.random() * (to - from)
}
