/** Many texts at once, token by token, each with its reader. */
import { withFolder } from '../folder'
import { Chats, type ChatsTold } from '../load/chats'
import { atMost, figure, ratio, scenario } from '../scenario'
import { Server } from '../server'

interface Case {
  chats: number
  /** Tokens a second of each chat. */
  perSecond: number
  seconds: number
}

/** Before it counts, in seconds. */
const warmUp = 1
/** How many chats a page shows. */
const onPage = 10
/** All must be read so many milliseconds after the last token. */
const patience = 15_000

/** The server of each candidate, and how many chats share a connection. */
const candidates: Record<string, { server: string; each: number }> = {
  floor: { server: 'floor', each: 1 },
  'better-sse': { server: 'better-sse', each: 1 },
  headwater: { server: 'headwater', each: 1 },
  'headwater-pages': { server: 'headwater', each: onPage },
}

export const textChats = scenario<Case>({
  name: 'text-chats',
  about: `Chats of which each is told one token after the other by the clock, all on one server: with Headwater's \`textStream\` and its durable log, each to a connection of its own, and to pages that follow ${onPage} each; beside that a bare stream and better-sse, which write each token as an event and keep nothing. The age of a token counts from when it was due until its reader's socket has it. CPU is that of the server's process, shares of one core; the memory is the most. In the end every text must be right, byte for byte.`,
  candidates: Object.keys(candidates),
  cases: ({ connections: chats = 200, events: perSecond = 50, seconds = 10 }) => [
    { chats, perSecond, seconds },
  ],
  label: ({ chats, perSecond, seconds }) =>
    `${chats} chats at ${perSecond} tokens/s each for ${seconds} s`,
  measure: (candidate, { chats, perSecond, seconds }) => {
    const { server: name, each } = candidates[candidate] as { server: string; each: number }
    return withChats(name, async (server, readers) => {
      await readers.follow({ port: server.port, chats, each })
      await Bun.sleep(settling)
      const all = { chats, perSecond: chats * perSecond }
      await server.tokens({ ...all, seconds: warmUp })
      await readers.until({ tokens: warmUp * perSecond, within: patience })
      const most = await server.watch()
      const [before, cpu] = [await readers.count(), await server.cpu()]
      const { began, wall } = await server.tokens({ ...all, seconds })
      const used = (await server.cpu()) - cpu
      const tokens = (warmUp + seconds) * perSecond
      await readers.until({ tokens, within: patience })
      const [from, to] = [warmUp * perSecond * chats, tokens * chats]
      const told = await readers.tell({ began, perSecond: all.perSecond, from, to })
      check(candidate, told)
      return {
        cpu: (used / wall) * 100,
        each: (used * 1_000) / (to - from),
        p50: told.p50,
        p99: told.p99,
        oldest: told.oldest,
        events: ((told.events - before.events) / wall) * 1_000,
        bytes: (told.bytes - before.bytes) / wall,
        memory: (await most()) / 1e6,
      }
    })
  },
  columns: [
    { name: 'CPU %', figure: 'cpu', digits: 1 },
    { name: 'µs a token', figure: 'each', digits: 1 },
    { name: 'p50 ms', figure: 'p50', digits: 1 },
    { name: 'p99 ms', figure: 'p99', digits: 1 },
    { name: 'oldest ms', figure: 'oldest', digits: 1 },
    { name: 'events/s', figure: 'events' },
    { name: 'KB/s', figure: 'bytes' },
    { name: 'memory MB', figure: 'memory' },
  ],
  ratio: { figure: 'cpu', to: 'floor' },
  bars: () =>
    ['headwater', 'headwater-pages'].flatMap((candidate) => [
      atMost(33, 'ms', `p99 age, ${candidate}`, figure(candidate, 'p99')),
      atMost(50, '% of a core', `CPU, ${candidate}`, figure(candidate, 'cpu')),
      atMost(3, '×', `CPU by that of the floor, ${candidate}`, ratio(candidate, 'floor', 'cpu')),
    ]),
})

/** For snapshots, and rows that are written behind, in milliseconds. */
const settling = 300

/** A server and readers; both are ended afterwards. */
function withChats<Result>(
  name: string,
  measure: (server: Server, readers: Chats) => Promise<Result>,
): Promise<Result> {
  return withFolder(async (folder) => {
    const readers = await Chats.start()
    try {
      const server = await Server.start(name, { folder })
      try {
        return await measure(server, readers)
      } finally {
        await server.end()
      }
    } finally {
      await readers.end()
    }
  })
}

/** @throws Error unless all texts are right. */
function check(candidate: string, { wrong, damaged, gone }: ChatsTold): void {
  if (wrong + damaged + gone === 0) return
  throw new Error(
    `${candidate}: ${wrong} texts are wrong, ${damaged} events damaged, ${gone} connections gone`,
  )
}
