import type { Log, LogEvent } from '../../src/log'
import { bulk } from './themes'

/** How the engine is broken on purpose, to see that the test notices. */
export type Sabotage = 'lose' | 'double'

/** Which of each thousand it is: early enough for a process that does not live long. */
const first = 100

/**
 * A log whose followers are not given one event of kind `log` in a thousand, or are given it twice; none of those that few
 * readers follow.
 *
 * @param onSpoilt told which
 */
export function sabotaged(log: Log, how: Sabotage, onSpoilt: (event: LogEvent) => void): Log {
  let count = 0
  const spoil = (event: LogEvent) => {
    if (event.kind !== 'log' || event.topic === bulk || ++count % 1_000 !== first) return [event]
    onSpoilt(event)
    return how === 'lose' ? [] : [event, event]
  }
  const follow: Log['follow'] = (listener, onError) =>
    log.follow((events) => {
      const spoilt = events.flatMap(spoil)
      if (spoilt.length > 0) listener(spoilt)
    }, onError)
  return new Proxy(log, {
    get: (target, name) => {
      if (name === 'follow') return follow
      const found = Reflect.get(target, name, target)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
}
