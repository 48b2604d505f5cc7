/**
 * What htmx takes for an EventSource: one address on the shared stream.
 */

/** It takes part in what comes while it is open. */
export interface Source {
  readonly url: string
  readyState: number
  onopen?: ((event: Event) => void) | null
  onerror?: ((event: Event) => void) | null
  /** The element that follows it, as soon as it is known. */
  element?: Element | undefined
  /** What the stream knows it by; another one each time that it is followed. */
  id: string
  /** The event id up to which it has everything. */
  cursor: string | undefined
  /** What it is sent. */
  topics?: RegExp
  /** The position of the stream when it joined. */
  joined?: string | undefined
  addEventListener(name: string, listener: EventListener): void
  removeEventListener(name: string, listener: EventListener): void
  close(): void
}

/** Where the listeners of all sources are, so that an event finds those of its name at once. */
const listeners = new EventTarget()
let isMeant: (source: Source) => unknown

/** Gives an event to the sources that listen to it and are meant. */
export function emit(event: Event, meant: (source: Source) => unknown): void {
  isMeant = meant
  listeners.dispatchEvent(event)
}

/** Makes one. @param closed is told when it follows no more */
export function makeSource(
  url: string,
  cursor: string | undefined,
  closed: (source: Source) => void,
): Source {
  const takers = new WeakMap<EventListener, EventListener>()
  const end = new AbortController()
  const listen = (name: string, taker: EventListener | undefined) =>
    listeners.addEventListener(name, taker as EventListener, { signal: end.signal })
  const source: Source = {
    url,
    readyState: 0,
    id: '',
    cursor,
    addEventListener(name, listener) {
      if (!takers.has(listener)) {
        takers.set(listener, (event) => isMeant(source) && listener.call(source, event))
      }
      listen(name, takers.get(listener))
    },
    removeEventListener(name, listener) {
      listeners.removeEventListener(name, takers.get(listener) as EventListener)
    },
    close() {
      source.readyState = 2
      end.abort()
      closed(source)
    },
  }
  return source
}
