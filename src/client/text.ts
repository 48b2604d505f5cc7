/**
 * The script of streamed text, with the runtime or without. It takes what comes for the slot of a `[data-stream]`
 * before htmx does, and puts it in itself, once a frame: all is measured, then changed, then scrolled. What comes for
 * other slots is put in behind it, so that order is exact.
 *
 * While a root says `data-stream-paused`, lines are kept, as many as would be shown; they are shown when the attribute
 * goes, whoever takes it away.
 */

/** What is used of htmx. */
declare const htmx: { process(element: Element): void }

/** What an operation says. */
interface Said {
  op: string
  /** Of op `state`. */
  state: string
  /** Of op `lines`; its digits. */
  limit?: number
}

/** How it stands with the reader of a scroller. */
interface Place {
  /** Where it was seen last. */
  top: number
  /** When the reader was seen to move up; nothing before. */
  up: number
  /** How far down it went before the changes; nothing while there are none. */
  end?: number | undefined
  /** A line, and where it was before them. */
  line?: Element | undefined
  at?: number
  /** The buttons of what has come and is out of sight. */
  jumps: Set<HTMLElement | undefined>
}

/** Up to so many pixels from the end a reader is taken along. */
const near = 100
/** For so many milliseconds after a move up the reader is let be: else nobody could leave the end. */
const pause = 200
/** A hidden page gets no frame; then it is done after so many milliseconds. What is new is said after as many. */
const patience = 200
const many = 1e9
const jump = '[data-stream-jump]'

/** How the swaps of htmx are done, and what is told of them. */
const styles = {
  beforebegin: ['before', 'append'],
  beforeend: ['append', 'append'],
  afterbegin: ['prepend', 'prepend'],
  innerHTML: ['replaceChildren', 'replace'],
  delete: ['remove'],
} as const

/** What came for each slot: text, and operations, each in NULs; there are none in what is sent. */
const waiting = new Map<Element, string>()
/** By scroller. */
const places = new Map<Element, Place>()
let timer: ReturnType<typeof setTimeout> | undefined
let frame: number | undefined

// On the window: whoever may cancel it has been asked.
addEventListener('htmx:sseBeforeMessage', (event) => {
  const slot = event.target as Element
  const { data } = (event as CustomEvent<MessageEvent<string>>).detail
  if (event.defaultPrevented) return
  if (slot.getAttribute('sse-swap') !== rootOf(slot)?.dataset.stream) return fill()
  event.preventDefault()
  waiting.set(slot, (waiting.get(slot) ?? '') + (data[0] === '<' ? `\0${data}\0` : data))
  // The next event may be for a slot that this one brings.
  if (/\ssse-/.test(data)) fill()
  plan()
})

// What htmx has put in, as htmx 2 and 4 tell of it.
for (const name of ['htmx:load', 'htmx:after:process']) {
  addEventListener(name, ({ target }) => mark(target as Element))
}
mark(document.documentElement)

new MutationObserver(plan).observe(document, {
  subtree: true,
  attributeFilter: ['data-stream-paused'],
})

addEventListener(
  'scroll',
  ({ target }) => {
    const scroller = (target as Document).scrollingElement ?? (target as Element)
    const place = places.get(scroller)
    if (!place) return
    look(scroller, place)
    plan()
  },
  true,
)

function plan(): void {
  timer ??= setTimeout(show, patience)
  frame ??= requestAnimationFrame(show)
}

function show(): void {
  timer = clearTimeout(timer) as undefined
  // A page that is hidden would have one more each time.
  frame = cancelAnimationFrame(frame as number) as undefined
  fill()
  // All is measured before any moves.
  for (const move of [...places].map(moveOf)) move()
}

/** Puts in what waits. */
function fill(): void {
  // What has left the page is let go of.
  const all = [...waiting].filter(([slot]) => slot.isConnected)
  waiting.clear()
  for (const [slot] of all) measure(slot)
  for (const [slot, list] of all) {
    if (isPaused(slot)) waiting.set(slot, newest(list, limitOf(slot)))
    else for (const data of list.split('\0')) take(slot, data)
  }
}

