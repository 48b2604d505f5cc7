/** What the page does besides htmx: when what had the focus is gone or hidden, the focus stays near. */

const logs = document.querySelector('#logs')

/** What has the focus, or had it when it went, and the panel that it is in. */
let held
let panel

document.addEventListener('focusin', ({ target }) => {
  held = target
  panel = target.closest('.panel')
})

new MutationObserver((changes) => {
  // Not the lines, which come all the time: whole panels, and what can be done with them.
  const found = changes.filter(({ target }) => target === logs || target.closest('.panel > header'))
  if (!panel || found.length === 0 || held.checkVisibility()) return
  const left = panel
  panel = undefined
  if (left.isConnected) return focus(left)
  const { nextSibling, previousSibling } =
    found.find(({ removedNodes }) => [...removedNodes].includes(left)) ?? {}
  focus(nextSibling ?? previousSibling ?? document)
}).observe(logs, { childList: true, subtree: true })

/** Its heading: a field would bring up the keyboard of a screen. */
function focus(within) {
  within.querySelector('h1, h2').focus({ preventScroll: true })
}
