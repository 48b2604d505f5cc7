import { AsyncLocalStorage } from 'node:async_hooks'

/** A render that is under way, and the one that it was begun in. */
interface Frame<Subject> {
  of: Subject
  isOver: boolean
  outer: Frame<Subject> | undefined
}

/** Knows within which renders something happens, so that none waits for itself. */
export class Renders<Subject> {
  #frames = new AsyncLocalStorage<Frame<Subject>>()

  /** Runs a render. It is over when the promise that it gives is settled, if it gives one. */
  run<T>(of: Subject, render: () => T): T {
    const own: Frame<Subject> = { of, isOver: false, outer: this.#frames.getStore() }
    const over = () => {
      own.isOver = true
    }
    let isLater = false
    try {
      const rendered = this.#frames.run(own, render)
      isLater = rendered instanceof Promise
      if (rendered instanceof Promise) rendered.then(over, over)
      return rendered
    } finally {
      if (!isLater) over()
    }
  }

  /** Whether a render of this is under way, and has begun what asks. What goes on when it is over is not within it. */
  isWithin(of: Subject): boolean {
    for (let at = this.#frames.getStore(); at; at = at.outer) {
      if (!at.isOver && at.of === of) return true
    }
    return false
  }
}
