/**
 * Streamed text: the answer of a model, the output of a command, token by token.
 *
 * Text of one flush window is joined, by concatenation, in one queue; everything else first sends what waits in it. So
 * nothing is lost, and nothing overtakes. Live readers get the pieces; who comes later, or comes back, gets one event
 * that sets the text so far, and goes on at the same character.
 */
import type { Blocks, Format } from './format'
import { Handles } from './handles'
import type { Html } from './html'
import type { Hub } from './hub'
import { perHub } from './per-hub'
import { Pipe, type Piped } from './text-pipe'
import { type Queued, TextQueue } from './text-queue'
import type { TextSource } from './text-source'
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
import { TextWriter, type WriteOptions } from './text-writer'
import { asTopic, type Topic } from './topic'
import { Window } from './windows'
import type { EventId } from './wire'

/** What a text may differ in. */
export interface TextOptions {
  /** Where text goes that does not say it. @default 'append' */
  mode?: TextMode | undefined
  /** Makes HTML of the text, such as `markdown`; it then only grows, or is replaced. @default none: plain text */
  format?: Format | undefined
  /** For how long text is joined, in milliseconds; the first after a pause is sent at once. @default 16 */
  window?: number | undefined
  /**
   * What viewers are told of an error.
   * @default the message of what {@link TextStream.error} is given; of a source that failed nothing but that it did, for
   * its message may hold what is nobody's concern: `onError` is told
   */
  describe?: ((error: unknown) => string) | undefined
}

/** How a source is piped. */
export interface PipeOptions {
  /** Stops it. */
  signal?: AbortSignal | undefined
  /** Whether it takes the place of what is there, as when it is tried again. @default false */
  replace?: boolean | undefined
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

const textsOf = perHub((hub) => {
  const texts = new Handles<TextStream>()
  hub.onMissed((topic) => texts.get(topic)?.missed())
  return texts
})
/** Those that are active: they stay though nobody holds them. */
const activeOf = perHub(() => new Set<TextStream>())

/**
 * The text of a topic: the same object in this process for as long as somebody holds it or it is active. Say the same
 * options wherever it is asked for; those of the first time count.
 *
 * @throws TypeError for a topic that is none, or one that is not of kind `log`; and where it is known already with another mode.
 * @example const answer = textStream(hub, 'chat:1:answer'); await answer.pipe(tokens)
 */
export function textStream(hub: Hub, topic: string, options: TextOptions = {}): TextStream {
  const name = asTopic(topic)
  const known = textsOf(hub).get(name)
  if (known) return known.use(options.mode)
  const made = new TextStream(hub, name, options)
  textsOf(hub).add(name, made)
  return made
}

/** Blocks of a format that are being made, and the name of their open one. */
interface Run {
  name: string
  blocks: Blocks
}

/**
 * A text that runs. Made by {@link textStream}.
 *
 * What it is told wrongly is a TypeError, thrown at once. What is not kept is reported to the hub's `onError`, and rejects
 * the promise, which need not be waited for.
 */
export class TextStream {
  readonly hub: Hub
  readonly topic: Topic
  readonly format: Format | undefined
  #mode: TextMode | undefined
  #window: Window
  #describe: ((error: unknown) => string) | undefined
  #writer: TextWriter
  /** Not known of a text that another process, or one before, has written. */
  #state: TextState | undefined
  #queue = new TextQueue()
  #run: Run | undefined
  /** What is piped to it here, or was last. */
  #pipe: Pipe | undefined
  /** What was not kept since it was begun. */
  #fault: { error: unknown } | undefined

