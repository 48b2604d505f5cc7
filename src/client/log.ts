/**
 * The script of `<LiveLog>`: who scrolls up has the log stand still until its end is in sight again, and the pause
 * button does the same. What comes meanwhile is kept by the script of streamed text, and counted here. What was loaded
 * from further up is let go of when the log goes on.
 */

/** What is known of a log. */
interface Known {
  /** From where its reader is to the end of all, in pixels: what is put in further up does not change it. */
  fromEnd: number
  /** The number of the newest line that waits; nothing where none does. */
  newest?: number | undefined
  /** The number of the line before which more was asked for last. */
  asked?: string | undefined
  isBegun?: boolean
  /** How many lines are being loaded for the one that the page's address names; 0 when they have come. */
  sought?: number | undefined
}

/** What htmx says when a request is over: 2 the first two, 4 the last. */
interface Answer {
  successful?: boolean
  target?: Element
  /** The target of an answer that is put elsewhere is a selector. */
  ctx?: { target: Element | string; response?: { raw: Response } }
}

/** Before the number of a row. */
const number = ' data-n="'
/** Lines that are loaded for a link to one of them, at the most. */
const most = 900
/** Further from the end, in pixels, one has scrolled up. */
const near = 8

const log = '.hw-live-log'
const known = new WeakMap<Element, Known>()

// Shows the buttons that would do nothing without this script.
document.documentElement.classList.add('hw-logs')

on('scroll', update)
on('change', settle)
on('click', press)
on('htmx:sseBeforeMessage', count)
on('intersect', ask)
on('submit', ask)
// Of htmx 2 and of 4.
on('htmx:afterRequest', answered)
on('htmx:finally:request', answered)
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) settle(rootOf(target) as HTMLElement)
})

/** Listens to what happens in a log, before anybody else. */
function on(name: string, act: (root: HTMLElement, event: Event) => void): void {
  const capture = true
  addEventListener(
    name,
    (event) => {
      const root = rootOf(event.target)
      if (root) act(root, event)
    },
    capture,
  )
}

function press(root: HTMLElement, { target }: Event): void {
  const isIn = (selector: string) => (target as Element).closest(selector)
  const pause = part(root, '.hw-log-pause')
  // A line must not go while one follows the link to it.
  if (isIn('.hw-n')) return hold(root)
  if (isIn('.hw-log-pause')) pause.ariaPressed = `${pause.ariaPressed !== 'true'}`
  else if (isIn('.hw-log-newest')) {
    pause.ariaPressed = 'false'
    scroll(root, 0)
  } else return
  update(root)
}

/** Before the script that takes what is paused. */
function count(root: HTMLElement, event: Event): void {
  if (!isPaused(root)) return
  const { data } = (event as CustomEvent<{ data: string }>).detail
  const at = data.lastIndexOf(number)
  // By numbers, for of more than the page may hold only the newest are sent.
  if (at >= 0) of(root).newest = Number.parseInt(data.slice(at + number.length), 10)
  say(root)
}

/** Before htmx asks for what stands further up. */
function ask(root: HTMLElement, event: Event): void {
  const form = event.target as HTMLFormElement
  if (!form.matches('.hw-log-earlier')) return
  // Its answer is no page, should htmx not be there yet.
  event.preventDefault()
  const first = firstOf(root)
  const before = of(root)
  // Of a log that is short the form is in sight all the time. And where nothing came there is no more.
  const isWanted = event.type === 'submit' || isPaused(root)
  if (!isWanted || !first || first === before.asked) return event.stopImmediatePropagation()
  before.asked = first
  field(form, 'before').value = first
  field(form, 'count').value = `${before.sought || 200}`
  hold(root)
}

/** Has it ask again, unless lines have come, or it was told that there are none. */
function answered(root: HTMLElement, event: Event): void {
  if (firstOf(root) !== of(root).asked) return
  const { successful, target, ctx } = (event as CustomEvent<Answer>).detail
  // An answer that the app puts elsewhere tells of an error.
  const isElsewhere = (target ?? ctx?.target) !== earlierIn(root)
  if (isElsewhere || !(successful ?? ctx?.response?.raw.ok)) {
    of(root).asked = of(root).sought = undefined
  }
}

// What htmx has put in, the page itself too: by then it knows of its forms.
for (const name of ['htmx:load', 'htmx:after:process']) {
  addEventListener(name, ({ target }) => {
    // The document, of which nothing may have been made ready yet, has none.
    if ((target as Partial<Element>).matches) begin(target as HTMLElement)
  })
}
// htmx 4 starts from a timer, and may have done so before this script came.
addEventListener('load', () => setTimeout(begin, 0, document.body))
begin(document.body, false)

