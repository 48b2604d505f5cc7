/** Pages of streamed text: `/text/<head>` and `/lines/<head>`. */
import { join } from 'node:path'
import { Hub, logLines, text, textStream } from 'headwater'
import { LinesPage, type TextHead, TextPage, textHeads } from '../browser/text-page'
import { answer, say } from '../child'
import { lineOf } from '../serving/lines'
import { listen } from '../serving/listen'
import { byTheClock, cpuTime, timed } from '../serving/serve'
import { tokenOf } from '../serving/tokens'

const { folder } = JSON.parse(process.argv[2] as string) as { folder: string }
const hub = new Hub({ database: join(folder, 'bench.db') })
const stream = textStream(hub, 'text')
const log = logLines(hub, 'lines')
/** The topic of events for a plain slot. */
const plain = 'plain'

/** How often streams were asked for: the runtime posts what its page follows. */
const asked = { GET: 0, POST: 0 }

const port = listen(async (request, server) => {
  const { pathname } = new URL(request.url)
  const answered = await hub.fetch(request, { server })
  if (answered && !pathname.startsWith(`${hub.path}/-/`)) asked[request.method as 'GET' | 'POST']++
  if (answered) return answered
  const [, kind, head = ''] = pathname.split('/')
  if (!isHead(head)) return new Response('', { status: 404 })
  const page = await hub.page(request, () =>
    kind === 'text' ? TextPage({ head, stream, plain }) : LinesPage({ head, log, plain }),
  )
  return new Response(`<!doctype html>${page}`, { headers: { 'content-type': 'text/html' } })
})

function isHead(name: string): name is TextHead {
  return Object.hasOwn(textHeads, name)
}

/** What is said in so many seconds by the clock, to a page that is made live in that way. */
interface Said {
  head: TextHead
  perSecond: number
  seconds: number
}

say({ port })
answer({
  tokens: ({ head, perSecond, seconds }: Said) => {
    let n = 0
    const add = textHeads[head].plain
      ? (token: string) => hub.publish(plain, text(token))
      : (token: string) => stream.text(token)
    return timed(() => byTheClock(perSecond, seconds, () => add(tokenOf(0, n++))))
  },
  lines: ({ head, perSecond, seconds }: Said) => {
    let n = 0
    const add = textHeads[head].plain
      ? (line: string) => hub.publish(plain, `<li>${text(line)}</li>`)
      : (line: string) => log.push(line)
    return timed(() => byTheClock(perSecond, seconds, () => add(lineOf(++n))))
  },
  cpu: () => ({ cpu: cpuTime() }),
  asked: () => asked,
  stats: () => hub.stats(),
})
