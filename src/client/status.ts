/**
 * The script of `<ConnectionStatus>`: one text for all elements of the page that follow something. It stands before
 * the runtime, so that it hears all of it.
 */

/** For how long nothing is said, after the page has come and after each cut: mostly it is over by then. */
const quiet = 3_000

/** States by the event that begins them. Where elements differ, the first of these that one is in counts. */
const names = ['retry', 'refused', 'open', 'closed']

/** For each element the place of its state. */
const states = new Map<Node, number>()
let attempt = 1
let quietUntil = performance.now() + quiet
let isPlanned = false
let isCut = false

for (const name of [...names, 'stale']) {
  document.addEventListener(`headwater:${name}`, ({ target, detail }: CustomEventInit & Event) => {
    attempt = detail.attempt ?? 1
    states.set(target as Node, Math.max(0, names.indexOf(name)))
    later()
  })
}
for (const name of ['online', 'offline']) addEventListener(name, () => later())

/** Once for all elements that have the same to tell. */
function later(delay = 0): void {
  if (!isPlanned) setTimeout(show, delay)
  isPlanned = true
}

/** Touches only what is to change: a live region reads out whatever is written into it. */
function show(): void {
  isPlanned = false
  let first = names.length
  for (const [element, place] of states) {
    if (element.isConnected) first = Math.min(first, place)
    else states.delete(element)
  }
  const now = performance.now()
  if (!first && !isCut) quietUntil = now + quiet
  isCut = !first
  let name = (first || navigator.onLine ? names[first] : 'offline') ?? ''
  if (now < quietUntil) {
    later(quietUntil - now)
    name = ''
  }
  for (const element of document.querySelectorAll<HTMLElement>('.hw-connection')) {
    const text = (element.dataset[name] ?? '').replace('{attempt}', `${attempt}`)
    if (element.textContent === text) continue
    element.dataset.state = name
    element.textContent = text
  }
}