/** The operations of the newest lines. */
function newest(list: string, count: number): string {
  let at = list.length
  while (count-- > 0 && at > 0) at = list.lastIndexOf('<li', at - 1)
  return list.slice(Math.max(0, list.lastIndexOf('\0<', at)))
}

function take(slot: Element, data: string): void {
  const template = document.createElement('template')
  template.innerHTML = data.replace(/<(\/?)hx-partial/g, '<$1template')
  for (const node of template.content.childNodes) {
    try {
      if (node instanceof HTMLTemplateElement) apply(slot, node)
      else addText(slot, slot, node.textContent)
    } catch (error) {
      // The others go on.
      console.error(error)
    }
  }
}

function apply(slot: Element, operation: HTMLTemplateElement): void {
  const { content } = operation
  const { op, state, limit = many } = operation.dataset as unknown as Said
  const [style] = (operation.getAttribute('hx-swap') as string).split(' ') as [keyof typeof styles]
  const selector = operation.getAttribute('hx-target') as string
  const [method, mode] = styles[style]
  const text = content.textContent as string
  // Of two slots that show the same, each gets events of its own.
  const within = slot.matches(selector)
    ? [slot]
    : (rootOf(slot) as Element).querySelectorAll(selector)
  for (const target of within) {
    const fresh = [...content.children]
    if (state) stand(slot, target as HTMLElement, state, content)
    else if (op === 'grow') addText(slot, target, text)
    else if (
      op === 'whole' &&
      !fresh[0] &&
      !slot.firstElementChild &&
      text.startsWith(slot.textContent as string)
    ) {
      // What is there already stays, and what is selected in it.
      addText(slot, slot, text.slice((slot.textContent as string).length))
    } else {
      if (op === style) tell(slot, 'remove', {}, target)
      target[method](content)
      for (const element of fresh) {
        if (/hx-|sse-/.test(element.outerHTML)) {
          htmx.process(element)
          mark(element)
        }
      }
      if (op === 'text') {
        // What was put before text is one with it.
        target.normalize()
        tell(slot, op, { text, mode })
      } else if (mode) tell(slot, 'update', { op: mode })
    }
  }
  let more = slot.childElementCount - Math.min(limit, limitOf(slot))
  while (more-- > 0) slot.firstElementChild?.remove()
}

/** The text that is there grows: what stands beside it, and what is selected, stays. */
function addText(slot: Element, target: Element, text: string | null): void {
  if (!text) return
  if (target.lastChild instanceof Text) target.lastChild.appendData(text)
  else target.append(text)
  tell(slot, 'text', { text, mode: 'append' })
}

/** Shows how a stream stands; that it still does is no change. */
function stand(slot: Element, element: HTMLElement, state: string, content: DocumentFragment) {
  const error = content.textContent
  if (element.dataset.state === state && element.textContent === error) return
  element.dataset.state = state
  element.replaceChildren(content)
  mark(slot)
  say(slot)
  if (state === 'active') tell(slot, 'start')
  else if (state === 'failed') tell(slot, 'error', { error })
  else if (state !== 'idle') tell(slot, 'done', { stopped: state === 'stopped' })
}

/** Says in words how a text stands, once: a live region reads out whatever is written into it. */
function say(element: Element): void {
  const status = own(element, '[data-done]')
  const words = status?.dataset[own(element, '[data-stream-state]')?.dataset.state as string] ?? ''
  if (status && status.textContent !== words) status.textContent = words
}

/** Says of the roots around and in an element whether more is to come. */
function mark(element: Element): void {
  for (const one of [element, ...element.querySelectorAll('[data-stream]')]) {
    const root = rootOf(one)
    if (!root) continue
    const isActive = !!own(root, '[data-stream-active]')
    // What is written into a live region together with it would not be read out.
    if (isActive) setTimeout(say, patience, root)
    root.toggleAttribute('data-stream-active', isActive)
    root.ariaBusy = `${isActive}`
  }
}

