/**
 * What is published in the chaos test, and who follows it.
 */
import { asPattern, asTopic, matches } from '../../src/topic'

/** A topic of the test, or the stream of an entity. */
export interface Theme {
  topic: string
  kind: 'log' | 'state'
  /** How many events are kept: with few, who was away for long gets a snapshot. */
  keep: number
  /** How often something is published to it. */
  weight: number
  /** How many keys it has, of kind `state`. */
  keys?: number
  /** The entity and stream, where a manager publishes it. */
  stream?: [id: string, name: 'lines' | 'progress']
}

/** The limits of the hubs that decide what is replayed and what is a snapshot: the defaults. */
export const replayed = 1_000
export const snapshot = 200

const everything = 1_000_000

/** More of it is published in a round than is replayed of one topic. */
export const hot = 'hot:1'
/** Its events have 64 KB each, published only to readers that take nothing. */
export const bulk = 'bulk:1'

export const themes: readonly Theme[] = [
  ...each('room', [1, 2, 3, 4], { kind: 'log', keep: everything, weight: 6 }),
  ...entities({ kind: 'log', keep: everything, weight: 6 }, 'lines'),
  ...each('hot', [1], { kind: 'log', keep: everything, weight: 22 }),
  ...each('short', [1, 2], { kind: 'log', keep: 40, weight: 7 }),
  ...each('bulk', [1], { kind: 'log', keep: 60, weight: 0 }),
  ...each('cell', [1, 2, 3, 4], { kind: 'state', keep: 1, weight: 3 }),
  ...each('board', [1], { kind: 'state', keep: 1, weight: 5, keys: 5 }),
  ...entities({ kind: 'state', keep: 1, weight: 2 }, 'progress'),
]

/** Whether a page must show every event of it, however its connections fared. */
export function isWhole({ topic, keep }: Theme): boolean {
  return keep === everything && topic !== hot
}

/** How many of its newest events a snapshot shows, if there are so many. */
export function shownOf({ keep }: Theme): number {
  return Math.min(snapshot, keep)
}

/** What a page follows: topics, or a path of the manager's. */
export interface Interest {
  topics: readonly string[]
  manager?: 'all' | 'one'
}

const interests: readonly Interest[] = [
  { topics: ['room:1'] },
  { topics: ['room:1', 'room:2', 'cell:1'] },
  { topics: ['room:*'] },
  { topics: ['job:*:*'], manager: 'all' },
  { topics: ['job:a:lines', 'job:a:progress'] },
  { topics: [hot, 'cell:2', 'room:4'] },
  { topics: ['short:1', 'room:3', 'board:1'] },
  { topics: ['short:*', 'cell:*'] },
  { topics: ['job:b:*'], manager: 'one' },
  { topics: [bulk, 'room:2', hot] },
]

/** What the reader of that number follows. */
export function interestOf(reader: number): Interest {
  if (reader % 25 === 24) return { topics: ['**'] }
  return interests[reader % interests.length] as Interest
}

/** Whether its address has no `since`, so that it begins with snapshots. */
export function isBare(reader: number): boolean {
  return reader % 7 === 6
}

/** The themes that are shown by a page that follows these. */
export function themesOf({ topics }: Interest): Theme[] {
  return themes.filter(({ topic }) =>
    topics.some((pattern) => matches(asPattern(pattern), asTopic(topic))),
  )
}

/** The readers that follow a topic, by number. */
export function followers(topic: string, readers: number): number[] {
  return Array.from({ length: readers }, (_, reader) => reader).filter((reader) =>
    themesOf(interestOf(reader)).some((theme) => theme.topic === topic),
  )
}

/** One published thing; its name is given once. */
export function item(name: string, padding = 0): string {
  return `<li id="${name}">${'x'.repeat(padding)}</li>`
}

/** The value of a state's key. */
export function value(name: string, key: string): string {
  return `<b data-key="${key}">${name}</b>`
}

function each(first: string, rest: number[], theme: Omit<Theme, 'topic'>): Theme[] {
  return rest.map((last) => ({ topic: `${first}:${last}`, ...theme }))
}

function entities(theme: Omit<Theme, 'topic'>, name: 'lines' | 'progress'): Theme[] {
  return ['a', 'b', 'c'].map((id) => ({ topic: `job:${id}:${name}`, stream: [id, name], ...theme }))
}
