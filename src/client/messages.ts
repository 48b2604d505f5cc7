/**
 * What a page and the stream say to each other, through the port of a worker or by a plain call.
 */

import type { Block } from './parser'

/** An address that a source follows, under an id that is unique in the browser. */
export interface Follow {
  id: string
  address: string
  /** The event id up to which the source has everything. */
  cursor: string | undefined
}

/** What a page asks of the stream. */
export interface Change {
  /** What the ids of this page begin with. */
  page: string
  follow?: Follow[]
  drop?: string[]
  /** What the page's `hx-headers` say. */
  headers?: Record<string, string>
  /** Try again now, if there is anything to try. */
  wake?: true
  /** The page is going, and follows nothing any more. */
  bye?: true
}

/** An address that is not followed any more: it was refused with a status, or all of it has ended. */
export interface Over {
  id: string
  status?: number
  reason?: string
}

/** A connection, and how often it was tried in vain before it was there. */
export interface Opened {
  connection: string
  attempt: number
}

/** A loss: the next try comes after a delay. With the status of an answer, or the time without a word that was too long. */
export interface Retry {
  attempt: number
  delay: number
  status: number | undefined
  silence: number | undefined
}

/** What the control frames say, by name. */
export interface Controls {
  /** With each the topics that are sent for it, as a regular expression. */
  'hw:follow'(list: [id: string, topics: string][], opened: Opened): void
  'hw:over'(list: Over[]): void
  'hw:retry'(retry: Retry): void
}

/** An event with its data and id, an id alone, or a control frame. */
export type Message =
  | Block
  | {
      [Name in keyof Controls]: [name: Name, ...detail: Parameters<Controls[Name]>]
    }[keyof Controls]

/**
 * Takes what has come in one piece; an empty one says only that the stream is alive.
 *
 * @param silence for how many milliseconds nothing more need come
 */
export type Report = (batch: Message[], silence: number) => void
