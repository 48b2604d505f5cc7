import type { Database } from 'bun:sqlite'
import type { Html } from './html'
import type { Limits } from './limits'
import type { Awaitable, Kind, Log } from './log'
import type { Refusal } from './refusal'
import type { Topic } from './topic'
import type { EventId } from './wire'

/** How a hub is made. */
export interface HubOptions {
  /** A file, `:memory:`, or a database that the app has opened. @default ':memory:' */
  database?: string | Database | undefined
  /** Where events are kept. @default the database */
  log?: Log | undefined
  /** Signs addresses; of a list the first signs and all verify. @default a random one kept in the database */
  secret?: string | readonly string[] | undefined
  /** Where the streams are. @default '/stream' */
  path?: string | undefined
  /** Who asks; addresses are then good for this viewer only. @default nobody in particular */
  viewer?: ((request: Request) => Awaitable<string | null | undefined>) | undefined
  limits?: Partial<Limits> | undefined
  /** Told of what fails away from a caller. @default prints it */
  onError?: ((error: unknown, topic?: Topic) => void) | undefined
  /** Told of each request that is refused, and why. @default prints a line */
  onRefuse?: ((refusal: Refusal, request: Request) => void) | undefined
}

/** How one thing is published. */
export interface PublishOptions {
  /** Must be the declared one. */
  kind?: Kind | undefined
  /**
   * Of kind `state` the newest of each key is kept. Of kind `log` a key that is kept already is not
   * published again: a caller who is not sure may repeat itself.
   */
  key?: string | number | undefined
}

/** How an address is made. Times in milliseconds. */
export interface AddressOptions {
  /** What the page has; with `null` nothing. @default the cursor of the page that is being rendered */
  since?: EventId | string | null | undefined
  /** Who alone may use it. @default the viewer of the page that is being rendered */
  viewer?: string | undefined
  /** From now, or a point in time. @default 24 hours from now, rounded up to the hour */
  expires?: number | Date | undefined
}

/** An event that was kept. */
export interface HistoryItem {
  id: EventId
  html: Html
  key: string | undefined
  at: Date
}

/** What a hub counts. */
export interface Stats {
  /** Open connections. */
  active: number
  /** Connections opened since the hub was made. */
  total: number
  /** Open connections by the endpoint that serves them. */
  byKind: Record<string, number>
  /** Topics and patterns that somebody follows. */
  topics: number
  /** Connections that take no more for the moment. */
  lagging: number
  /** Events sent over connections. */
  events: number
}
