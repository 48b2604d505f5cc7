/**
 * Streamed text: the answer of a model, the output of a command, token by token.
 *
 * Text of one flush window is joined, by concatenation, in one queue; everything else first sends what waits in it. So
 * nothing is lost, and nothing overtakes. Live readers get the pieces; who comes later, or comes back, gets one event
 * that sets the text so far, and goes on at the same character.
 */
import type { Blocks, Format } from './format'
import type { Html } from './html'
import type { Hub } from './hub'
import { readUntil, type TextSource } from './text-source'
import {
  changePiece,
  closePiece,
  deletePiece,
  insertPiece,
  replacePiece,
  shown,
  statePiece,
  type TextMode,
  type TextState,
  textPiece,
  unescapeText,
} from './text-wire'
import { TextWriter } from './text-writer'
import { asTopic, type Topic } from './topic'
import { flushAt, forgetFlush } from './windows'
import type { EventId } from './wire'

/** What a text may differ in. */
export interface TextOptions {
  /** Where text goes that does not say it. @default 'append' */
  mode?: TextMode | undefined
  /** Makes HTML of the text, such as `markdown`; it then only grows, or is replaced. @default none: plain text */
  format?: Format | undefined
  /** For how long text is joined, in milliseconds; the first after a pause is sent at once. @default 16 */
  window?: number | undefined
  /** What viewers are told of an error. @default its message */
  describe?: ((error: unknown) => string) | undefined
}

/** How piping went. */
export interface Piped {
  /** All that came. */
  text: string
  outcome: 'done' | 'stopped' | 'failed'
  /** Of a source that failed. */
  error?: unknown
}

/** A text as it stands. */
export interface TextContent {
  html: Html
  state: TextState
  /** What stands beside it: the mark of an active text, the message of a failed one. */
  status: Html
  /** The message of a failed one. */
  error: string | undefined
  /** From where to follow: nothing is missed then, and nothing comes twice. */
  cursor: EventId
}

const modes: readonly unknown[] = ['append', 'replace', 'prepend']

/** What has handles, for as long as somebody holds them. */
const known = new WeakMap<Hub, Map<Topic, WeakRef<TextStream>>>()

/**
 * The text of a topic: the same one, wherever it is asked for, in this process.
 *
 * @throws TypeError for a topic that is none, or one that is not of kind `log`; and where it is known already with another mode.
 * @example const answer = textStream(hub, 'chat:1:answer'); await answer.pipe(tokens)
 */
export function textStream(hub: Hub, topic: string, options: TextOptions = {}): TextStream {
  const own = known.get(hub) ?? new Map<Topic, WeakRef<TextStream>>()
  known.set(hub, own)
  const name = asTopic(topic)
  const found = own.get(name)?.deref()
  if (found) return found.use(options.mode)
  const made = new TextStream(hub, name, options)
  own.set(name, new WeakRef(made))
  forgotten.register(made, () => {
    if (!own.get(name)?.deref()) own.delete(name)
  })
  return made
}

const forgotten = new FinalizationRegistry((forget: () => void) => forget())

/** Text that waits for the end of its window. */
interface Waiting {
  mode: TextMode
  text: string
}

/** A text that runs. Made by {@link textStream}. */
export class TextStream {
  readonly hub: Hub
  readonly topic: Topic
  readonly format: Format | undefined
  #mode: TextMode | undefined
  #window: number
  #describe: (error: unknown) => string
  #writer: TextWriter
  /** Not known of a text that another process, or one before, has written. */
  #state: TextState | undefined
  #waiting: Waiting[] = []
  #flushedAt = Number.NEGATIVE_INFINITY
  /** When what waits is to be sent. */
  #due = Number.POSITIVE_INFINITY
  /** Whether it is known that no block is open but its own. */
  #isKnown = false
  /** What makes HTML of the running text; nothing until there is some. */
  #blocks: Blocks | undefined
  /** What of it was not kept. */
  #fault: { error: unknown } | undefined
  /** The first half of a character that was cut in two. */
  #half = ''

  /** @internal Use {@link textStream}. */
  constructor(hub: Hub, topic: Topic, options: TextOptions) {
    const { mode, format, window = 16, describe = messageOf } = options
    if (hub.kindOf(topic) !== 'log') {
      throw new TypeError(
        `Expected "${topic}" to be of kind log, as texts are, got ${hub.kindOf(topic)}`,
      )
    }
    if (!(window >= 0))
      throw new TypeError(`Expected milliseconds from 0 on as window, got ${window}`)
    this.hub = hub
    this.topic = topic
    this.format = format
    this.#window = window
    this.#describe = describe
    this.#writer = new TextWriter(hub, topic)
    this.use(mode)
  }

  /** Where text goes that does not say it. */
  get mode(): TextMode {
    return this.#mode ?? 'append'
  }

  /**
   * Has text that does not say it go there.
   *
   * @throws TypeError for a mode that is none, or another than was said before.
   */
  use(mode: TextMode | undefined): this {
    if (mode === undefined) return this
    checkMode(mode)
    if (this.#mode !== undefined && this.#mode !== mode) {
      throw new TypeError(
        `Expected mode ${this.#mode}, as said of "${this.topic}" before, got ${mode}`,
      )
    }
    this.#mode = mode
    return this
  }

