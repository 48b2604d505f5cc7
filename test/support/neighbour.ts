/**
 * A program that is a second process on the file of a log: it appends through a log of its own, and reads the rows
 * through a plain connection, as it is told.
 */
import { Database } from 'bun:sqlite'
import { type Entry, sqliteLog } from 'headwater/log'
import { asTopic } from '../../src/topic'
import { given, Program, say } from './program'

/** What it is told. */
export type NeighbourOrder =
  /** Appends so many turns of one to three entries, of all kinds; `pause` milliseconds between them at the most. */
  { append: { turns: number; pause: number } } | { look: number }

/** What it says. `at`: when the append had returned, in milliseconds since 1970. */
export type NeighbourSaid =
  | { ready: true }
  | { confirmed: { seq: number; data: string; at: number }[] }
  | { looked: number; data: string | null }

const kinds: Entry['kind'][] = ['log', 'state', 'signal']

/** Entries of one turn: `<writer> <number>`, of the kinds in turn, to topics of the writer's own and a shared one. */
export function turnOf(writer: string, from: number, count: number): Entry[] {
  return Array.from({ length: count }, (_, i) => {
    const n = from + i
    const kind = kinds[n % 3] as Entry['kind']
    return {
      topic: asTopic(n % 2 ? 'shared' : writer),
      kind,
      form: 'slot',
      // Of each state a key of its own, so that all of them are kept and can be counted.
      key: kind === 'state' ? `${writer} ${n}` : null,
      data: `${writer} ${n}`,
      at: Date.now(),
    }
  })
}

/** Starts one; resolves when its log is open. */
export async function startNeighbour(file: string, writer: string) {
  const program = new Program<NeighbourSaid>(import.meta.path, { file, writer })
  await program.until(({ said }) => said.length > 0)
  return {
    program,
    /** Resolves with what was confirmed to it. */
    append: async (turns: number, pause: number) => {
      program.tell({ append: { turns, pause } })
      return (await program.hears((said) => 'confirmed' in said, 30_000)).confirmed
    },
    /** The data of that row, looked for now. */
    look: async (seq: number) => {
      program.tell({ look: seq })
      const isAnswer = (said: NeighbourSaid) => 'looked' in said && said.looked === seq
      await program.until(({ said }) => said.some(isAnswer))
      return program.said.find(isAnswer) as { data: string | null }
    },
  }
}

if (import.meta.main) {
  const { file, writer } = given<{ file: string; writer: string }>()
  const log = sqliteLog(file)
  const row = new Database(file, { readonly: true }).query<{ data: string }, [number]>(
    'select data from hw_event where seq = ?',
  )
  process.on('message', async (order: NeighbourOrder) => {
    if ('look' in order) say({ looked: order.look, data: row.get(order.look)?.data ?? null })
    else {
      const confirmed: { seq: number; data: string; at: number }[] = []
      let n = 1
      for (let turn = 0; turn < order.append.turns; turn++) {
        const entries = turnOf(writer, n, 1 + (turn % 3))
        n += entries.length
        const places = await log.append(entries)
        const at = Date.now()
        for (const [i, { seq }] of places.entries()) {
          confirmed.push({ seq, data: entries[i]?.data as string, at })
        }
        await Bun.sleep(Math.random() * order.append.pause)
      }
      say({ confirmed })
    }
  })
  say({ ready: true })
}
