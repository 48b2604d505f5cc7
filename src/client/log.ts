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
  /** Whether the line that the page's address names is being loaded. */
  isSought?: boolean | undefined
}

/** Before the number of a row. */
const number = ' data-n="'
/** Lines that are loaded for a link to one of them, at the most. */
const most = 900
/** Further from the end, in pixels, one has scrolled up. */
const near = 8

const log = '.hw-live-log'
const known = new WeakMap<Element, Known>()
const begun = new WeakSet<Element>()

// Shows the buttons that would do nothing without this script.
document.documentElement.classList.add('hw-logs')

const capture = true

addEventListener(
  'scroll',
  ({ target }) => {
    const root = rootOf(target)
    if (root) update(root)
  },
  capture,
)

addEventListener('click', ({ target }) => {
  const root = rootOf(target)
  const isIn = (selector: string) => (target as Element).closest(selector)
  if (!root) return
  if (isIn('.hw-log-pause')) {
    const pause = part(root, '.hw-log-pause')
    pause.ariaPressed = `${pause.ariaPressed !== 'true'}`
    update(root)
  } else if (isIn('.hw-log-newest')) {
    part(root, '.hw-log-pause').ariaPressed = 'false'
    scroll(root, 0)
    update(root)
  } else if (isIn('.hw-n')) {
    // A line must not go while one follows the link to it.
    hold(root)
  }
})

// Before the script that takes what is paused.
addEventListener(
  'htmx:sseBeforeMessage',
  (event) => {
    const root = rootOf(event.target)
    if (!root?.hasAttribute('data-stream-paused')) return
    const { data } = (event as CustomEvent<{ data: string }>).detail
    const at = data.lastIndexOf(number)
    // By numbers, for of more than the page may hold only the newest are sent.
    if (at >= 0) of(root).newest = Number.parseInt(data.slice(at + number.length), 10)
    say(root)
  },
  capture,
)

// Before htmx asks for what stands further up.
for (const name of ['intersect', 'submit']) addEventListener(name, ask, capture)

function ask(event: Event): void {
  const form = event.target as HTMLFormElement
  const root = rootOf(form)
  if (!root || !form.matches('.hw-log-earlier')) return
  // Its answer is no page, should htmx not be there yet.
  event.preventDefault()
  const first = firstOf(root)
  const before = of(root)
  // Of a log that is short the form is in sight all the time. And where nothing came there is no more.
  const isWanted = event.type === 'submit' || root.hasAttribute('data-stream-paused')
  if (!isWanted || first === undefined || first === before.asked) {
    event.stopImmediatePropagation()
    return
  }
  before.asked = first
  field(form, 'before').value = first
  hold(root)
}

// What htmx has put in, the page itself too: by then it knows of its forms.
for (const name of ['htmx:load', 'htmx:after:process']) {
  addEventListener(name, ({ target }) => {
    if (!(target instanceof Element)) return
    begin(target)
    rootsIn(target).forEach(seek)
  })
}
begin(document)

/** Loads the line that the page's address names, with all between it and what is there. */
function seek(root: HTMLElement): void {
  const form = root.querySelector<HTMLFormElement>('.hw-log-earlier')
  const [, n] = location.hash.split(`#${root.id}-`)
  const missing = Number(firstOf(root)) - Number(n)
  if (of(root).isSought !== undefined || !form || !(missing > 0 && missing <= most)) return
  of(root).isSought = true
  field(form, 'count').value = `${missing + 20}`
  // One that the browser would not follow by itself.
  form.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true }))
}

function begin(within: ParentNode): void {
  for (const root of rootsIn(within)) {
    if (begun.has(root)) continue
    begun.add(root)
    const linked = root.querySelector(':target')
    if (linked) linked.scrollIntoView({ block: 'center' })
    else scroll(root, 0)
    update(root)
    const earlier = root.querySelector('.hw-log-earlier + ol')
    if (earlier) new MutationObserver(() => stay(root)).observe(earlier, { childList: true })
  }
}

/** Keeps the reader's place; of a log that was in sight as a whole some of what came is shown. */
function stay(root: HTMLElement): void {
  const below = of(root).fromEnd - part(root, '.hw-log').clientHeight
  scroll(root, Math.max(below, root.hasAttribute('data-stream-paused') ? 4 * near : 0))
  if (!of(root).isSought) return
  of(root).isSought = false
  field(part(root, '.hw-log-earlier') as HTMLFormElement, 'count').value = '200'
  // Has the browser look for it again.
  location.replace(location.hash)
}

/** Goes on or stands still, by where the reader is and what is pressed. */
function update(root: HTMLElement): void {
  const { scrollHeight, scrollTop, clientHeight } = part(root, '.hw-log')
  const fromEnd = scrollHeight - scrollTop
  of(root).fromEnd = fromEnd
  const isPressed = part(root, '.hw-log-pause').ariaPressed === 'true'
  if (isPressed || fromEnd - clientHeight > near) hold(root)
  else release(root)
}

function hold(root: HTMLElement): void {
  root.setAttribute('data-stream-paused', '')
  say(root)
}

function release(root: HTMLElement): void {
  if (!root.hasAttribute('data-stream-paused')) return
  Object.assign(of(root), { newest: undefined, asked: undefined })
  root.querySelector('.hw-log-earlier + ol')?.replaceChildren()
  root.removeAttribute('data-stream-paused')
  say(root)
}

/** Says how many lines wait. */
function say(root: HTMLElement): void {
  const button = part(root, '.hw-log-newest')
  const { waiting = '', newest = '' } = button.dataset
  const shown = root.querySelector<HTMLElement>('[sse-swap] > li:last-child')?.dataset.n ?? 0
  const count = (of(root).newest ?? 0) - Number(shown)
  button.hidden = !root.hasAttribute('data-stream-paused')
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

/** The number of the first line that is there. */
function firstOf(root: Element): string | undefined {
  return root.querySelector<HTMLElement>('li[data-n]')?.dataset.n
}

function field(form: HTMLFormElement, name: string): HTMLInputElement {
  return form.elements.namedItem(name) as HTMLInputElement
}

function rootsIn(within: ParentNode): HTMLElement[] {
  const self = within instanceof HTMLElement && within.matches(log) ? [within] : []
  return [...self, ...within.querySelectorAll<HTMLElement>(log)]
}

function rootOf(target: EventTarget | null): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>(log) : null
}

function part(root: Element, selector: string): HTMLElement {
  return root.querySelector(selector) as HTMLElement
}
