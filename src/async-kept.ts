import { type Html, tag } from './html'
import type { LogEvent } from './log'
import type { Topic } from './topic'

/** What can be shown. */
export type State = 'loading' | 'ok' | 'failed'

/** What stands in the element, and the load that it belongs to. */
export interface Kept {
  state: State
  /** Counts loads; of two processes that counted to the same, the name decides. */
  count: number
  name: string
  html: Html
}

/** As it is published: with what {@link read} finds again. */
export function wrap(as: string, { state, count, name, html }: Kept): Html {
  const values = {
    'data-state': state,
    'data-load': `${count}-${name}`,
    'aria-busy': state === 'loading' && 'true',
  }
  return tag(as, values, html)
}

const shape =
  /^<(div|span) data-state="(loading|ok|failed)" data-load="(\d+)-([\w-]+)"(?: aria-busy="true")?>([\s\S]*)<\/\1>$/

/** What was published, if it is of a value. */
export function read({ data }: LogEvent): Kept | undefined {
  const [, , state, count, name, html] = shape.exec(data) ?? []
  if (name === undefined || html === undefined) return undefined
  return { state: state as State, count: Number(count), name, html }
}

/** Whether what is kept is of a load that began after another one. */
export function isNewer(kept: Kept, count: number, name: string): boolean {
  return kept.count === count ? kept.name > name : kept.count > count
}

/** The name of the lease of a load. A source's has that of its topic, and no topic begins like this. */
export function leaseOf(topic: Topic, { name }: { name: string }): string {
  return `hw:load:${topic}:${name}`
}
