/** What both writers do: callers that publish, and each awaits its own before it publishes again. */
import { answer, say } from '../child'
import { epochTime, eventData, filling } from '../serving/event'

/** How much is written. */
export interface Writing {
  /** Rows that are written together, each by a caller. */
  callers: number
  /** Of one row's data. */
  bytes: number
  /** Milliseconds. */
  time: number
}

/** What writing took. */
export interface Written {
  rows: number
  /** Milliseconds. */
  wall: number
  /** The longest time without a turn of the event loop, in milliseconds. */
  stop: number
}

/** @param write writes all of them durably */
export function writer(write: (data: string[]) => unknown): Promise<never> {
  say({ ready: true })
  return answer({
    write: async ({ callers, bytes, time }: Writing): Promise<Written> => {
      const rest = filling(bytes)
      const began = performance.now()
      let rows = 0
      let stop = 0
      for (let now = began; now - began < time; ) {
        const data = Array.from({ length: callers }, () => eventData(++rows, epochTime(), rest))
        await write(data)
        // Else a promise that is kept in a microtask would never let the loop turn.
        await new Promise((next) => setImmediate(next))
        const next = performance.now()
        stop = Math.max(stop, next - now)
        now = next
      }
      return { rows, wall: performance.now() - began, stop }
    },
  })
}
