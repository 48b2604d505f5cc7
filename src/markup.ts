/**
 * The development check of a rendered page: live markup that would stay silent, or stop the browser.
 *
 * htmx says nothing of a slot that no connection feeds, and nothing of a page whose seventh connection waits
 * for ever, if it has not the browser runtime. The page itself looks right in both cases, so it is read once more before it leaves.
 */
import type { Html } from './html'

interface Slot {
  name: string
  id: string | null
  connected: boolean
}

/** Browsers open six connections per host over HTTP/1.1, for all tabs: two are left for clicks. */
const most = 4

/**
 * What is wrong with a page's live markup; each is one sentence that says what, and what to do.
 *
 * @example warnings('<td sse-swap="job:42:state"></td>')
 */
export function warnings(html: Html): string[] {
  const slots: Slot[] = []
  const nested: string[] = []
  let connections = 0
  let hasRuntime = false
  const opens = (element: HTMLRewriterTypes.Element) => element.hasAttribute('sse-connect')
  new HTMLRewriter()
    .on('[sse-swap]', {
      element: (element) => {
        const name = element.getAttribute('sse-swap') ?? ''
        slots.push({ name, id: element.getAttribute('id'), connected: opens(element) })
      },
    })
    // Called after the one above, for the same element.
    .on('[sse-connect] [sse-swap]', {
      element: () => {
        const slot = slots.at(-1)
        if (slot) slot.connected = true
      },
    })
    .on('[sse-connect]', { element: () => void connections++ })
    .on('script[src$="/headwater.js"]', {
      element: () => {
        hasRuntime = true
      },
    })
    .on('[sse-connect] [sse-connect]', {
      element: (element) => void nested.push(element.getAttribute('sse-connect') ?? ''),
    })
    .transform(html)
  return [
    ...orphaned(slots.filter(({ connected }) => !connected).map(({ name }) => name)),
    ...(hasRuntime ? [] : [...inside(nested), ...many(connections)]),
    ...doubled(slots.flatMap(({ id }) => id ?? [])),
  ]
}

function orphaned(names: string[]): string[] {
  if (names.length === 0) return []
  return [
    `No connection feeds the slot ${list(names)}: put it inside <Connected to={…}>, or let it connect by itself.`,
  ]
}

function inside(addresses: string[]): string[] {
  if (addresses.length === 0) return []
  return [
    `An element inside a connected parent opens another connection, to ${list(addresses.map(withoutQuery))}: give it connect={false}.`,
  ]
}

function many(connections: number): string[] {
  if (connections <= most) return []
  return [
    `The page opens ${connections} connections, and a browser has six per host for all its tabs: load the runtime (<HeadwaterHead hub={hub} />), or put the slots inside one <Connected to={jobs.all()}> with connect={false}.`,
  ]
}

function doubled(ids: string[]): string[] {
  const seen = new Set<string>()
  const again = ids.filter((id) => seen.size === seen.add(id).size)
  if (again.length === 0) return []
  return [
    `More than one slot has the id ${list(again)}, so a patch reaches the first only: give each an id of its own.`,
  ]
}

/** The first, and how many more: a page of a hundred rows has one warning. */
function list(names: string[]): string {
  const [first = '', ...more] = [...new Set(names)]
  return more.length === 0 ? `"${first}"` : `"${first}" (and ${more.length} more)`
}

/** Without its signature, which is a secret, and without what changes with each page. */
function withoutQuery(address: string): string {
  return address.split('?', 1)[0] ?? ''
}
