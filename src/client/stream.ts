/**
 * The one physical stream: it is opened for all that is followed, changed as addresses come and go, and opened anew
 * when it is lost. It knows nothing of cursors: after a loss the pages say again what they follow, and from where,
 * under ids that were not used before.
 */
import { backoff } from './backoff'
import type { Change, Follow, Message, Opened, Over, Report } from './messages'
import { type Block, parser } from './parser'

/** How many addresses are asked for at once: the server takes a body of a megabyte. */
const most = 1_000
/** Whole answers that are final. */
const final = [204, 401, 403, 410]

/**
 * Makes the way to a stream, which is open while anything is followed.
 *
 * @param url takes `POST`
 */
export function stream(url: string, report: Report): (change: Change) => void {
  const wanted = new Map<string, Follow>()
  /** What the server has not been told yet. */
  let fresh: (Follow | undefined)[] = []
  let dropped: string[] = []
  let headers: Record<string, string> | undefined
  let current = new AbortController()
  /** Of the stream that is open. */
  let opened: Opened | undefined
  let isRunning = false
  let isChanging = false
  let attempt = 0
  let refusals = 0
  let retry = 1_000
  let heartbeat = 15_000
  let watchdog: ReturnType<typeof setTimeout> | undefined
  let silence: number | undefined
  let wakeUp: (() => void) | undefined

  const tell = (batch: Message[], delay = 0) => report(batch, 3 * heartbeat + delay)

  /** Opens it again and again, for as long as anything is wanted. */
  const run = async () => {
    isRunning = true
    while (wanted.size) {
      let status: number | undefined
      let after = 0
      silence = undefined
      current = new AbortController()
      watch()
      try {
        const response = (await post()) as Response
        after = 1_000 * Math.min(3_600, Number(response.headers.get('retry-after'))) || 0
        if (response.status === 200) await read(response.body as ReadableStream<Uint8Array>)
        else {
          status = response.status
          await refuse(response)
        }
      } catch {
        // What the network does, and what was stopped here, is a loss like any other.
      }
      current.abort()
      opened = undefined
      fresh = []
      dropped = []
      if (!wanted.size) break
      wanted.clear()
      const delay = after + backoff(attempt++, retry)
      tell([['hw:retry', { attempt, delay, status, silence }]], delay)
      await new Promise<void>((resolve) => {
        setTimeout(resolve, delay)
        if (!after) wakeUp = resolve
      })
    }
    isRunning = false
  }

  const watch = () => {
    clearTimeout(watchdog)
    const patience = 2.5 * heartbeat
    watchdog = setTimeout(() => {
      silence = patience
      current.abort()
    }, patience)
  }

  /** Tells what the server was not told yet, if there is anything. */
  const post = () => {
    const follow = fresh.splice(0, most).filter((one) => one && wanted.has(one.id))
    const drop = dropped.splice(0)
    if (follow[0] || drop[0])
      return fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ connection: opened?.connection, follow, drop }),
        signal: current.signal,
      })
  }

  const read = (body: ReadableStream<Uint8Array>) => {
    const parse = parser((milliseconds) => {
      retry = milliseconds
    })
    const write = (bytes: Uint8Array) => {
      const batch = parse(bytes).map(notice)
      watch()
      tell(batch)
    }
    return body.pipeTo(new WritableStream({ write }))
  }

  /** Takes note of a control frame, and gives what the pages are to hear. */
  const notice = (block: Block): Message => {
    const [name, data] = block
    if (!data || !/^hw:/.test(name)) return block
    const detail = JSON.parse(data)
    if (name === 'hw:follow') return [name, detail, opened as Opened]
    if (name === 'hw:open') {
      opened = { connection: detail.connection, attempt }
      heartbeat = detail.heartbeat
      attempt = refusals = 0
      change()
    }
    if (name === 'hw:done') return over(detail.map((id: string) => ({ id })))
    return over(name === 'hw:refused' ? detail : [])
  }

  /** What the pages hear of those that are over; who is refused for the moment only is asked for again. */
  const over = (list: Over[]): Message => {
    const later: typeof fresh = []
    const gone = list.filter(({ id, status = 0 }) => {
      const isFinal = status !== 429 && status < 500
      if (!isFinal) later.push(wanted.get(id))
      return isFinal && wanted.delete(id)
    })
    if (later[0]) {
      setTimeout(
        () => {
          fresh.push(...later)
          change()
        },
        backoff(refusals++, retry),
      )
    }
    return ['hw:over', gone]
  }

  const refuse = async (response: Response) => {
    const { status } = response
    const ids = final.includes(status) ? [...wanted.keys()] : []
    const { refused = ids.map((id) => ({ id, status })) } = await response.json().catch(() => ({}))
    tell([over(refused)])
  }

  /** One change at a time: what comes meanwhile is joined in the next one. */
  const change = async () => {
    if (!opened || isChanging) return
    const mine = current
    const sent = post()
    if (!sent) return
    isChanging = true
    try {
      const { refused } = await (await sent).json()
      tell([over(refused)])
    } catch {
      mine.abort()
    }
    isChanging = false
    change()
  }

  return ({ page, follow = [], drop = [], headers: given, wake, bye }) => {
    headers = given ?? headers
    for (const one of follow) wanted.set(one.id, one)
    fresh.push(...follow)
    for (const id of bye ? wanted.keys() : drop) {
      if (id.startsWith(page) && wanted.delete(id)) dropped.push(id)
    }
    if (!wanted.size) current.abort()
    if (wake) wakeUp?.()
    if (isRunning) change()
    else run()
  }
}
