/**
 * The SSE extension that htmx 4 has dropped: `sse-connect`, `sse-swap`, `sse-close` and `hx-trigger="sse:…"` as
 * htmx-ext-sse has them for htmx 2, with its events. A script of its own, which stands after htmx.
 */
import { attribute } from './attribute'

/** What is used of htmx. */
interface Htmx {
  createEventSource?: (url: string) => EventSource
  registerExtension(name: string, extension: object): void
  swap(context: object): Promise<void>
  trigger(element: Element, name: string, detail?: unknown): boolean
}

/** What it gives to extensions. */
interface Api {
  htmxProp(element: Element): Kept
  parseTriggerSpecs(triggers: string): { name: string }[]
  triggerHtmxEvent(element: Element, name: string, detail: object): boolean
}

/** What it keeps about an element. */
interface Kept {
  /** It removes them with the element. */
  listeners: { fromElt: EventSource; eventName: string; handler: EventListener }[]
  /** The source that the element follows or shares. */
  sse?: EventSource
}

/** An event of a source of the runtime, whose next one may be kept waiting. */
interface Message extends MessageEvent<string> {
  waitUntil?(promise: Promise<unknown>): void
}

const connected = '[sse-connect],[data-sse-connect]'
const concerned = `${connected},[sse-swap],[data-sse-swap],[hx-trigger*="sse:"],[data-hx-trigger*="sse:"]`
let htmx: Htmx
let isReady = false
let api: Api

function start(): void {
  htmx = (window as unknown as { htmx: Htmx }).htmx
  htmx.registerExtension('sse', {
    init(given: Api) {
      api = given
    },
    htmx_after_process(root: Element) {
      if (isReady) process(root)
    },
    htmx_before_cleanup(element: Element) {
      if (attribute(element, 'sse-connect')) end(element, 'nodeReplaced')
    },
  })
}

/** htmx 4 looks at the page without waiting for scripts, and the runtime, which makes the sources, may be the last. */
function ready(): void {
  if (!htmx) start()
  setTimeout(() => {
    isReady = true
    process(document.body)
  })
}

function process(root: Element): void {
  const inside = root.querySelectorAll(concerned)
  for (const element of root.matches(concerned) ? [root, ...inside] : inside) begin(element)
}

function begin(element: Element): void {
  const parent = element.closest(connected)
  const kept = api.htmxProp(element)
  if (!parent || kept.sse) return
  const address = attribute(element, 'sse-connect')
  const source = address ? connect(element, address) : api.htmxProp(parent).sse
  if (!source) return
  kept.sse = source
  const listen = (eventName: string, take: (event: Message) => void) => {
    const handler = (event: Event) => {
      if (parent.isConnected) take(event as Message)
      else end(parent, 'nodeMissing')
    }
    source.addEventListener(eventName, handler)
    kept.listeners.push({ fromElt: source, eventName, handler })
  }
  for (const name of attribute(element, 'sse-swap')?.split(',') ?? []) {
    listen(name.trim(), (event) => show(element, event))
  }
  for (const { name } of api.parseTriggerSpecs(attribute(element, 'hx-trigger') ?? '')) {
    if (name.startsWith('sse:')) listen(name.slice(4), (event) => trigger(element, name, event))
  }
  const last = address && attribute(element, 'sse-close')
  if (last) listen(last, () => end(element, 'message'))
}

function connect(element: Element, address: string): EventSource {
  const source =
    htmx.createEventSource?.(address) ?? new EventSource(address, { withCredentials: true })
  source.onopen = () => htmx.trigger(element, 'htmx:sseOpen', { elt: element, source })
  source.onerror = (error) =>
    htmx.trigger(element, 'htmx:sseError', { elt: element, source, error })
  return source
}

function end(element: Element, type: string): void {
  const source = api.htmxProp(element).sse
  if (!source) return
  htmx.trigger(element, 'htmx:sseClose', { elt: element, source, type })
  source.close()
}

function trigger(element: Element, name: string, event: Message): void {
  htmx.trigger(element, name, event)
  htmx.trigger(element, 'htmx:sseMessage', event)
}

/** Under both of its names, as htmx 2 does. */
function show(slot: Element, event: Message): void {
  const names = ['htmx:sseBeforeMessage', 'htmx:sse-before-message']
  if (!names.every((name) => htmx.trigger(slot, name, event))) return
  // Without a time to settle: what the content follows is to be live before the next event.
  const swap = `${attribute(slot, 'hx-swap') ?? 'innerHTML'} settle:0`
  const target = attribute(slot, 'hx-target') ?? slot
  const shown = htmx.swap({ sourceElement: slot, target, swap, text: event.data })
  const told = shown.then(() => htmx.trigger(slot, 'htmx:sseMessage', event))
  event.waitUntil?.(told)
}

// What is new in a slot, and was put there without htmx.
addEventListener('htmx:load', ({ target }) => {
  if (target instanceof Element) api?.triggerHtmxEvent(target, 'htmx:after:process', {})
})
if ('htmx' in window) start()
if (document.readyState === 'complete') ready()
else document.addEventListener('DOMContentLoaded', ready)