  /** Begins: it is marked as active, and an error goes. What it shows stays. */
  start(): Promise<void> {
    this.flush()
    return this.#write(this.#activate())
  }

  /**
   * Adds user text, which is sent with what else comes in its window.
   *
   * @throws TypeError for a mode that is none; RangeError when it becomes longer than an event may be.
   */
  text(text: string, { mode = this.mode }: { mode?: TextMode | undefined } = {}): void {
    checkMode(mode)
    if (this.format && mode === 'prepend') {
      throw new TypeError(
        `Expected mode append or replace for "${this.topic}", which has a format, got prepend`,
      )
    }
    if (mode === 'replace') this.#drop()
    const more = mode === 'prepend' ? String(text) : this.#whole(String(text))
    if (more === '' && mode !== 'replace') return
    this.#writer.mayTake(lengthOf(this.#waiting) + more.length)
    const last = this.#waiting.at(-1)
    if (last?.mode === mode || (mode === 'append' && last?.mode === 'replace')) {
      last.text = mode === 'prepend' ? more + last.text : last.text + more
    } else this.#waiting.push({ mode, text: more })
    this.#plan()
  }

  /** Adds trusted HTML at one end. */
  insert(
    html: Html,
    { at = 'append' }: { at?: 'append' | 'prepend' | undefined } = {},
  ): Promise<void> {
    if (at !== 'append' && at !== 'prepend') {
      throw new TypeError(`Expected to insert at append or prepend, got ${JSON.stringify(at)}`)
    }
    this.#settle()
    return this.#write(insertPiece(this.topic, trusted(html), at))
  }

  /** Puts trusted HTML in the place of everything. */
  replace(html: Html): Promise<void> {
    this.#drop()
    if (this.#state === 'failed') {
      this.#state = 'idle'
      this.#tell(statePiece(this.topic, 'idle'))
    }
    return this.#write(replacePiece(this.topic, trusted(html)), { isAll: true })
  }

  /**
   * Removes what a selector names within its text.
   *
   * @throws TypeError for a selector that can not be found in HTML without a browser.
   */
  delete(selector: string): Promise<void> {
    try {
      new HTMLRewriter().on(selector, {})
    } catch (cause) {
      throw new TypeError(
        `Expected a simple CSS selector (tags, classes, ids, attributes), got ${JSON.stringify(selector)}`,
        { cause },
      )
    }
    this.#settle()
    return this.#write(deletePiece(this.topic, selector))
  }

  /** Says that it failed, beside what it shows, until it is begun again. */
  error(error: unknown): Promise<void> {
    return this.#stand('failed', this.#describe(error))
  }

  /** Says that it is complete. Resolves when all of it is kept. */
  done(): Promise<void> {
    return this.#stand('done')
  }

