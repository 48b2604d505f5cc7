/**
 * The faults of a round, drawn by seed: the same seed gives the same faults, whatever the machine does meanwhile.
 */
import { type Draw, drawing } from './random'
import { bulk, followers } from './themes'

/** Readers of a round. */
export const readers = 50
/** The places of servers: the last one is the second process that comes and goes. */
export const servers = 3

/** What is done to the reader, server or publisher of that number. */
export type Fault =
  /** Its connection is cut after so many bytes, by a FIN or a RST. */
  | { kind: 'cut'; reader: number; after: number; reset: boolean }
  /** Its connection is cut now, and the next one after so many bytes: while it catches up. */
  | { kind: 'cut again'; reader: number; after: number; reset: boolean }
  /** Nothing passes for a while, and then perhaps the connection is gone. */
  | { kind: 'stall'; reader: number; time: number; cut: boolean }
  /** It reads little for a while; with a burst, more is published meanwhile than the kernel takes. */
  | { kind: 'slow'; reader: number; time: number; burst: boolean }
  /** Its next request is answered 503, which makes htmx forget the Last-Event-ID. */
  | { kind: '503'; reader: number }
  /** The history gives back the page with its address of old. */
  | { kind: 'restore'; reader: number }
  /** The page is loaded anew. */
  | { kind: 'reload'; reader: number }
  /** `kill -9`, and after a while another process in its place. */
  | { kind: 'kill'; server: number; back: number }
  /** An orderly end. */
  | { kind: 'drain'; server: number; within: number; back: number }
  /** The second process is started; if it runs, it is stopped, with or without `kill -9`. */
  | { kind: 'second process'; kill: boolean }
  /** `kill -9` of the publisher. */
  | { kind: 'publisher crash'; back: number }
  /** The server's time of day is another one, by so many milliseconds. */
  | { kind: 'clock'; server: number; by: number }

/** A fault, and the time until the next one in milliseconds. */
export type Planned = Fault & { gap: number }

const kinds: { kind: Fault['kind']; weight: number }[] = [
  { kind: 'cut', weight: 40 },
  { kind: 'cut again', weight: 12 },
  { kind: 'stall', weight: 9 },
  { kind: 'slow', weight: 8 },
  { kind: '503', weight: 8 },
  { kind: 'restore', weight: 3 },
  { kind: 'reload', weight: 2 },
  { kind: 'kill', weight: 5 },
  { kind: 'drain', weight: 2 },
  { kind: 'second process', weight: 3 },
  { kind: 'publisher crash', weight: 3 },
  { kind: 'clock', weight: 5 },
]

/**
 * Draws the faults of one round.
 *
 * @param gap milliseconds between two faults, in the middle
 */
export function plan(seed: number, round: number, count: number, gap: number): Planned[] {
  const draw = drawing(seed * 1_000 + round)
  return Array.from({ length: count }, () => {
    const fault = faultOf(draw.weigh(kinds).kind, draw)
    return { ...fault, gap: gap * 2 * draw.real() }
  })
}

function faultOf(kind: Fault['kind'], draw: Draw): Fault {
  const reader = draw.below(readers)
  const server = draw.below(servers)
  switch (kind) {
    case 'cut':
    case 'cut again':
      return { kind, reader, after: draw.spread(1, 20_000), reset: draw.real() < 0.5 }
    case 'stall':
      return { kind, reader, time: draw.spread(50, 3_000), cut: draw.real() < 0.5 }
    case 'slow':
      return draw.real() < 0.2
        ? { kind, reader: draw.pick(heavy), time: draw.spread(500, 3_000), burst: true }
        : { kind, reader, time: draw.spread(200, 3_000), burst: false }
    case 'kill':
      return { kind, server, back: draw.spread(1, 500) }
    case 'drain':
      return { kind, server, within: draw.spread(50, 500), back: draw.spread(1, 500) }
    case 'second process':
      return { kind, kill: draw.real() < 0.5 }
    case 'publisher crash':
      return { kind, back: draw.spread(1, 500) }
    case 'clock':
      return { kind, server, by: draw.pick([-1, 1]) * draw.spread(100, 7_200_000) }
    default:
      return { kind, reader }
  }
}

const heavy = followers(bulk, readers)
