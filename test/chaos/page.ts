/** What an event did to a slot of kind `log`. */
export interface Change {
  /** Whether the slot was set anew. */
  reset: boolean
  /** The names of the items that it brought. */
  names: string[]
  /** Those of them that were on the page already, and were not deleted first. */
  again: string[]
}

const resets = /^<hx-partial [^>]*hx-swap="innerHTML/
const deletions = /<hx-partial hx-target="#([\w-]+),document" hx-swap="delete"><\/hx-partial>/g

/** A page as stock htmx would show it: the slots of its topics, which events fill. */
export class Page {
  /** Of each topic of kind `log` the names of its items, in order. */
  readonly logs = new Map<string, Set<string>>()
  /** The name of the newest value of each key of kind `state`, by topic and key. */
  readonly states = new Map<string, string>()
  /** Where its events come from. */
  readonly address: string

  constructor(address: string) {
    this.address = address
  }

  /** Items are added to their slot, after those that the event deletes are gone; or the slot is set anew. */
  log(topic: string, data: string): Change {
    const reset = resets.test(data)
    const slot = reset ? new Set<string>() : (this.logs.get(topic) ?? new Set<string>())
    this.logs.set(topic, slot)
    for (const [, name = ''] of data.matchAll(deletions)) slot.delete(name)
    const names = namesOf(data)
    const again = names.filter((name) => slot.delete(name))
    for (const name of names) slot.add(name)
    return { reset, names, again }
  }

  /** A key has another value. */
  state(topic: string, data: string): void {
    for (const [key, name] of valuesOf(data)) this.states.set(`${topic} ${key}`, name)
  }
}

/** The names of the items in a piece of HTML. */
export function namesOf(html: string): string[] {
  return [...html.matchAll(/<li id="([\w-]+)">/g)].map(([, name = '']) => name)
}

/** The keys and names of the values in a piece of HTML. */
export function valuesOf(html: string): [key: string, name: string][] {
  const found = html.matchAll(/<b data-key="(\w*)">([\w-]+)<\/b>/g)
  return [...found].map(([, key = '', name = '']) => [key, name])
}