  /** @internal Use {@link textStream}. */
  constructor(hub: Hub, topic: Topic, options: TextOptions) {
    const { mode, format, window = 16, describe } = options
    this.hub = hub
    this.topic = topic
    this.format = format
    this.#window = new Window(hub.windows, window, () => this.#sendAll())
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
    return kept(this.#start())
  }

  /**
   * Adds user text, which is sent with what else comes in its window.
   *
   * @throws TypeError for a mode that is none, or `prepend` where there is a format; RangeError when the text becomes
   * longer than an event may be (`limits.event`). What was added before stays.
   */
  text(text: string, { mode = this.mode }: { mode?: TextMode | undefined } = {}): void {
    checkMode(mode)
    if (this.format && mode === 'prepend') {
      throw new TypeError(
        `Expected mode append or replace for "${this.topic}", which has a format, got prepend`,
      )
    }
    const isAll = mode === 'replace'
    this.#queue.add(String(text), mode, (size) => this.#writer.mayTake(size, isAll))
    if (isAll) this.#run = undefined
    if (!this.#queue.isEmpty) this.#window.open()
  }

  /**
   * Adds trusted HTML at one end. Close its tags: who comes later is given all of the text as one.
   *
   * @throws RangeError as {@link text} does.
   */
  insert(
    html: Html,
    { at = 'append' }: { at?: 'append' | 'prepend' | undefined } = {},
  ): Promise<void> {
    if (at !== 'append' && at !== 'prepend') {
      throw new TypeError(`Expected to insert at append or prepend, got ${JSON.stringify(at)}`)
    }
    const piece = insertPiece(this.topic, trusted(html), at)
    this.#settle()
    return this.#ifFits(html, false, () => this.#write(piece, { size: html.length }))
  }

  /**
   * Puts trusted HTML in the place of everything. An error goes.
   *
   * @throws RangeError for HTML that is longer than an event may be; then all stays.
   */
  replace(html: Html): Promise<void> {
    const piece = replacePiece(this.topic, trusted(html))
    this.#settle()
    return this.#ifFits(html, true, () => {
      if (this.#state === 'failed' || this.#state === undefined) {
        this.#state = 'idle'
        this.#tell(statePiece(this.topic, 'idle'))
      }
      return this.#write(piece, { size: html.length, isAll: true })
    })
  }

  /**
   * Removes what a selector names within its text.
   *
   * @param selector tags, classes, ids and attributes of one element, or several such by commas
   * @throws TypeError for another selector: it must mean the same on the server as in a browser.
   */
  delete(selector: string): Promise<void> {
    if (!simple.test(selector)) {
      throw new TypeError(
        `Expected a selector of tags, classes, ids and attributes, without spaces, got ${JSON.stringify(selector)}`,
      )
    }
    this.#settle()
    return kept(this.#write(deletePiece(this.topic, selector), { isDelete: true }))
  }

  /** Says that it failed, beside what it shows, until it is begun again. */
  error(error: unknown): Promise<void> {
    return this.#stand('failed', this.#wordsOf(error, messageOf))
  }

  /** Says that it is complete. Resolves when all of it is kept. */
  done(): Promise<void> {
    return this.#stand('done')
  }

  /** Says that nothing more will come: connections that follow nothing else are told `done`, and close. */
  end(): Promise<void> {
    return quiet(this.#end())
  }

  /**
   * Begins, and adds what a source gives until it has no more, fails, or is stopped; then it says so. A source that
   * fails, or gives too much, is not thrown: viewers are told, and so is the caller. What was piped to it before in this
   * process is stopped.
   *
   * @throws what the log throws that does not keep that it failed
   * @example await answer.pipe((signal) => model.stream(question, { signal }))
   */
  pipe(source: TextSource, { signal, replace = false }: PipeOptions = {}): Promise<Piped> {
    this.#pipe?.stop()
    const pipe = new Pipe({
      hub: this.hub,
      topic: this.topic,
      begin: () => {
        if (replace) this.text('', { mode: 'replace' })
        return this.#start()
      },
      add: (text) => this.text(text),
      stop: () => this.#stand('stopped'),
      fail: (error, isNews) => {
        if (isNews && !this.#describe) this.hub.report(error, this.topic)
        // Another has taken its place.
        if (this.#pipe !== pipe) return Promise.resolve()
        this.#fault = undefined
        return this.#stand(
          'failed',
          this.#wordsOf(error, () => 'It broke off.'),
        )
      },
      done: () => this.done(),
    })
    this.#pipe = pipe
    return quiet(pipe.run(source, signal))
  }

  /** Stops what is piped to it, at whichever process that runs. */
  stop(): Promise<void> {
    return quiet(this.hub.stop(this.topic))
  }

  /** A signed URL: whoever posts to it stops what is piped. */
  stopAddress(): string {
    return this.hub.stopAddress(this.topic)
  }

  /** It as it stands, with all that was added. */
  async read(): Promise<TextContent> {
    this.flush()
    const { whole, cursor } = await this.#writer.read()
    const { state, status } = whole
    const error = state === 'failed' ? unescapeText(status.replace(/<[^>]*>/g, '')) : undefined
    return { html: shown(whole), state, status, error, cursor }
  }

  /** @internal What was kept of it is there no more: what comes next begins anew. */
  missed(): void {
    this.#run = undefined
    this.#state = undefined
    this.#writer.missed()
  }

  /** Sends what waits. */
  flush(): void {
    this.#window.flush()
  }

  #sendAll(): void {
    if (this.#queue.isEmpty) return
    if (this.#state !== 'active') this.#tell(this.#activate())
    for (const part of this.#queue.take(this.hub.limits.event)) this.#send(part)
  }

  #send({ text, html, mode }: Queued): void {
    const isAll = mode === 'replace'
    const size = html.length
    if (!this.format) return this.#tell(textPiece(this.topic, html, mode), { size, isAll })
    if (isAll) this.#tell(textPiece(this.topic, '', mode), { isAll })
    if (text === '') return
    const { format } = this
    this.#format(() => {
      const isFirst = this.#run === undefined
      this.#run ??= { name: runName(), blocks: format() }
      const { name, blocks } = this.#run
      this.#tell(changePiece(this.topic, blocks.push(text), name, isFirst), { size })
    })
  }

  #ifFits(html: Html, isAll: boolean, write: () => Promise<number>): Promise<void> {
    try {
      this.#writer.mayTake(html.length, isAll)
    } catch (error) {
      this.hub.report(error, this.topic)
      return quiet(Promise.reject(error))
    }
    return kept(write())
  }

  /** A format that fails is thrown by what says how the text stands next, and costs other texts nothing. */
  #format(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.hub.report(error, this.topic)
      this.#fault ??= { error }
    }
  }

