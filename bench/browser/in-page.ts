/** What is run in the page: each function stands for itself. */

/** When an element shows a text: milliseconds since the page was asked for; never within so many is Infinity. */
export async function shows(id: string, text: string, within: number): Promise<number> {
  while (document.getElementById(id)?.textContent !== text) {
    if (performance.now() > within) return Number.POSITIVE_INFINITY
    await new Promise(requestAnimationFrame)
  }
  return performance.now()
}

interface Frames {
  gaps: number[]
  last: number
  isOn: boolean
}

/** Begins to look at the frames; {@link frames} ends it. */
export function watchFrames(): void {
  const own: Frames = { gaps: [], last: performance.now(), isOn: true }
  Object.assign(window, { benchFrames: own })
  const look = (at: number) => {
    if (!own.isOn) return
    own.gaps.push(at - own.last)
    own.last = at
    requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}

/** Milliseconds between the frames since {@link watchFrames}, and from the last until now. */
export function frames(): number[] {
  const { benchFrames } = window as unknown as { benchFrames: Frames }
  benchFrames.isOn = false
  return [...benchFrames.gaps, performance.now() - benchFrames.last]
}

/** How many cells there are, and which do not show what the page shows when it is loaded now. */
export function compare(html: string): { cells: number; wrong: string[] } {
  const now = new DOMParser().parseFromString(html, 'text/html')
  const cells = [...now.querySelectorAll('td[sse-swap]')]
  const wrong = cells.filter(
    ({ id, innerHTML }) => document.getElementById(id)?.innerHTML !== innerHTML,
  )
  return { cells: cells.length, wrong: wrong.map(({ id }) => id) }
}

/** How long a request takes that a click could make, in milliseconds; not within so many is Infinity. */
export async function click(within: number): Promise<number> {
  const began = performance.now()
  try {
    await fetch('/click', { signal: AbortSignal.timeout(within) })
    return performance.now() - began
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** What is seen of a slot; times in microseconds since 1970. */
interface Seen {
  /** When it showed the end. */
  shownAt: number | null
  /** The most elements in it. */
  most: number
  /** Frames in which it showed something else than in the one before. */
  changes: number
  /** The longest time from one change to the next, in milliseconds. */
  still: number
}

/** Begins to look at what a slot shows, until it ends with a text; {@link slotSeen} tells. */
export function watchSlot(selector: string, ending: string): void {
  const own: Seen = { shownAt: null, most: 0, changes: 0, still: 0 }
  Object.assign(window, { benchSlot: own })
  const slot = document.querySelector(selector) as Element
  const tail = () => {
    let text = ''
    for (let node = slot.lastChild; node && text.length < ending.length; ) {
      text = node.textContent + text
      node = node.previousSibling
    }
    return text.slice(-ending.length)
  }
  let looks = 0
  let changedAt = 0
  let last = tail()
  const look = (at: number) => {
    const now = tail()
    // The count is not free where there are many.
    if (looks++ % 15 === 0 || now === ending) own.most = Math.max(own.most, slot.childElementCount)
    if (now !== last) {
      if (own.changes++ > 0) own.still = Math.max(own.still, at - changedAt)
      changedAt = at
      last = now
    }
    if (now === ending) own.shownAt = (performance.timeOrigin + performance.now()) * 1_000
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}

/** Waits until it shows that end, for so many milliseconds at most. */
export async function slotSeen(within: number): Promise<Seen> {
  const { benchSlot } = window as unknown as { benchSlot: Seen }
  const end = performance.now() + within
  while (benchSlot.shownAt === null && performance.now() < end) {
    await new Promise((next) => setTimeout(next, 20))
  }
  return benchSlot
}

/** Where a slot's text differs from what it is to be; -1 for nowhere. And how many nodes of text it consists of. */
export function textOfSlot(selector: string, text: string): { differs: number; nodes: number } {
  const slot = document.querySelector(selector) as Element
  const shown = slot.textContent ?? ''
  const walker = document.createTreeWalker(slot, NodeFilter.SHOW_TEXT)
  let nodes = 0
  while (walker.nextNode()) nodes++
  if (shown === text) return { differs: -1, nodes }
  let at = 0
  while (at < text.length && shown[at] === text[at]) at++
  return { differs: at, nodes }
}

/** How many rows a slot has, and how many of the newest are not the lines that they are to be. */
export function rowsOfSlot(selector: string, lines: string[]): { rows: number; wrong: number } {
  const rows = [...(document.querySelector(selector) as Element).children]
  const shown = rows
    .slice(-lines.length)
    .map((row) => (row.querySelector('.hw-line') ?? row).textContent)
  return { rows: rows.length, wrong: lines.filter((line, i) => line !== shown[i]).length }
}
