/**
 * A live log: lines as they come, joined and numbered, of which pages show the newest.
 *
 * Say a build that prints 10,000 lines a second. The first is sent at once, what comes within the next 16 ms goes
 * together in one event, and of more than a page may hold only the newest go at all. A reader who comes or returns is
 * given the newest lines in one event.
 */
import { ansi, type Shown } from './ansi'
import { Handles } from './handles'
import { type Html, tag } from './html'
import type { Hub } from './hub'
import { type Level, levelOf } from './level'
import type { LogEvent } from './log'
import { then } from './log/awaitable'
import { everything } from './log/contract'
import { perHub } from './per-hub'
import { linesPiece, shown } from './text-wire'
import { TextWriter } from './text-writer'
import { asTopic, type Topic } from './topic'
import { Window } from './windows'
import type { EventId } from './wire'

/** A line. */
export interface Line {
  /** Escape sequences of a terminal's colours become classes, all others are removed. */
  text: string
  /** @default what stands at its beginning, and for a line that begins with blanks that of the line before it */
  level?: Level | undefined
  /** Its number, if it is not that of the line before it and one more. */
  n?: number | undefined
}

/** How a log is kept and sent. */
export interface LogLinesOptions {
  /** How many lines are kept, and stand in a page at most. @default 1000 */
  max?: number | undefined
  /** Milliseconds for which lines are joined into one event. The first goes at once. @default 16 */
  window?: number | undefined
  /** The number of the first line. @default 1, or the one that follows the newest line that is kept of a run before */
  first?: number | undefined
  /** What the ids of its lines begin with: letters, digits and `_ . : -`. @default made of the topic */
  id?: string | undefined
}

/** Characters of HTML in one event. */
const longest = 64 * 1_024

/** A log to which lines are added. */
export class LogLines {
  readonly hub: Hub
  readonly topic: Topic
  /** How many lines are kept. */
  readonly max: number
  /** What the ids of its lines begin with. */
  readonly id: string
  #writer: TextWriter
  #window: Window
  #next: number
  #look: Look
  /** Lines that came before it was known which number is theirs, and when that is. */
  #early: (string | Line)[][] | undefined
  #begun: Promise<void> | undefined
  /** Rows that are not sent, oldest first. */
  #rows: Html[] = []
  /** Resolves when what was sent is kept, or with what was last not. */
  #written: Promise<Fault | undefined> = Promise.resolve(undefined)
  /** What was thrown already. */
  #thrown: Fault | undefined

  constructor(hub: Hub, topic: Topic, options: LogLinesOptions = {}) {
    const { max = 1_000, window = 16, first, id = idOf(topic) } = options
    if (!Number.isInteger(max) || max < 1) {
      throw new TypeError(`Expected a number of lines from 1 on as max, got ${max}`)
    }
    if (first !== undefined && !Number.isSafeInteger(first)) {
      throw new TypeError(`Expected a whole number as first, got ${first}`)
    }
    if (!/^[\w.:-]+$/.test(id)) {
      throw new TypeError(`Expected letters, digits and _ . : - as id, got ${JSON.stringify(id)}`)
    }
    this.hub = hub
    this.topic = topic
    this.max = max
    this.id = id
    this.#writer = new TextWriter(hub, topic)
    this.#window = new Window(hub.windows, window, () => this.#send())
    this.#next = first ?? 1
    this.#look = new Look(id)
    if (first === undefined) this.#goOn()
  }

  /** The number that the next line gets. Of a log that answers later it is known when {@link flush} resolves. */
  get next(): number {
    return this.#next
  }

  /** Adds lines: a text of one or more, one with its level, or many. Of more than are kept the first are not shown at all. */
  push(lines: string | Line | readonly (string | Line)[]): void {
    const all = typeof lines === 'string' || 'text' in lines ? [lines] : lines
    pushedOf(this.hub).add(this)
    if (this.#early) this.#early.push([...all])
    else this.#addAll(all)
  }

  #addAll(all: readonly (string | Line)[]): void {
    for (const [n, line] of all.entries()) this.#add(line, n < all.length - this.max)
    if (this.#rows.length > 0) this.#window.open()
  }

  /**
   * Sends what waits. Resolves when all that was pushed is kept.
   *
   * @throws what the log throws that did not keep it, once
   */
  async flush(): Promise<void> {
    const thrown = this.#thrown
    if (this.#begun) await this.#begun
    this.#window.flush()
    const fault = await this.#written
    // Another one who waited for the same may have heard of it meanwhile.
    if (!fault || fault === thrown) return
    this.#thrown = fault
    throw fault.error
  }

  /** As {@link flush}, and says that nothing more will come: pages that show only this are told `done`. */
  async end(): Promise<void> {
    await this.flush()
    pushedOf(this.hub).delete(this)
    await this.hub.end(this.topic)
  }

  /** The rows that are kept, and from where on to follow. */
  async read(): Promise<{ html: Html; cursor: EventId }> {
    if (this.#begun) await this.#begun
    this.#window.flush()
    // What was not kept was reported, and is no fault of this page.
    await this.#written
    const { whole, cursor } = await this.#writer.read()
    return { html: shown(whole), cursor }
  }

  /**
   * Lines that pages do not have any more, as rows: what is answered to who scrolls up. Their numbers must be given.
   *
   * @param before some that stand before them: their colours hold on, and an indented line has the level of what it belongs to
   */
  rows(lines: readonly (Line & { n: number })[], before: readonly Line[] = []): Html {
    const look = new Look(this.id)
    for (const line of before) look.at(line)
    return lines.map((line) => look.row(line, line.n)).join('')
  }

  /** Takes the number of the newest line that is kept. What comes until it is known waits. */
  #goOn(): void {
    const go = (kept: LogEvent[]) => {
      this.#next = newestOf(kept) + 1
      const early = this.#early ?? []
      this.#early = undefined
      for (const all of early) this.#addAll(all)
    }
    const { log, isClosed } = this.hub
    const last = isClosed ? [] : log.last(this.topic, 1)
    // Mostly it is the newest event.
    const kept = then(last, (newest) => {
      return newest.every(({ form }) => form === 'text') ? newest : log.last(this.topic, everything)
    })
    if (!(kept instanceof Promise)) return go(kept)
    this.#early = []
    this.#begun = kept.then(go, (error) => {
      this.hub.report(error, this.topic)
      go([])
    })
  }

