/**
 * A queue that is worked off in slices, so that a burst never holds up a click.
 */

/** How long a task may take, in milliseconds. */
const slice = 8

/** A queue of that kind. */
export interface Slices<T> {
  /** Resolves when all is delivered. */
  push(items: readonly T[]): Promise<void>
  /** Lets what comes next wait until this is over. */
  hold(promise: Promise<unknown>): void
}

/** Makes one. @param deliver takes the items in order */
export function slices<T>(deliver: (item: T) => void): Slices<T> {
  // A timer would wait four milliseconds, and a second in a hidden page.
  const { port1, port2 } = new MessageChannel()
  let items: T[] = []
  let held: Promise<unknown> | undefined
  let isRunning = false

  return {
    async push(batch) {
      items.push(...batch)
      if (isRunning) return
      isRunning = true
      let end = performance.now() + slice
      // It comes to what is added meanwhile, too.
      for (const item of items) {
        deliver(item)
        await held
        held = undefined
        if (performance.now() < end) continue
        await new Promise((resolve) => {
          port1.onmessage = resolve
          port2.postMessage(0)
        })
        end = performance.now() + slice
      }
      items = []
      isRunning = false
    },
    hold(promise) {
      held = Promise.all([held, promise.catch(reportError)])
    },
  }
}
