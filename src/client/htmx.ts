/**
 * htmx, of either major: its extension for server-sent events works on, over sources of ours.
 */
import { open } from './page'
import type { Source } from './source'
import { type Htmx, put } from './swap'

/** An event; if it is of a source of ours, the next one can be kept waiting. */
interface Message extends MessageEvent<string> {
  waitUntil?(promise: Promise<unknown>): void
}

interface Arrival extends CustomEvent<Message> {
  target: Element
}

/** Gives the addresses of the hub to the page; other ones get what they would have got. */
export function useHtmx(htmx: Htmx): void {
  const stock = htmx.createEventSource ?? ((url) => new EventSource(url, { withCredentials: true }))
  htmx.createEventSource = (url) => open(url) ?? stock(url)

  // It does not say for which element it makes a source, but here.
  for (const name of ['htmx:sseOpen', 'htmx:sseError']) {
    addEventListener(name, (event) => {
      const { source, elt } = (event as CustomEvent<{ source: Source; elt: Element }>).detail
      source.element = elt
    })
  }

  // The second of two names of one event, and on the window: whoever may cancel it has been asked.
  addEventListener('htmx:sse-before-message', (event) => {
    const { target: slot, detail } = event as Arrival
    if (event.defaultPrevented || !detail.waitUntil) return
    const way = put(slot, detail.data, htmx)
    if (!way) return
    event.preventDefault()
    const tell = () => htmx.trigger(slot, 'htmx:sseMessage', detail)
    if (way === true) tell()
    else detail.waitUntil(way.then(tell))
  })
}
