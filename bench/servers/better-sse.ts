/** better-sse on Bun, over its `node:http`: a channel a topic. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Channel, createChannel, createSession } from 'better-sse'
import { serve } from '../serving/serve'
import { topicOf } from '../serving/topics'

const channels = new Map<string, Channel>()

function channelOf(topic: string): Channel {
  const channel = channels.get(topic) ?? createChannel()
  channels.set(topic, channel)
  return channel
}

const server = createServer(async (request, response) => {
  // The data is a string already.
  const session = await createSession(request, response, { serializer: String })
  channelOf(topicOf(request.url ?? '')).register(session)
})
server.listen(0, '127.0.0.1', () => {
  serve({
    port: (server.address() as AddressInfo).port,
    publish: (topic, data) => void channelOf(topic).broadcast(data, topic),
  })
})
