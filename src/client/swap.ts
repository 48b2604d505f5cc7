/**
 * The fast way in: content that htmx would only put where it goes is put there without it.
 */
import { morph, morphs } from './morph'

/** What is used of htmx. */
export interface Htmx {
  createEventSource?: (url: string) => unknown
  trigger(element: Element, name: string, detail?: unknown): void
}

/** What htmx looks for in content, and does something with. */
const special = /hx-|sse-|autofocus|<(script|template|title|a|form|button|input)\b/i

/**
 * Puts content into a slot, and tells of new elements as htmx does; false where htmx has to do it.
 */
export function put(slot: Element, html: string, htmx: Htmx): boolean | Promise<void> {
  const style = slot.getAttribute('hx-swap')
  const isWhole = style === 'innerHTML'
  const last = slot.lastElementChild
  if (slot.getAttribute('hx-target') !== 'this' || /<hx-|hx-swap-oob/i.test(html)) return false
  if (morphs(slot, style)) return morph(slot, html) ?? true
  if (special.test(html) || !(isWhole || style === 'beforeend')) return false
  if (isWhole) {
    // What is replaced may have to be let go of, and for what has an id htmx moves attributes and the focus over.
    if (special.test(slot.innerHTML) || /\sid\s*=/i.test(html)) return false
    slot.innerHTML = html
  } else slot.insertAdjacentHTML('beforeend', html)
  let element = isWhole || !last ? slot.firstElementChild : last.nextElementSibling
  for (; element; element = element.nextElementSibling) htmx.trigger(element, 'htmx:load')
  return true
}