  /** Sends all text, and what its format still held back. */
  #settle(): void {
    this.#queue.settle()
    this.flush()
    if (!this.#run) return
    const { name, blocks } = this.#run
    this.#run = undefined
    this.#format(() => this.#tell(closePiece(this.topic, blocks.end(), name)))
  }

  #start(): Promise<number> {
    this.flush()
    this.#fault = undefined
    return this.#write(this.#activate())
  }

  #activate(): Html {
    this.#state = 'active'
    activeOf(this.hub).add(this)
    return statePiece(this.topic, 'active')
  }

  #stand(state: TextState, error?: string): Promise<void> {
    this.#settle()
    this.#state = state
    activeOf(this.hub).delete(this)
    const written = this.#write(statePiece(this.topic, state, error), { isLast: true })
    return quiet(
      written.then(() => {
        const fault = this.#fault
        this.#fault = undefined
        if (fault) throw fault.error
      }),
    )
  }

  async #end(): Promise<void> {
    this.flush()
    const state = this.#state ?? (await this.read()).state
    if (state === 'active') await this.done()
    await this.hub.end(this.topic)
  }

  /** What viewers are told of an error; saying it must not fail, too. */
  #wordsOf(error: unknown, usual: (error: unknown) => string): string {
    const describe = this.#describe ?? usual
    try {
      return String(describe(error)).slice(0, longestError)
    } catch (fault) {
      this.hub.report(fault, this.topic)
      return 'Failed'
    }
  }

  /** What fails is thrown by what says how the text stands next. */
  #tell(piece: Html, options?: WriteOptions): void {
    if (piece === '') return
    this.#write(piece, options).catch((error) => {
      this.#fault ??= { error }
    })
  }

  /** Resolves with its number in the log. */
  #write(piece: Html, options?: WriteOptions): Promise<number> {
    const written = this.#writer.write(piece, options)
    written.catch(() => {
      // Whatever it was, viewers may not have been told.
      this.#state = undefined
    })
    return written
  }
}

/** A compound selector, or several, that HTMLRewriter and browsers read alike. */
const compound = String.raw`(?:\*|[a-zA-Z][\w-]*)?(?:[.#][a-zA-Z_-][\w-]*|\[[a-zA-Z][\w-]*(?:=(?:"[^"&<>\\]*"|'[^'&<>\\]*'|[a-zA-Z][\w-]*))?\])*`
const simple = new RegExp(`^(?!\\s*(?:,|$))${compound}(?:\\s*,\\s*(?=[^\\s,])${compound})*$`)

/** Of a message, in characters. */
const longestError = 1_000

/** Names an open block, so that one that was left by a writer who died is not taken for it. */
function runName(): string {
  return `r${Math.random().toString(36).slice(2, 10)}`
}

/** A promise that need not be waited for: what fails was reported. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

/** Says only that it was kept. */
function kept(written: Promise<unknown>): Promise<void> {
  return quiet(written.then(() => {}))
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
