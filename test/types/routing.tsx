/** @jsxImportSource @kitajs/html */
/**
 * Middleware, hooks, actions and history as users write them. Nothing here runs: the type check is the test.
 */
import { action, type ConnectionDetails, Hub, type Publication, swap, text } from 'headwater'

const hub: Hub = new Hub({
  onConnect: ({ id, topics: [first] }) => hub.publish('log', text(`${id} ${first}`)),
  onDisconnect: async ({ events, viewer }, reason) => {
    const known: 'left' | 'done' | undefined = reason === 'left' ? reason : undefined
    console.log(events.toFixed(), viewer?.length, known)
  },
})

// Other content, nothing, null, at once or later.
hub
  .use('a', ({ content }) => (typeof content === 'string' ? `<p>${content}</p>` : content))
  .use('a', () => null)
  .use('a', () => {})
  .use('a', async () => {})
  .use('a', async ({ topic, kind, key }) => (kind === 'log' ? <b safe>{key ?? topic}</b> : null))
  .use('a', ({ kind }) => (kind === 'state' ? swap.delete('#x') : undefined), { priority: 2 })
// @ts-expect-error a number is no content
hub.use('a', () => 7)
// @ts-expect-error false does not say whether it is to be dropped
hub.use('a', ({ kind }) => kind === 'log')
hub.topic('a', { priority: 1 })

export function misuse(publication: Publication, connection: ConnectionDetails) {
  // @ts-expect-error it is frozen
  publication.content = ''
  // @ts-expect-error it is a copy
  connection.viewer = 'somebody else'
  // @ts-expect-error so are its topics
  connection.topics.push('a')
}

const rename = action(
  hub,
  (id) => `room:${id}`,
  async (id: string, name: string) => ({ id, length: name.length }),
  {
    started: ({ id, args: [room, name] }) => (
      <p id={id} safe>
        {room + name}
      </p>
    ),
    done: (result, { id }) => swap.outerHTML(`#${id}`, text(result.length)),
    failed: async (error) => <b safe>{String(error)}</b>,
  },
)
export const renamed: Promise<{ id: string; length: number }> = rename('1', 'one')
// @ts-expect-error the arguments are the handler's
rename('1')
export const atOnce: Promise<number> = action(hub, 'a', (n: number) => n * 2)(2)
// @ts-expect-error a phase gives content
action(hub, 'a', () => 1, { done: (n) => n })

const { items, cursor } = await hub.history('a', { last: 1, since: new Date(), until: 1 })
hub.address(['a'], { since: cursor })
export const times: Date[] = items.map(({ at }) => at)
// @ts-expect-error a cursor is no time
hub.history('a', { since: cursor })