/** Notes where the reader of a slot is before it changes; once a frame. */
function measure(slot: Element): void {
  const scroller = scrollerOf(slot)
  if (!scroller || isPaused(slot)) return
  const place = places.get(scroller) ?? ({ jumps: new Set() } as Place)
  places.set(scroller, place)
  place.end ??= look(scroller, place)
  // Its own, or one for all that the scroller shows.
  place.jumps.add(own(slot, jump) ?? own(scroller, jump))
  const line = slot.lastElementChild
  if (line?.tagName === 'LI') {
    place.line = line
    place.at = line.getBoundingClientRect().top
  }
}

/** Sees where the reader is, and gives how far down it goes. */
function look(scroller: Element, place: Place): number {
  const top = scroller.scrollTop
  const end = endOf(scroller)
  // What became shorter moves up as well, and is at its end then.
  if (top < place.top && top < end - 1) place.up = Date.now()
  place.top = top
  return end
}

/** Measures, and gives what takes a reader along who was at the end, and leaves another at what is being read. */
function moveOf([scroller, place]: [Element, Place]): () => void {
  const { line, end: before, top, jumps } = place
  const end = endOf(scroller)
  const isMoving = Date.now() - place.up < pause
  const shift = line?.isConnected ? line.getBoundingClientRect().top - (place.at as number) : 0
  const from = scroller.scrollTop
  // No number where nothing has changed.
  const above = (before as number) - top
  const to = above <= near && !isMoving ? many : from + shift
  place.line = place.end = undefined
  return () => {
    if (to !== from) scroll(scroller, to)
    place.top = scroller.scrollTop
    const isNear = end - place.top <= near
    for (const button of jumps) {
      if (button) {
        button.hidden = isNear
        // At once: what comes meanwhile would be ahead of a motion.
        button.onclick = () => scroll(scroller, many)
      }
      if (isNear || !button?.isConnected) jumps.delete(button)
    }
    if (isMoving) {
      // As far from the end as before, until it rests.
      place.end = before && place.top + above
      plan()
    }
    if (!scroller.isConnected) places.delete(scroller)
  }
}

/** What scrolls when a slot grows: what the page says, else the nearest that can; the page itself only if it says so. */
function scrollerOf(slot: Element): HTMLElement | null {
  const said = slot.closest<HTMLElement>('[data-stream-scroll]')
  let one = said ?? (slot as HTMLElement)
  while (!said && one && !/auto|scroll/.test(getComputedStyle(one).overflowY)) {
    one = one.parentElement as HTMLElement
  }
  return one?.contains(document.body) ? said && (document.scrollingElement as HTMLElement) : one
}

/** How far down it goes. */
function endOf(scroller: Element): number {
  return scroller.scrollHeight - scroller.clientHeight
}

function scroll(scroller: Element, top: number): void {
  scroller.scrollTo({ top, behavior: 'instant' })
}

function rootOf(element: Element): HTMLElement | null {
  return element.closest<HTMLElement>('[data-stream]')
}

/** The first in the root of an element, and not in one inside of it; where there is none, in the element. */
function own(element: Element, selector: string): HTMLElement | undefined {
  const root = rootOf(element)
  const all = (root ?? element).querySelectorAll<HTMLElement>(selector)
  return [...all].find((one) => rootOf(one) === root)
}

/** How many lines a slot may have. */
function limitOf(slot: Element): number {
  return +(rootOf(slot)?.dataset.streamLimit ?? many)
}

function isPaused(slot: Element): unknown {
  return slot.closest('[data-stream-paused]')
}

function tell(
  slot: Element,
  name: string,
  detail?: object,
  on: Element | null = rootOf(slot),
): void {
  const stream = rootOf(slot)?.dataset.stream
  on?.dispatchEvent(
    new CustomEvent(`stream:${name}`, { bubbles: true, detail: { ...detail, stream } }),
  )
}
