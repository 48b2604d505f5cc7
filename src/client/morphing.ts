/**
 * Swaps that change only what differs, so that what a person has typed, chosen or opened stays: a file of its own,
 * together with idiomorph on pages with htmx 2. htmx 4 has a morph built in.
 *
 * Both leave elements that stay where they are, and with them focus and scroll. What a person has changed of a
 * control is put back here, and the focus of what is gone is given to the slot.
 */

/** What is used of htmx. */
interface Htmx {
  version: string
  process(element: Element): void
  /** In htmx 2. */
  defineExtension(name: string, extension: object): void
  /** In htmx 4. */
  registerExtension(name: string, extension: object): void
  /** In htmx 2. */
  swap(target: Element, html: string, how: object, options?: object): void
  /** In htmx 4. */
  swap(context: object): Promise<void>
}

declare const htmx: Htmx
declare const Idiomorph: { morph(old: Element, fresh: Node, options: object): Node[] }

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

type State = string | boolean | string[]

const controls = 'input:not([type=file]),select,textarea'
const isFour = htmx.version >= '4'
const removed: Element[] = []
let isMorphing = false

// htmx 2 asks the extensions that an element names: this one is on no page.
const context = document.createElement('i')
context.setAttribute('hx-ext', 'headwater')

htmx[isFour ? 'registerExtension' : 'defineExtension']('headwater', {
  handleSwap,
  htmx_before_morph_attr: (element: Element, { attrName }: { attrName: string }) =>
    !isMorphing || mayChange(attrName, element),
})

globalThis.headwaterMorph = (slot, html) => {
  const restore = keep(slot as HTMLElement)
  isMorphing = true
  try {
    if (isFour) {
      return htmx.swap({ sourceElement: slot, target: slot, text: html, swap: 'innerMorph' })
    }
    htmx.swap(slot, html, { swapStyle: 'headwater' }, { contextElement: context })
    // What htmx 2 knows of elements it forgets only when it removes them itself.
    for (const element of removed.splice(0)) htmx.swap(element, '', { swapStyle: 'delete' })
  } finally {
    isMorphing = false
    restore()
  }
}

function handleSwap(style: string, slot: Element, fresh: Node): Node[] | undefined {
  if (style !== 'headwater') return
  const added: Node[] = []
  const callbacks = {
    beforeNodeMorphed(old: Element, fresh: Element) {
      if (old !== document.activeElement) return
      // The attribute by itself, so that idiomorph has only the typed text left to change, which it may not.
      const value = fresh.getAttribute('value')
      if (value === null) old.removeAttribute('value')
      else old.setAttribute('value', value)
    },
    beforeAttributeUpdated: (name: string, element: Element) =>
      mayChange(name, element) && (name !== 'value' || element !== document.activeElement),
    afterNodeAdded: (node: Node) => added.push(node),
    afterNodeRemoved: (node: Node) => node instanceof Element && removed.push(node),
  }
  Idiomorph.morph(slot, fresh, { morphStyle: 'innerHTML', callbacks })
  for (const child of slot.children) htmx.process(child)
  return added
}

/** Whether it is open is a person's choice; of an element that is just being made it is the server's. */
function mayChange(name: string, element: Element): boolean {
  return name !== 'open' || !element.firstChild
}

/** Notes what a person has changed and where the focus is, and gives what puts it back. */
function keep(slot: HTMLElement): () => void {
  const focus = document.activeElement as HTMLInputElement
  const { selectionStart, selectionEnd, selectionDirection } = focus
  const kept = [...slot.querySelectorAll<Control>(controls)].map((control) => {
    const state = read(control)
    return { control, state, name: nameOf(control), touched: `${state}` !== `${initial(control)}` }
  })
  return () => {
    // Those of a person last: of a group of radio buttons the last that is checked stays so.
    for (const { control, touched } of kept) if (!touched) write(control, initial(control))
    for (const { control, state, name, touched } of kept) {
      if (touched) write(control, nameOf(control) === name ? state : initial(control))
    }
    if (selectionStart !== null && focus.selectionStart !== selectionStart) {
      focus.setSelectionRange?.(selectionStart, selectionEnd, selectionDirection ?? undefined)
    }
    if (!focus.isConnected && document.activeElement === document.body) {
      // Else who uses a keyboard or a screen reader would be at the top of the page.
      slot.tabIndex = -1
      slot.focus({ preventScroll: true })
    }
  }
}

/** As the server rendered it. Parsed anew, because browsers mend values: a range without one stands at 50. */
function initial(control: Control): State {
  const template = document.createElement('template')
  template.innerHTML = control.outerHTML
  return read(template.content.firstChild as Control)
}

function read(control: Control): State {
  if ('selectedOptions' in control) return [...control.selectedOptions].map(({ value }) => value)
  return isCheck(control) ? control.checked : control.value
}

function write(control: Control, state: State): void {
  if (`${read(control)}` === `${state}`) return
  if ('options' in control) {
    for (const option of control.options)
      option.selected = (state as string[]).includes(option.value)
  } else if (isCheck(control)) control.checked = state as boolean
  else control.value = state as string
}

/** By which it is known again. */
function nameOf(control: Control): string {
  return control.name + (isCheck(control) ? control.value : '')
}

function isCheck(control: Control): control is HTMLInputElement {
  return /^(checkbox|radio)$/.test(control.type)
}
