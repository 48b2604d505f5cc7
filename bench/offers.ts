import type { Load, Told } from './load/load'
import type { Server } from './server'
import type { Published } from './serving/serve'

/** Events that are offered by the clock, to connections that all get each. */
export class Offers {
  /** Deliveries that have been asked for. */
  due = 0
  #server: Server
  #load: Load
  #connections: number
  #bytes: number

  constructor(
    server: Server,
    load: Load,
    { connections, bytes }: { connections: number; bytes: number },
  ) {
    this.#server = server
    this.#load = load
    this.#connections = connections
    this.#bytes = bytes
  }

  /** Offers events; resolves when all are published. */
  publish(perSecond: number, seconds: number): Promise<Published> {
    this.due += Math.round(perSecond * seconds) * this.#connections
    return this.#server.offer({ perSecond, seconds, bytes: this.#bytes })
  }

  /** Waits until all have come, for so many milliseconds at most. */
  arrive(within: number): Promise<Told> {
    return this.#load.until({ events: this.due, within })
  }

  /** How many of them can be sent a second: far more are offered for a moment. */
  async most(): Promise<number> {
    const before = this.due
    const { began } = await this.publish(2_000, 0.25)
    const { lastAt } = await this.arrive(60_000)
    return Math.round((this.due - before) / this.#connections / ((lastAt - began) / 1e6))
  }
}