  /** Says that nothing more will come: connections that follow nothing else are told `done`, and close. */
  async end(): Promise<void> {
    if (this.#state === 'active' || this.#waiting.length > 0) await this.done()
    await this.hub.end(this.topic)
  }

  /**
   * Begins, and adds what a source gives until it has no more, fails, or is stopped; then it says so. A source that
   * fails is not thrown: viewers are told, and so is the caller.
   *
   * @param options.signal stops it too
   * @throws what {@link text} throws, and when the log does not keep it
   * @example await answer.pipe((signal) => model.stream(question, { signal }))
   */
  async pipe(
    source: TextSource,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<Piped> {
    const own = new AbortController()
    const stop = () => own.abort()
    const release = this.hub.onStop(this.topic, stop)
    signal?.addEventListener('abort', stop)
    if (signal?.aborted) stop()
    let text = ''
    try {
      await this.start()
      for await (const chunk of readUntil(own.signal, source)) {
        text += chunk
        this.text(chunk)
        // A source that is never waited for lets nobody else have a turn.
        if (performance.now() < this.#due + pace) continue
        this.flush()
        await Bun.sleep(0)
      }
      const outcome = own.signal.aborted ? 'stopped' : 'done'
      await this.#stand(outcome)
      return { text, outcome }
    } catch (error) {
      if (this.hub.isClosed) return { text, outcome: 'stopped' }
      if (own.signal.aborted) {
        await this.#stand('stopped')
        return { text, outcome: 'stopped' }
      }
      await this.error(error)
      return { text, outcome: 'failed', error }
    } finally {
      release()
      signal?.removeEventListener('abort', stop)
    }
  }

  /** Stops what is piped to it, at whichever process that runs. */
  stop(): Promise<void> {
    return this.hub.stop(this.topic)
  }

  /** A signed URL: whoever posts to it stops what is piped. */
  stopAddress(): string {
    return this.hub.stopAddress(this.topic)
  }

  /** It as it stands. */
  async read(): Promise<TextContent> {
    const { whole, cursor } = await this.#writer.read()
    const { state, status } = whole
    const error = state === 'failed' ? unescapeText(status.replace(/<[^>]*>/g, '')) : undefined
    return { html: shown(whole), state, status, error, cursor }
  }

  /** Sends what waits. */
  flush(): void {
    forgetFlush(this)
    this.#due = Number.POSITIVE_INFINITY
    if (this.#waiting.length === 0) return
    this.#flushedAt = performance.now()
    if (this.#state !== 'active') this.#tell(this.#activate())
    for (const { mode, text } of this.#waiting.splice(0)) {
      const all = parts(text, this.hub.limits.event)
      // Each goes before the one that was sent before it.
      if (mode === 'prepend') all.reverse()
      for (const [n, part] of all.entries()) {
        this.#send(part, n > 0 && mode === 'replace' ? 'append' : mode)
      }
    }
  }

  #send(text: string, mode: TextMode): void {
    const isAll = mode === 'replace'
    if (!this.format) return this.#tell(textPiece(this.topic, text, mode), { isAll })
    if (isAll) this.#clear()
    if (text === '') return
    const isFirst = this.#blocks === undefined
    if (!this.#isKnown) this.#closeLeft()
    this.#blocks ??= this.format()
    try {
      this.#tell(changePiece(this.topic, this.#blocks.push(text), isFirst))
    } catch (error) {
      this.hub.report(error, this.topic)
      this.#fault ??= { error }
    }
  }

  /** Without the first half of a character, which waits for the other. */
  #whole(text: string): string {
    const whole = this.#half + text
    this.#half = endsInHalf(whole) ? whole.slice(-1) : ''
    return this.#half ? whole.slice(0, -1) : whole
  }

  /** The block that was open when the process before this one died. */
  #closeLeft(): void {
    this.#isKnown = true
    const open = this.#writer.open()
    if (open !== undefined) this.#tell(closePiece(this.topic, open))
  }

  #clear(): void {
    this.#isKnown = true
    this.#blocks = undefined
    this.#tell(textPiece(this.topic, '', 'replace'), { isAll: true })
  }

  /** The first after a pause in the next turn, others at the end of their window. */
  #plan(): void {
    if (Number.isFinite(this.#due)) return
    this.#due = Math.max(performance.now(), this.#flushedAt + this.#window)
    flushAt(this, this.#due)
  }

  /** Sends all text, and what its format still held back. */
  #settle(): void {
    if (this.#half) {
      const text = this.#half
      this.#half = ''
      this.#waiting.push({ mode: 'append', text })
    }
    this.flush()
    if (!this.#blocks) return
    this.#tell(closePiece(this.topic, this.#blocks.end()))
    this.#blocks = undefined
  }

  /** Forgets what would be replaced. */
  #drop(): void {
    this.#waiting = []
    this.#half = ''
    this.#blocks = undefined
    this.#isKnown = true
  }

  #activate(): Html {
    this.#state = 'active'
    return statePiece(this.topic, 'active')
  }

  #stand(state: TextState, error?: string): Promise<void> {
    this.#settle()
    this.#state = state
    return this.#write(statePiece(this.topic, state, error), { isLast: true }).then(() => {
      const fault = this.#fault
      this.#fault = undefined
      if (fault) throw fault.error
    })
  }

  /** What fails is reported, and thrown by what says how the text stands next. */
  #tell(piece: Html, options?: { isAll: boolean }): void {
    if (piece === '') return
    this.#write(piece, options).catch((error) => {
      this.#fault ??= { error }
    })
  }

  #write(piece: Html, options?: { isAll?: boolean; isLast?: boolean }): Promise<void> {
    return this.#writer.write(piece, options)
  }
}

/** By how much what is due may be late, in milliseconds. */
const pace = 16

function lengthOf(waiting: readonly Waiting[]): number {
  return waiting.reduce((sum, { text }) => sum + text.length, 0)
}

/** Characters of a piece at the most. */
const longest = 64 * 1024
/** Bytes that a character may take when it is escaped. */
const widest = 6

/**
 * A long text in parts, none of which ends in half a character.
 *
 * @param limit bytes that a part may have at the most
 */
function parts(text: string, limit: number): string[] {
  const most = Math.max(2, Math.min(longest, Math.floor(limit / widest) - 500))
  if (text.length <= most) return [text]
  const found: string[] = []
  for (let at = 0; at < text.length; ) {
    let to = Math.min(at + most, text.length)
    if (to < text.length && endsInHalf(text.slice(to - 1, to))) to--
    found.push(text.slice(at, to))
    at = to
  }
  return found
}

/** Whether the text ends with the first of two code units. */
function endsInHalf(text: string): boolean {
  const last = text.charCodeAt(text.length - 1)
  return last >= 0xd800 && last <= 0xdbff
}

function checkMode(mode: unknown): void {
  if (modes.includes(mode)) return
  throw new TypeError(`Expected mode append, replace or prepend, got ${JSON.stringify(mode)}`)
}

function trusted(html: unknown): Html {
  if (typeof html === 'string') return html
  const got = html instanceof Promise ? 'a promise: await it first' : typeof html
  throw new TypeError(`Expected HTML, got ${got}`)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
