import type { Connection } from './connection'
import type { Interest } from './interest'
import type { Stages } from './stages'
import type { Topic } from './topic'

/** A connection that catches up. */
export interface Reader {
  connection: Connection
  /** What it reads for now: all that its connection follows, or of a page's what it has come to. */
  interest: Interest
  stages: Stages | undefined
  /** Written before the next slice, and how many events are in it. */
  opening: string
  waiting: number
  /** Topics whose snapshot is still to be sent, before anything else. */
  snapshots: Set<Topic>
  /** Up to where a topic's events are in its snapshot. */
  shown: Map<Topic, number>
  /** Bytes of the next slice. */
  slice: number
  /** Whether it stands where others come to stand too. */
  isAtBlock: boolean
  /** Whether it may show something that is no longer so. */
  isReturning: boolean
}

/** Takes what is to be written before the next slice. */
export function take(reader: Reader): string {
  const { opening } = reader
  reader.opening = ''
  reader.waiting = 0
  return opening
}
