/** better-sse on `Bun.serve` by its own `createResponse`, which is faster than its way over `node:http`: a channel a topic. */
import { type Channel, createChannel, createResponse } from 'better-sse'
import { listen } from '../serving/listen'
import { inOneLine, serve } from '../serving/serve'
import { topicOf } from '../serving/topics'

const channels = new Map<string, Channel>()

function channelOf(topic: string): Channel {
  const channel = channels.get(topic) ?? createChannel()
  channels.set(topic, channel)
  return channel
}

const port = listen((request) =>
  // The data is a string already.
  createResponse(request, { serializer: String }, (session) => {
    channelOf(topicOf(request.url)).register(session)
  }),
)

serve({
  port,
  publish: (topic, data) => void channelOf(topic).broadcast(data, topic),
  // It writes `data:` and no blank: that of the token would be taken for it.
  text: (topic, text) => void channelOf(topic).broadcast(` ${inOneLine(text)}`, topic),
})
