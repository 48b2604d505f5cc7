/**
 * A queue that is worked off in slices, so that a burst never holds up a click, and with rests, so that a page that is
 * slow to draw is not drawn for each event.
 */

/** How long a task may take, in milliseconds: a little, and as long as a frame, for one may come between any two. */
const slice = 8
const most = 30
/** Showing events gets a quarter of the time: after it is rested three times as long, but not longer than this. */
const longest = 200

/** A queue of that kind. */
export interface Slices<T> {
  push(items: readonly T[]): Promise<void>
  /** Lets what comes next wait until this is over. */
  hold(promise: Promise<unknown>): void
}

/** Makes one. @param deliver takes the items in order */
export function slices<T>(deliver: (item: T) => void): Slices<T> {
  let items: T[] = []
  let held: Promise<unknown> | undefined
  let isRunning = false
  /** How long the last frame took. */
  let drawing = 0

  return {
    async push(batch) {
      items.push(...batch)
      if (isRunning) return
      isRunning = true
      while (items.length) {
        const began = performance.now()
        let from = began
        // It comes to what is added meanwhile, too.
        for (const item of items) {
          deliver(item)
          await held
          held = undefined
          // A page that is hidden is not clicked, and its timers are slow.
          if (document.hidden || performance.now() - from < Math.min(slice + drawing, most))
            continue
          await sleep(0)
          from = performance.now()
        }
        items = []
        if (document.hidden) continue
        const cost = performance.now() - began
        // Hidden meanwhile it gets no frame.
        await Promise.race([new Promise(requestAnimationFrame), sleep(longest)])
        from = performance.now()
        await sleep(0)
        drawing = performance.now() - from
        await sleep(Math.min(longest, 3 * (cost + drawing)))
      }
      isRunning = false
    },
    hold(promise) {
      held = Promise.all([held, promise.catch(reportError)])
    },
  }
}

const sleep = (time: number) => new Promise((over) => setTimeout(over, time))
