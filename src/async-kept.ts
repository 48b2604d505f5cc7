import { type Html, tag } from './html'
import type { LogEvent } from './log'
import type { Topic } from './topic'

const states = ['loading', 'ok', 'failed'] as const

/** What can be shown. */
export type State = (typeof states)[number]

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

/** What was published, if it is of a value, also if a middleware has put something around it. */
export function read({ data }: LogEvent): Kept | undefined {
  const [, , state, count, name, html] = shape.exec(data) ?? []
  if (name === undefined || html === undefined) return readAltered(data)
  return { state: state as State, count: Number(count), name, html }
}

/** The first element with the mark is it: what is in it may have another one, which is the app's. */
function readAltered(data: Html): Kept | undefined {
  const edge = crypto.randomUUID()
  let found: Omit<Kept, 'html'> | undefined
  const rewriter = new HTMLRewriter().on('[data-state][data-load]', {
    element(element) {
      if (found) return
      const [, count, name] = /^(\d+)-([\w-]+)$/.exec(element.getAttribute('data-load') ?? '') ?? []
      const state = states.find((one) => one === element.getAttribute('data-state'))
      if (!state || name === undefined) return
      found = { state, count: Number(count), name }
      element.prepend(edge, { html: true })
      element.append(edge, { html: true })
    },
  })
  const [, html = ''] = rewriter.transform(data).split(edge)
  return found && { ...found, html }
}

/** Whether what is kept is of a load that began after another one. */
export function isNewer(kept: Kept, count: number, name: string): boolean {
  return kept.count === count ? kept.name > name : kept.count > count
}

/** The name of the lease of a load. A source's has that of its topic, and no topic begins like this. */
export function leaseOf(topic: Topic, { name }: { name: string }): string {
  return `hw:load:${topic}:${name}`
}
