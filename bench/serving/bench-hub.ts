/** The hub under test, with everything on: ids, the durable log, the registry's rows in the file. */
import { Database } from 'bun:sqlite'
import { join } from 'node:path'
import { Hub, type TextStream, textStream } from 'headwater'
import type { Log } from 'headwater/log'
import type { Candidate } from './serve'

/** What a scenario asks for beyond the defaults. */
export interface BenchOptions {
  /** Where its files may be. */
  folder: string
  /** Events that are kept of a topic. @default the hub's own */
  keep?: number
  /** Events that are replayed of a topic. @default the hub's own */
  replay?: number
}

/** How a server with a hub is made of it. */
export interface BenchHub extends Omit<Candidate, 'port'> {
  hub: Hub
}

/** A hub on a new file. Its options are the program's first argument. */
export function benchHub({ log }: { log?: Log } = {}): BenchHub {
  const { folder, keep, replay } = JSON.parse(process.argv[2] as string) as BenchOptions
  const database = join(folder, 'bench.db')
  const hub = new Hub({
    database,
    log,
    limits: { perAddress: 100_000, connections: 100_000, ...(replay && { replay }) },
  })
  hub.topic('state', { kind: 'state', guard: 'public' })
  hub.topic('**', {
    guard: 'public',
    ...(keep && { keep: { count: keep, age: 24 * 60 * 60 * 1_000 } }),
  })
  /** As an app holds them. */
  const texts = new Map<string, TextStream>()
  return {
    hub,
    publish: (topic, data) => hub.publish(topic, data),
    text(topic, token) {
      const own = texts.get(topic) ?? textStream(hub, topic)
      texts.set(topic, own)
      own.text(token)
    },
    orders: {
      /** Publishes as fast as it goes, and gives the event ids. */
      fill: async ({ data }: { data: string[] }) => {
        return { ids: await Promise.all(data.map((each) => hub.publish('bench', each))) }
      },
      /** Waits until all open connections have their row in the file. */
      rows: async () => {
        const file = new Database(database, { readonly: true })
        const rows = file.query<{ count: number }, []>(
          "select count(*) as count from hw_connection where state = 'open'",
        )
        const { active } = hub.stats()
        const end = performance.now() + 10_000
        while ((rows.get()?.count ?? 0) < active && performance.now() < end) await Bun.sleep(5)
        const count = rows.get()?.count ?? 0
        file.close()
        return { count }
      },
      stats: () => hub.stats(),
      cursor: () => ({ id: hub.cursor() }),
    },
  }
}
