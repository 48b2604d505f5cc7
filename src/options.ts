import type { Database } from 'bun:sqlite'
import type { Durability } from './db'
import type { ConnectionHooks } from './hooks'
import type { Html } from './html'
import type { Limits } from './limits'
import type { Awaitable, Kind, Log, Tx } from './log'
import type { Refusal } from './refusal'
import type { Access } from './revocation'
import type { Topic } from './topic'
import type { EventId } from './wire'

/** How a hub is made. */
export interface HubOptions extends ConnectionHooks {
  /** A file, `:memory:`, or a database that the app has opened. @default ':memory:' */
  database?: string | Database | undefined
  /** Whether confirmed events outlive a power cut too, which costs a sync of the disk each. @default 'normal' */
  durability?: Durability | undefined
  /** Where events are kept. @default the database */
  log?: Log | undefined
  /** Signs addresses; of a list the first signs and all verify. @default a random one kept in the database */
  secret?: string | readonly string[] | undefined
  /** Where the streams are. @default '/stream' */
  path?: string | undefined
  /** Who asks; addresses are then good for this viewer only. @default nobody in particular */
  viewer?: ((request: Request) => Awaitable<string | null | undefined>) | undefined
  limits?: Partial<Limits> | undefined
  /**
   * How many proxies stand in front. Their `X-Forwarded-For` and `X-Forwarded-Host` are believed; without proxies
   * anybody could send them.
   * @default 0
   */
  proxies?: number | undefined
  /** Origins of other sites whose pages may follow streams, such as `https://app.example`. @default none */
  origins?: readonly string[] | undefined
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
  /**
   * A Drizzle transaction of the hub's database: published when it is committed, and never if it is rolled back. The
   * promise says which; it need not be awaited. Content that is not rendered yet is refused, for it does not wait.
   */
  tx?: Tx | undefined
  /** The id of a connection that is not sent it. */
  except?: string | undefined
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

/** Whose access is taken. */
export interface RevokeOptions extends Access {
  /** Until when: milliseconds from now, or a point in time. @default for ever */
  expires?: number | Date | undefined
}

/** An event that was kept. */
export interface HistoryItem {
  id: EventId
  html: Html
  key: string | undefined
  at: Date
}

/** Which kept events are wanted; without any all of them. */
export interface HistoryOptions {
  /** The newest so many. */
  last?: number | undefined
  /** Those of that time and later: a Date, or milliseconds since 1970. */
  since?: Date | number | undefined
  /** Those of that time and earlier: a Date, or milliseconds since 1970. */
  until?: Date | number | undefined
}

/** What was kept, and from where to go on. */
export interface History {
  /** Oldest first. */
  items: HistoryItem[]
  /** Whoever shows the items and follows the topic from here gets all that is newer, once. */
  cursor: EventId
}

/** What came of a broadcast. */
export interface Broadcast {
  /** Of the events that are kept. */
  ids: EventId[]
  /** Connections of this process that follow one of the topics, but for the one left out. */
  delivered: number
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
  /** Events of kind `signal` that did not reach a connection because it took no more, or was not there yet. */
  dropped: number
}
