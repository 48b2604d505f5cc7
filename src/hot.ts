/**
 * `bun --hot` evaluates the app and the package again in the same process, and leaves alone what runs: the hubs
 * of the evaluation before would go on following the log, with their connections, their timers and their node.
 */

interface Closable {
  close(): void
}

const name = Symbol.for('headwater.hubs')
const isHot = process.execArgv.includes('--hot')

/** The hubs that live, shared by all evaluations of this file. */
const shared = globalThis as { [name]?: Set<Closable> }
shared[name] ??= new Set()
const hubs = shared[name]

if (isHot) for (const hub of hubs) hub.close()

/** Has the hub closed when `bun --hot` evaluates the package again. Returns the way to forget it. */
export function closeOnReload(hub: Closable): () => void {
  if (isHot) hubs.add(hub)
  return () => hubs.delete(hub)
}
