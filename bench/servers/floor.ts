/** The floor: plain `Bun.serve`, a stream of type `direct`, shared bytes, write and flush; no ids, nothing kept. */
import { listen } from '../serving/listen'
import { serve } from '../serving/serve'
import { Topics, topicOf } from '../serving/topics'

interface Controller {
  write(bytes: Uint8Array): number | Promise<number>
  flush(): void
}

const topics = new Topics<Controller>()
const encoder = new TextEncoder()
const opening = encoder.encode('retry: 1000\n:\n\n')
const headers = { 'content-type': 'text/event-stream' }

const port = listen((request) => {
  const topic = topicOf(request.url)
  let own: Controller
  const source = {
    type: 'direct',
    pull(controller: Controller) {
      own = controller
      topics.add(topic, controller)
      controller.write(opening)
      controller.flush()
    },
    cancel: () => topics.delete(topic, own),
  }
  return new Response(new ReadableStream(source as never), { headers })
})

serve({
  port,
  publish(topic, data) {
    const bytes = encoder.encode(`event: ${topic}\ndata: ${data}\n\n`)
    for (const controller of topics.of(topic)) {
      controller.write(bytes)
      controller.flush()
    }
  },
})
