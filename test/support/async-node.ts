/**
 * A program with a hub on a file and a server: it declares the component and the value that its test declares too, and
 * does what {@link Order} says.
 */
import { asyncValue, component, type Hub } from 'headwater'
import { given, Program, say } from './program'
import { serve } from './serve'

/** What it is started with. */
export interface AsyncNodeOptions {
  database: string
  /** Of the component, in milliseconds. */
  tick?: number
  /** Of its leases, in milliseconds. */
  lease?: number
}

/** What it is told. */
export type Order =
  /** What the component shows from now on. */
  | { show: string; slow?: number }
  /** What is pushed shows the number. */
  | { push: number }
  | { load: string; wait: number }
  | { cancel: true }
  | { view: true }

/** What it says. */
export type Said =
  | { port: number }
  | { rendered: string }
  | { pushed: number }
  | { loading: string }
  | { outcome: string; of: string }
  | { aborted: string }
  | { done: true }

/** The value that all processes declare: its loader takes so long, and gives its name. */
export function declareValue(
  hub: Hub,
  next: { name: string; wait: number },
  tell = (_: Said) => {},
) {
  return asyncValue(
    hub,
    'value:1',
    async ({ signal }) => {
      const { name, wait } = next
      tell({ loading: name })
      signal.addEventListener('abort', () => tell({ aborted: name }))
      await Bun.sleep(wait)
      return name
    },
    { loading: () => '<i>loading</i>', ok: (name) => `<b>${name}</b>`, timeout: 60_000 },
  )
}

/** Starts one; resolves with its URL when it serves. */
export async function startAsyncNode(options: AsyncNodeOptions) {
  const node = new Program<Said>(import.meta.path, options)
  const { port } = await node.hears((said): said is { port: number } => 'port' in said)
  /** Resolves with all of the kind that it has said by then, once there are so many. */
  const heard = async (kind: string, count: number, within?: number) => {
    const all = () => node.said.filter((said) => kind in said)
    await node.until(() => all().length >= count, within)
    return all()
  }
  return { node, heard, url: `http://127.0.0.1:${port}` }
}

if (import.meta.main) {
  const { database, tick, lease = 30_000 } = given<AsyncNodeOptions>()
  const { hub, server } = serve({
    database,
    limits: { lease, grace: 50, pace: 0 },
    onError: console.error,
  })
  let shown = 'begin'
  let slow = 0
  const board = component(hub, {
    name: 'board',
    tick,
    render: async () => {
      const now = shown
      say({ rendered: now })
      await Bun.sleep(slow)
      return `<b>${now}</b>`
    },
  })
  const next = { name: '', wait: 0 }
  const value = declareValue(hub, next, say)
  process.on('message', async (order: Order) => {
    if ('show' in order) {
      shown = order.show
      slow = order.slow ?? 0
      say({ done: true })
    } else if ('push' in order) {
      shown = String(order.push)
      await hub.push(board)
      say({ pushed: order.push })
    } else if ('load' in order) {
      Object.assign(next, { name: order.load, wait: order.wait })
      say({ outcome: await value.load(), of: order.load })
    } else if ('cancel' in order) {
      await value.cancel()
      say({ done: true })
    } else {
      await value.show()
      say({ done: true })
    }
  })
  say({ port: server.port as number })
}
