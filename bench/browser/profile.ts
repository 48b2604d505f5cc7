/** A CPU profile of DevTools, by function. */

/** What `Profiler.stop` gives, as far as it is read. */
export interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  /** The node that was on top at each look. */
  samples: number[]
  /** Microseconds since the look before. */
  timeDeltas: number[]
}

/** One function of it. */
export interface Self {
  /** With its file and line. `(program)` is the browser's own code, `(idle)` nothing. */
  name: string
  /** Milliseconds. */
  time: number
}

/** How long each function was itself on top, the longest first. */
export function selfTimes({ nodes, samples, timeDeltas }: Profile): Self[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const times = new Map<string, number>()
  for (const [i, node] of samples.entries()) {
    const name = names.get(node) ?? '?'
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[i] ?? 0) / 1_000)
  }
  return [...times].map(([name, time]) => ({ name, time })).toSorted((a, b) => b.time - a.time)
}

function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const file = url.split('/').at(-1)
  return `${functionName || '(anonymous)'}${file ? ` ${file}:${lineNumber + 1}` : ''}`
}
