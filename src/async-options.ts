import type { Guard } from './declarations'
import type { Html } from './html'
import type { Topic } from './topic'

/** What is shown; nothing for `null`, `undefined` and `false`. */
export type Shown = Html | null | undefined | false

/** What a loader is told. */
export interface LoadContext {
  /** Aborted when the load is cancelled, took too long, or a newer one has begun, at whichever process. */
  signal: AbortSignal
}

/** Gets a value. */
export type Loader<Value> = (context: LoadContext) => Value | Promise<Value>

/** How a value is shown. It is the same for all viewers; user text is not trusted: `<p safe>{text}</p>`. */
export interface AsyncValueOptions<Value> {
  /** What stands there meanwhile. @default 'Loading …' */
  loading?: (() => Shown | Promise<Shown>) | undefined
  /** The value, `null` too if the loader gives that. */
  ok: (value: Value) => Shown | Promise<Shown>
  /**
   * What was thrown, and a button that loads again, trusted, which is nothing without {@link retry}. It is a form, so it
   * may not stand in a `<p>`.
   * @default 'Failed', without saying why, and the button
   */
  failed?: ((error: unknown, retry: Html) => Shown | Promise<Shown>) | undefined
  /** An address of the app to which the button posts, `/weather/retry`; what is there calls `load()`. @default none */
  retry?: string | undefined
  /** What the button says. @default 'Try again' */
  retryLabel?: string | number | undefined
  /** How long loading and rendering may take, in milliseconds; `Infinity` for ever. @default 30000 */
  timeout?: number | undefined
  /** The tag of its element, and of the one in it: `span` where it stands in a line. @default 'div' */
  as?: 'div' | 'span' | undefined
  /** Who may follow the topic, unless the app has declared that. @default 'signed' */
  guard?: Guard<Topic> | undefined
}

/** What became of a load. `superseded`: a newer one has begun, or the hub was closed. */
export type LoadOutcome = 'ok' | 'failed' | 'cancelled' | 'superseded'
