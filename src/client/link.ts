/**
 * A page's way to the stream: through a SharedWorker, so that all pages of a browser have one; where there is none,
 * in the page itself.
 */
import type { Change, Report } from './messages'
import { stream } from './stream'

/** What the page's script tag says. */
export interface Script {
  /** Of the script, which is the worker's too. */
  url: string
  /** Of the worker: pages with the same one share it. */
  name: string
  /** Where the hub answers. */
  path: string
}

declare global {
  interface WorkerOptions {
    /** Whether it goes on for a while when its last page is gone, or kept for the way back. */
    extendedLifetime?: boolean
  }
}

/** How long a worker may take to begin, in milliseconds. */
const patience = 2_000
/** Why workers do not begin, if they do not. */
let isAlone: unknown

/**
 * Makes the way.
 *
 * @param lost is called when another way is to be made
 */
export function link(
  { url, name, path }: Script,
  report: Report,
  lost: () => void,
): (change: Change) => void {
  let worker: SharedWorker | undefined
  try {
    // It would be frozen together with its last page, and may not have heard yet that this one has left.
    if (!isAlone) worker = new SharedWorker(url, { name, extendedLifetime: true })
  } catch {
    // There is none, or not of a script of another origin.
  }
  if (!worker) return stream(path, report)
  const { port } = worker
  const end = (fault?: unknown) => {
    clearTimeout(timer)
    isAlone ||= fault
    if (port.onmessage) lost()
    port.onmessage = null
  }
  let timer = setTimeout(end, patience, true)
  worker.onerror = end
  port.onmessage = ({ data }: MessageEvent<Parameters<Report>>) => {
    clearTimeout(timer)
    timer = setTimeout(end, data[1])
    report(...data)
  }
  return (change) => port.postMessage(change)
}
