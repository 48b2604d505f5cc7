/** Hono's `streamSSE`, one `writeSSE` an event and connection. */
import { Hono } from 'hono'
import { type SSEStreamingApi, streamSSE } from 'hono/streaming'
import { listen } from '../serving/listen'
import { serve } from '../serving/serve'
import { Topics } from '../serving/topics'

const topics = new Topics<SSEStreamingApi>()
const app = new Hono().get('/stream', (context) => {
  const topic = context.req.query('topic') ?? ''
  return streamSSE(context, async (stream) => {
    topics.add(topic, stream)
    await stream.write(':\n\n')
    await new Promise<void>((left) => stream.onAbort(left))
    topics.delete(topic, stream)
  })
})

serve({
  port: listen((request) => app.fetch(request)),
  publish(topic, data) {
    for (const stream of topics.of(topic)) stream.writeSSE({ event: topic, data })
  },
})
