/**
 * Async values: what takes a while to get, shown as loading, then as it is or as failed, exactly one at a time.
 *
 * Say a weather report from a slow service. The page is sent at once and says that it is loading; the report comes
 * when it is there, to everybody who looks on, and is kept for who comes later. Each state is rendered once, so the
 * first page, the live change and the replay are the same HTML.
 *
 * Loads have an order, over all processes on the database: of two the one that began later counts, however long
 * each takes. What is published says to which load it belongs, and a load looks at that and publishes in one
 * transaction; so an older one can not overwrite a newer one. Each holds a lease while it goes on, by which others
 * see that the process that was loading is gone.
 */
import { AsyncValueHandle } from './async-handle'
import type { AsyncValueOptions, Loader } from './async-options'
import { Handles } from './handles'
import type { Hub } from './hub'
import { perHub } from './per-hub'
import { asTopic, type Topic } from './topic'

/**
 * Declares a value that takes a while. It is first loaded when it is first shown; the same object again for the
 * same hub and topic, whatever the options say then.
 *
 * The topic becomes one of kind `state`. Where there are many, declare that with a pattern first.
 *
 * @throws TypeError for a bad topic or timeout, or an address that is none.
 * @example
 * const weather = asyncValue(hub, 'weather:berlin', ({ signal }) => fetchWeather('berlin', signal), {
 *   loading: () => <p>Looking out of the window …</p>,
 *   ok: ({ words }) => <p safe>{words}</p>,
 *   failed: (_, retry) => <div>No weather. {retry}</div>,
 *   retry: '/weather/retry',
 * })
 */
export function asyncValue<Value>(
  hub: Hub,
  topic: string,
  load: Loader<Value>,
  options: AsyncValueOptions<Value>,
): AsyncValueHandle<Value> {
  return valuesOf(hub).declare(
    asTopic(topic),
    () => new AsyncValueHandle(hub, asTopic(topic), load, options),
  )
}

const valuesOf = perHub((hub) => new Values(hub))

/** The values of one hub: they hear what is published, and that the hub closes. */
class Values {
  #values = new Handles<AsyncValueHandle<unknown>>()
  #hub: Hub
  #unfollow: () => void

  constructor(hub: Hub) {
    this.#hub = hub
    hub.onClose(() => this.#close())
    hub.onMissed((topic) => this.#values.get(topic)?.missed())
    this.#unfollow = hub.log.follow(
      (events) => {
        for (const event of events) {
          if (event.form === 'slot') this.#values.get(event.topic)?.heard(event)
        }
      },
      (error) => hub.report(error),
    )
  }

  declare<Value>(topic: Topic, make: () => AsyncValueHandle<Value>): AsyncValueHandle<Value> {
    const known = this.#values.get(topic)
    // Whoever declares it twice says the same of it twice.
    if (known) return known as unknown as AsyncValueHandle<Value>
    const made = make()
    const any = made as unknown as AsyncValueHandle<unknown>
    this.#values.add(topic, any)
    void this.#recall(any)
    return made
  }

  #close(): void {
    this.#unfollow()
    for (const topic of this.#values.topics()) this.#values.get(topic)?.close()
  }

  /** What was published before this process. */
  async #recall(value: AsyncValueHandle<unknown>): Promise<void> {
    try {
      const [newest] = await this.#hub.log.last(value.topic, 1)
      if (newest) value.heard(newest)
    } catch (error) {
      this.#hub.report(error, value.topic)
    }
  }
}
