/** What is run in the page: each function stands for itself. */

/** When an element shows a text: milliseconds since the page was asked for; never within so many is Infinity. */
export async function shows(id: string, text: string, within: number): Promise<number> {
  while (document.getElementById(id)?.textContent !== text) {
    if (performance.now() > within) return Number.POSITIVE_INFINITY
    await new Promise(requestAnimationFrame)
  }
  return performance.now()
}

/** Begins to look at the frames; {@link frames} ends it. */
export function watchFrames(): void {
  const own = { gaps: [] as number[], isOn: true }
  Object.assign(window, { benchFrames: own })
  let last = 0
  const look = (at: number) => {
    if (last > 0) own.gaps.push(at - last)
    last = at
    if (own.isOn) requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}

/** Milliseconds between the frames since {@link watchFrames}. */
export function frames(): number[] {
  const { benchFrames } = window as unknown as { benchFrames: { gaps: number[]; isOn: boolean } }
  benchFrames.isOn = false
  return benchFrames.gaps
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
