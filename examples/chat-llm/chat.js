/** What the page does besides htmx: Enter sends, the focus goes back to the field, and new messages come into view. */

const scroller = document.querySelector('.scroll')
const thread = document.querySelector('#thread')

/** Pixels from the bottom within which somebody reads along. */
const near = 100

/** Whether the newest was in view before the last change, or has just been asked for from here. */
let isFollowing = true

/** The field of a question that is being edited, while it has the focus. */
let edited

document.addEventListener('keydown', (event) => {
  const field = event.target
  if (event.key !== 'Enter' || event.shiftKey || !field.matches?.('[data-enter-sends]')) return
  // While a word is being composed, Enter takes it; and a keyboard on a screen has no Shift+Enter.
  if (event.isComposing || isTouched()) return
  event.preventDefault()
  if (field.value.trim() !== '') field.form.requestSubmit()
})

document.addEventListener('submit', (event) => {
  const form = event.target
  isFollowing = true
  // The first question leads to another page: sent twice it would begin two conversations.
  if (form.hasAttribute('hx-post')) return
  if (form.dataset.sent) event.preventDefault()
  form.dataset.sent = 'true'
})

// The page may come back as it was left.
addEventListener('pageshow', () => {
  delete document.querySelector('#composer')?.dataset.sent
})

// Whatever was pressed may be gone by now.
document.addEventListener('htmx:afterRequest', focusField)

// Of a question that is to be edited; it does not bubble.
document.addEventListener(
  'toggle',
  ({ target: details }) => {
    if (details.open) details.querySelector('textarea')?.focus()
  },
  true,
)

document.addEventListener('focusin', ({ target }) => {
  edited = target.closest('.edit textarea')
})

// What got no words of the server: it can not be reached, or is not itself.
for (const name of ['htmx:sendError', 'htmx:responseError', 'htmx:timeout']) {
  document.addEventListener(name, ({ detail: { xhr } }) => {
    const why = xhr?.status ? `it answers with ${xhr.status}` : 'it can not be reached'
    const notice = document.querySelector('#notice')
    if (notice)
      notice.textContent = `The server did not take this: ${why}. Your words are still here.`
  })
}

if (scroller && thread) {
  scroller.addEventListener('scroll', () => {
    isFollowing = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight <= near
  })
  new MutationObserver(() => {
    showNewest()
    // The question that it was of has been asked anew, or is gone.
    if (edited && !edited.isConnected && document.activeElement === document.body) focusField()
  }).observe(thread, { childList: true })
  showNewest()
}

function showNewest() {
  if (isFollowing) scroller.scrollTop = scroller.scrollHeight
}

function focusField() {
  // It would bring up the keyboard of a screen; and who writes goes on there.
  if (isTouched() || document.activeElement?.matches('textarea')) return
  document.querySelector('#text')?.focus({ preventScroll: true })
}

function isTouched() {
  return matchMedia('(pointer: coarse)').matches
}
