/**
 * Publishing on the strength of what is kept: of kind `state` the newest wins, and what is newest must not be what
 * only took longest.
 *
 * Say two processes load the same value. The one that began first may be done last, and would overwrite what the
 * other has. So each looks at what is kept and publishes with a lease of the topic in its hands, and nobody of those
 * who do the same comes in between.
 */
import type { Html } from './html'
import type { Hub } from './hub'
import type { LogEvent } from './log'
import { perHub } from './per-hub'
import type { Topic } from './topic'
import type { EventId } from './wire'

/** Makes what is to be published of the newest that is kept; gives nothing to leave that. It may be asked again. */
type Make = (newest: LogEvent | undefined) => Html | undefined

/** How often a lease that another process holds is asked for, and for how long, in milliseconds. */
const look = 5
const patience = 10_000

/** What is under way, by topic: a process that has a lease has it for all that it does. */
const tailsOf = perHub(() => new Map<Topic, Promise<unknown>>())

/**
 * Publishes to a topic of kind `state` what is made of the newest that is kept. Resolves with its event id, with
 * nothing where nothing was made.
 *
 * @throws what {@link Hub.publish} throws, and Error when others hold the topic for ten seconds.
 */
export function publishOver(hub: Hub, topic: Topic, make: Make): Promise<EventId | undefined> {
  const own = tailsOf(hub)
  const published = (own.get(topic) ?? Promise.resolve()).then(() => publish(hub, topic, make))
  const tail = published.then(forget, forget)
  own.set(topic, tail)
  return published

  function forget(): void {
    if (own.get(topic) === tail) own.delete(topic)
  }
}

async function publish(hub: Hub, topic: Topic, make: Make): Promise<EventId | undefined> {
  const made = async () => make((await hub.log.last(topic, 1))[0])
  // Mostly there is nothing new of what ticks, and that needs no lease.
  if ((await made()) === undefined) return undefined
  // No topic begins like that, and a source's lease has the name of its topic.
  const lease = `hw:newest:${topic}`
  const until = performance.now() + patience
  // A hub that is closed takes nothing any more.
  while (!hub.isClosed && !(await hub.registry.take(lease))) {
    if (performance.now() > until) throw new Error(`Another process held "${topic}" for too long`)
    await rest()
  }
  try {
    const html = await made()
    return html === undefined ? undefined : await hub.publish(topic, html)
  } finally {
    await hub.registry.release(lease)
  }
}

/** Keeps no process alive. */
function rest(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, look).unref()
  })
}