  /** @param isLeft whether it only counts */
  #add(line: string | Line, isLeft: boolean): void {
    const { text, level, n } = typeof line === 'string' ? { text: line } : line
    const last = text.endsWith('\n') ? text.length - 1 : text.length
    if (n !== undefined) this.#next = n
    const own = text.slice(0, last).split('\n')
    const left = isLeft ? own.length : Math.max(0, own.length - this.max)
    for (const [i, one] of own.entries()) {
      const n = this.#next++
      if (i < left) this.#look.at({ text: one, level })
      else this.#rows.push(this.#look.row({ text: one, level }, n))
    }
    if (this.#rows.length > 2 * this.max) this.#rows.splice(0, this.#rows.length - this.max)
  }

  #send(): void {
    const rows = this.#rows.splice(0).slice(-this.max)
    if (rows.length === 0) return
    const write = (html: Html) => this.#writer.write(linesPiece(this.topic, html, this.max))
    const before = this.#written
    // The writer reports it, and who waits hears of it.
    this.#written = Promise.all(
      chunks(rows, Math.min(longest, this.hub.limits.event)).map(write),
    ).then(
      () => before,
      (error) => ({ error }),
    )
  }
}

/** What was not kept. */
interface Fault {
  error: unknown
}

/** Before the number of a row. */
const mark = ' data-n="'

/** The number of the newest line of the rows that are kept; 0 if there is none. */
function newestOf(kept: readonly LogEvent[]): number {
  const { data = '' } = kept.findLast(({ form }) => form === 'text') ?? {}
  // What a line says has no quotes of its own.
  const at = data.lastIndexOf(mark)
  return at < 0 ? 0 : Number.parseInt(data.slice(at + mark.length), 10)
}

const logsOf = perHub(() => new Handles<LogLines>())
/** Those that have lines, and more may come: they stay though nobody holds them. */
const pushedOf = perHub(() => new Set<LogLines>())

/**
 * A live log, shown by `<LiveLog>`. It belongs to one process; there it is the same object from its first line to its
 * end, and for as long as somebody holds it. The options of the first time count.
 *
 * @throws TypeError for a topic or a number of lines that is none.
 * @example const log = logLines(hub, 'build:7'); log.push('\x1b[32mok\x1b[0m')
 */
export function logLines(hub: Hub, topic: string, options: LogLinesOptions = {}): LogLines {
  const name = asTopic(topic)
  const known = logsOf(hub).get(name)
  if (known) return known
  const made = new LogLines(hub, name, options)
  logsOf(hub).add(name, made)
  return made
}

/** Looks at the lines of one log, one after the other: colours hold on, and what is indented has the level before it. */
class Look {
  #id: string
  #show = ansi()
  #level: Level | undefined

  constructor(id: string) {
    this.#id = id
  }

  /** A line that is not sent is looked at too, for those behind it. */
  at({ text, level }: Line): Shown & { level: Level | undefined } {
    const shown = this.#show(text)
    this.#level = level ?? (/^\s/.test(shown.text) ? this.#level : levelOf(shown.text))
    return { ...shown, level: this.#level }
  }

  row(line: Line, n: number): Html {
    const { html, cut, level } = this.at(line)
    const id = `${this.#id}-${n}`
    const more = cut > 0 ? `<span class="hw-cut">… ${cut} more characters</span>` : ''
    // Not a stop of the tab key: a page has a thousand of them.
    const link = tag('a', { class: 'hw-n', href: `#${id}`, tabindex: -1 }, `${n}`)
    const content = `${link}<span class="hw-line">${html}${more}</span>`
    return tag('li', { id, 'data-n': n, 'data-level': level }, content)
  }
}

/** In pieces of so many characters at the most, none without a row. */
function chunks(rows: readonly Html[], most: number): Html[] {
  const joined: Html[] = []
  let last = ''
  for (const row of rows) {
    if (last !== '' && last.length + row.length > most) {
      joined.push(last)
      last = ''
    }
    last += row
  }
  return last === '' ? joined : [...joined, last]
}

/** Letters and digits of the topic, so that links can be read; what else is in it as its number, so that no other has the same. */
function idOf(topic: Topic): string {
  const name = topic.replace(/[^a-zA-Z0-9]/gu, (char) =>
    char === ':' ? '-' : `_${char.codePointAt(0)?.toString(16)}_`,
  )
  return `log-${name}`
}