/** Loads the line that the page's address names, with all between it and what is there. */
function seek(root: HTMLElement): void {
  const form = root.querySelector<HTMLFormElement>('.hw-log-earlier')
  const [, n] = location.hash.split(`#${root.id}-`)
  const missing = Number(firstOf(root)) - Number(n)
  if (of(root).sought !== undefined || !form || !(missing > 0 && missing <= most)) return
  of(root).sought = missing + 20
  form.requestSubmit()
}

/** What htmx knows of can ask for lines. */
function begin(within: HTMLElement, canAsk = true): void {
  for (const root of rootsIn(within)) {
    if (!of(root).isBegun) show(root)
    if (canAsk) seek(root)
  }
}

function show(root: HTMLElement): void {
  of(root).isBegun = true
  const linked = root.querySelector(':target')
  if (linked) linked.scrollIntoView({ block: 'center' })
  else scroll(root, 0)
  update(root)
  sizes.observe(part(root, '.hw-log'))
  sizes.observe(part(root, '[sse-swap]'))
  const earlier = earlierIn(root)
  if (earlier) new MutationObserver(() => stay(root)).observe(earlier, { childList: true })
}

/** Keeps the reader's place; of a log that was in sight as a whole some of what came is shown. */
function stay(root: HTMLElement): void {
  const before = of(root).fromEnd - part(root, '.hw-log').clientHeight
  scroll(root, Math.max(before, isPaused(root) ? 4 * near : 0))
  if (!of(root).sought) return
  of(root).sought = 0
  // Has the browser look for it again.
  location.replace(location.hash)
}

/** Goes on or stands still, by where the reader is and what is pressed. */
function update(root: HTMLElement): void {
  const isPressed = part(root, '.hw-log-pause').ariaPressed === 'true'
  if (isPressed || below(root) > near) hold(root)
  else release(root)
}

/** Who was at the end is there again, whatever else is shown or at whatever size. */
function settle(root: HTMLElement): void {
  if (!isPaused(root)) scroll(root, 0)
  below(root)
}

/** How many pixels are below the reader, which is remembered. */
function below(root: HTMLElement): number {
  const { scrollHeight, scrollTop, clientHeight } = part(root, '.hw-log')
  of(root).fromEnd = scrollHeight - scrollTop
  return scrollHeight - scrollTop - clientHeight
}

function hold(root: HTMLElement): void {
  root.setAttribute('data-stream-paused', '')
  say(root)
}

function release(root: HTMLElement): void {
  if (!isPaused(root)) return
  of(root).newest = of(root).asked = undefined
  earlierIn(root)?.replaceChildren()
  root.removeAttribute('data-stream-paused')
  say(root)
}

function isPaused(root: Element): boolean {
  return root.hasAttribute('data-stream-paused')
}

/** Says how many lines wait. */
function say(root: HTMLElement): void {
  const button = part(root, '.hw-log-newest')
  const { waiting = '', newest = '' } = button.dataset
  const shown = root.querySelector<HTMLElement>('[sse-swap] > li:last-child')?.dataset.n ?? 0
  const count = (of(root).newest ?? 0) - Number(shown)
  button.hidden = !isPaused(root)
  button.textContent = count > 0 ? waiting.replace('{count}', count.toLocaleString()) : newest
}

/** Has so many pixels below the reader. */
function scroll(root: HTMLElement, below: number): void {
  const box = part(root, '.hw-log')
  box.scrollTop = box.scrollHeight - box.clientHeight - below
}

function of(root: Element): Known {
  const found = known.get(root) ?? { fromEnd: 0 }
  known.set(root, found)
  return found
}

/** Where lines from further up stand. */
function earlierIn(root: Element): Element | null {
  return root.querySelector('.hw-log-earlier + ol')
}

/** The number of the first line that is there. */
function firstOf(root: Element): string | undefined {
  return root.querySelector<HTMLElement>('li[data-n]')?.dataset.n
}

function field(form: HTMLFormElement, name: string): HTMLInputElement {
  return form.elements.namedItem(name) as HTMLInputElement
}

function rootsIn(within: HTMLElement): HTMLElement[] {
  const inner = [...within.querySelectorAll<HTMLElement>(log)]
  return within.matches(log) ? [within, ...inner] : inner
}

function rootOf(target: EventTarget | null): HTMLElement | null | undefined {
  // The document and the window scroll too, and are in none.
  return (target as Partial<Element>).closest?.<HTMLElement>(log)
}

function part(root: Element, selector: string): HTMLElement {
  return root.querySelector(selector) as HTMLElement
}
