import { Child } from './child'
import type { BenchOptions } from './serving/bench-hub'
import type { Published } from './serving/serve'

/** A server under test in a process of its own. */
export class Server {
  readonly port: number
  readonly #child: Child

  private constructor(child: Child, port: number) {
    this.#child = child
    this.port = port
  }

  /** @param name one of `servers/` */
  static async start(name: string, options: BenchOptions): Promise<Server> {
    const child = new Child(`${import.meta.dir}/servers/${name}.ts`, JSON.stringify(options))
    const { port } = await child.line<{ port: number }>()
    return new Server(child, port)
  }

  /** Publishes one event a turn of its event loop. */
  turns(order: { events: number; bytes: number }): Promise<Published> {
    return this.#child.order('turns', order)
  }

  /** Publishes to `entity:<n>` at random, so many a turn. */
  random(order: { events: number; bytes: number; topics: number; batch: number }) {
    return this.#child.order<Published>('random', order)
  }

  /** Publishes by the clock. */
  offer(order: { perSecond: number; seconds: number; bytes: number; topic?: string }) {
    return this.#child.order<Published>('offer', order)
  }

  /** Adds tokens to that many texts, one after the other by the clock; so many a second to all together. */
  tokens(order: { chats: number; perSecond: number; seconds: number }): Promise<Published> {
    return this.#child.order('tokens', order)
  }

  /** Bytes of memory of the process, the rubbish collected. */
  async memory(): Promise<number> {
    return (await this.#child.order<{ rss: number }>('memory')).rss
  }

  /** Begins to look at the memory; gives the way to ask what was the most. */
  async watch(): Promise<() => Promise<number>> {
    await this.#child.order('watch')
    return async () => (await this.#child.order<{ rss: number }>('watched')).rss
  }

  /** CPU time up to now, in milliseconds. */
  async cpu(): Promise<number> {
    return (await this.#child.order<{ cpu: number }>('cpu')).cpu
  }

  /** What only this one can do. */
  order<Answer>(word: string, values: object = {}): Promise<Answer> {
    return this.#child.order(word, values)
  }

  end(): Promise<void> {
    return this.#child.end()
  }
}
