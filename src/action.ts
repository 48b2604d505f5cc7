/**
 * Actions: what a handler does, told to everybody who looks on.
 *
 * Say a button that archives a room. Its handler is wrapped once; whoever follows the room then sees that it has
 * begun, and how it came out, while the caller gets the handler's own result or error.
 */
import type { Hub } from './hub'
import type { Rendered } from './publisher'
import { asTopic } from './topic'

/** One call of an action. */
export interface Call<Args extends readonly unknown[]> {
  /** The same in all phases of a call, and of no other; good as the id of an element and in a selector. */
  readonly id: string
  /** What the handler was called with. */
  readonly args: Args
}

/**
 * What is published of a call: trusted HTML or a patch; user text becomes HTML by JSX with `safe`, or by
 * `text(value)`. Nothing is published of a phase that is left out. A phase that fails is reported, and changes nothing.
 */
export interface Phases<Args extends readonly unknown[], Result> {
  /** Before the handler is called. */
  started?: ((call: Call<Args>) => Rendered | Promise<Rendered>) | undefined
  /** When it has given its result. */
  done?: ((result: Result, call: Call<Args>) => Rendered | Promise<Rendered>) | undefined
  /** When it has thrown, or its promise was rejected. */
  failed?: ((error: unknown, call: Call<Args>) => Rendered | Promise<Rendered>) | undefined
}

/**
 * Wraps a handler so that its beginning, its result and its error are published to a topic, in this order. The
 * function that it gives takes the handler's arguments, and resolves or rejects as the handler did, once what was
 * published is kept.
 *
 * @param topic a function where the arguments say which one
 * @throws TypeError for a bad topic; the function rejects with it before the handler is called.
 * @example
 * const archive = action(hub, (id) => jobs.topic(id, 'state'), (id: string) => store.archive(id), {
 *   started: () => <i>archiving …</i>,
 *   done: ({ size }) => <b>{size} bytes</b>,
 *   failed: (error) => <b role="alert" safe>{String(error)}</b>,
 * })
 */
export function action<Args extends unknown[], Result>(
  hub: Pick<Hub, 'publish' | 'report'>,
  topic: string | ((...args: Args) => string),
  handler: (...args: Args) => Result | Promise<Result>,
  phases: Phases<Args, Result> = {},
): (...args: Args) => Promise<Result> {
  const { started, done, failed } = phases
  const topicOf = typeof topic === 'function' ? topic : () => topic
  if (typeof topic === 'string') asTopic(topic)
  return async (...args) => {
    const to = asTopic(topicOf(...args))
    const call: Call<Args> = Object.freeze({ id: `call-${crypto.randomUUID()}`, args })
    const say = async (phase: (() => Rendered | Promise<Rendered>) | undefined) => {
      if (phase) await hub.publish(to, phase).catch((error) => hub.report(error, to))
    }
    // Not waited for: what follows keeps its place behind it.
    const begun = say(started && (() => started(call)))
    let result: Result
    try {
      result = await handler(...args)
    } catch (error) {
      await Promise.all([begun, say(failed && (() => failed(error, call)))])
      throw error
    }
    await Promise.all([begun, say(done && (() => done(result, call)))])
    return result
  }
}
