/** Elysia as its documentation shows it: a generator for each connection, which yields `sse(…)`. */
import { Elysia, sse } from 'elysia'
import { serve } from '../serving/serve'
import { Topics } from '../serving/topics'

class Queue {
  #items: string[] = []
  #wake: (() => void) | undefined

  push(item: string): void {
    this.#items.push(item)
    this.#wake?.()
    this.#wake = undefined
  }

  async next(): Promise<string[]> {
    if (this.#items.length === 0) {
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
    return this.#items.splice(0)
  }
}

const topics = new Topics<Queue>()
const app = new Elysia({ serve: { idleTimeout: 0 } })
  .get('/stream', async function* ({ query: { topic = '' } }) {
    const queue = new Queue()
    topics.add(topic, queue)
    try {
      // Elysia sends the head of the response with the first item.
      yield sse({ event: 'ready', data: 'ready' })
      for (;;) for (const data of await queue.next()) yield sse({ event: topic, data })
    } finally {
      topics.delete(topic, queue)
    }
  })
  .listen({ hostname: '127.0.0.1', port: 0 })

serve({
  port: app.server?.port as number,
  publish(topic, data) {
    for (const queue of topics.of(topic)) queue.push(data)
  },
})
