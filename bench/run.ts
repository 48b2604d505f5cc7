import { withFolder } from './folder'
import { Load, type Told } from './load/load'
import { Server } from './server'
import type { BenchOptions } from './serving/bench-hub'

/** A server and its load; both are ended afterwards, whatever happens. */
export function withServer<Result>(
  candidate: string,
  measure: (server: Server, load: Load) => Promise<Result>,
  options: Omit<BenchOptions, 'folder'> & { gaps?: boolean } = {},
): Promise<Result> {
  const { gaps = false, ...own } = options
  return withFolder(async (folder) => {
    const load = await Load.start({ gaps })
    try {
      const server = await Server.start(candidate, { ...own, folder })
      try {
        return await measure(server, load)
      } finally {
        await server.end()
      }
    } finally {
      await load.end()
    }
  })
}

/** Opens so many connections to one topic, and waits until the server has come to rest. */
export async function openAll(server: Server, load: Load, count: number, topic = 'bench') {
  await load.open({ port: server.port, count, paths: [pathOf(topic)] })
  const { opened } = await load.tell()
  if (opened !== count) throw new Error(`Only ${opened} of ${count} connections were opened`)
  await Bun.sleep(settling)
  await load.tell()
}

/** For the rows that are written behind, in milliseconds. */
const settling = 300

export function pathOf(topic: string): string {
  return `/stream?topic=${encodeURIComponent(topic)}`
}

/** @throws Error unless every event came once, whole and in order. */
export function check(candidate: string, told: Told, events: number): void {
  const { lost, doubled, damaged, gone } = told
  if (told.events === events && lost + doubled + damaged + gone === 0) return
  throw new Error(
    `${candidate} delivered ${told.events} of ${events}: ${lost} lost, ${doubled} doubled or out of order, ${damaged} damaged, ${gone} connections gone`,
  )
}
