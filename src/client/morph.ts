/**
 * Which content is morphed; how is in `morphing.ts`, a file of its own that is loaded when it is first needed.
 */

/** Puts content into a slot, at once or when the promise resolves. */
type Morph = (slot: Element, html: string) => void | Promise<void>

declare global {
  /** What the file brings. */
  var headwaterMorph: Morph | undefined
}

declare const htmx: { process(element: Element): void }

const script = globalThis.document?.currentScript as HTMLScriptElement

let loading: Promise<unknown> | undefined

/** Whether content for a slot is morphed: where the page asks for it, and where innerHTML would undo what a person did. */
export function morphs(slot: Element, style: string | null): boolean {
  return (
    !!script.dataset.morph &&
    (style === 'innerMorph' ||
      (style === 'innerHTML' &&
        (!!slot.querySelector('input,select,textarea,details') ||
          slot.contains(document.activeElement))))
  )
}

/** Morphs content into a slot: at once, but for the first time. */
export const morph: Morph = (slot, html) => {
  if (globalThis.headwaterMorph) return globalThis.headwaterMorph(slot, html)
  loading ??= load()
  return loading.then(() => {
    loading = undefined
    return (globalThis.headwaterMorph ?? replace)(slot, html)
  })
}

/** Brings the file; where that fails, the next content tries again. */
function load(): Promise<unknown> {
  return new Promise((done) => {
    // Of a script that has run the attribute is hidden, not the property.
    const { dataset, nonce } = script
    const { morph: src, integrity } = dataset
    const element = document.createElement('script')
    document.head.append(
      Object.assign(element, { src, integrity, nonce, onload: done, onerror: done }),
    )
  })
}

/** Without the file no content is lost, but what was typed. */
const replace: Morph = (slot, html) => {
  slot.innerHTML = html
  htmx.process(slot)
}
