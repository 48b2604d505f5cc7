/** @jsxImportSource @kitajs/html */
import { type Hub, idSelector, swap, type TextStream, textStream, topic } from 'headwater'
import { markdown, renderMarkdown } from 'headwater/markdown'
import { Gone, Item, Items, PageTitle } from './list'
import { Answer, AnswerFoot, idOf, Messages, Question } from './message'
import { AnswerError, type Provider, type Turn } from './provider'
import type { Conversation, Message, Outcome, Store } from './store'

/** A wish that is refused, with the status over HTTP and a sentence for the reader. */
export class ChatError extends Error {
  override name = 'ChatError'

  constructor(
    readonly status: 400 | 404 | 409 | 413,
    message: string,
  ) {
    super(message)
  }
}

/** What the conversations need. */
export interface ChatsOptions {
  hub: Hub
  store: Store
  provider: Provider
  /** Told of faults that are nobody's answer. @default prints them */
  onError?: ((error: unknown) => void) | undefined
}

/** Characters of a question. */
const longestQuestion = 20_000

/** Characters of an answer, so that a model that finds no end is given one. */
const longestAnswer = 200_000

/** Milliseconds until what has come of an answer is kept. */
const saving = 200

/** What is said of an answer whose process has ended. */
const interrupted =
  'The server was stopped in the middle of this answer. What came until then is kept.'

/** The topic of the list of conversations: patches. */
export const listTopic = 'chats'

/** The topic of a conversation's messages: patches. */
export function threadTopic(id: string) {
  return topic('thread', id)
}

/**
 * The conversations: what is asked goes into the store, to the provider, and onto all pages.
 *
 * One process per database file: at its start, answers that run are those of a process that has ended.
 */
export class Chats {
  readonly #options: ChatsOptions
  readonly #running = new Map<number, { over: Promise<void>; stop: AbortController }>()
  #isClosing = false

  constructor(options: ChatsOptions) {
    this.#options = options
    const { hub, store } = options
    // For who was away for too long to be told each change.
    hub.topic(listTopic, {
      snapshot: () => swap.innerHTML('#chats', <Items all={store.conversations()} />),
    })
    hub.topic('thread:*', {
      snapshot: async (of) => this.#whole(of.slice(of.indexOf(':') + 1)),
    })
  }

  get hub(): Hub {
    return this.#options.hub
  }

  get store(): Store {
    return this.#options.store
  }

  /** The name of what answers. */
  get model(): string {
    return this.#options.provider.name
  }

  /** Ends the answers that another process has left, with what had come. */
  async open(): Promise<void> {
    for (const row of this.store.running()) {
      const stream = this.streamOf(row)
      await stream.replace(renderMarkdown(row.text))
      await stream.error(new AnswerError(interrupted))
      await this.#finish(row, { state: 'failed', text: row.text, error: interrupted })
      // It may have died before it said what it had stored.
      await this.hub.publish(threadTopic(row.conversationId), () => this.#whole(row.conversationId))
    }
  }

  /** Stops all answers; resolves when what they have is kept. */
  async close(): Promise<void> {
    this.#isClosing = true
    const running = [...this.#running.values()]
    for (const { stop } of running) stop.abort()
    await Promise.all(running.map(({ over }) => over))
  }

  /**
   * The text of an answer, live.
   *
   * @example <TextStream stream={chats.streamOf(message)} />
   */
  streamOf({ conversationId, id }: Pick<Message, 'conversationId' | 'id'>): TextStream {
    return textStream(this.hub, topic('chat', conversationId, String(id)), {
      format: markdown,
      describe: (error) => this.#words(error),
    })
  }

  /**
   * Asks in a conversation, or in a new one.
   *
   * @throws ChatError 400 for nothing, 413 for too much, 404 for an unknown conversation, 409 while an answer runs.
   */
  async ask(given: string, id?: string): Promise<Conversation> {
    const text = checked(given)
    if (id !== undefined) this.#free(id)
    const { conversation, question, answer } = this.store.atOnce(() => {
      const conversation = id === undefined ? this.store.begin(text) : this.conversation(id)
      const question = this.store.question(conversation.id, text)
      return { conversation, question, answer: this.store.answer(conversation.id, this.model) }
    })
    await this.#begin(answer, async () =>
      swap.beforeend(
        '#thread',
        (await (<Question message={question} />)) + (await this.#shown(answer)),
      ),
    )
    if (id === undefined) {
      const item = await (<Item {...conversation} />)
      await this.hub.publish(listTopic, swap.afterbegin('#chats', item))
    }
    return conversation
  }

  /**
   * Has the last question answered once more, in the place of its answer.
   *
   * @throws ChatError 404, 409 while an answer runs, or when it is not the last.
   */
  async retry(id: string, messageId: number): Promise<void> {
    this.#free(id)
    const old = this.#message(id, messageId, 'assistant')
    if (this.store.newest(id)?.id !== old.id) {
      throw new ChatError(
        409,
        'Only the last answer can be tried again: edit its question instead.',
      )
    }
    const answer = this.store.atOnce(() => {
      this.store.removeFrom(id, old.id)
      return this.store.answer(id, this.model)
    })
    await this.#begin(answer, async () =>
      swap.delete(idSelector(idOf(old))).beforeend('#thread', await this.#shown(answer)),
    )
    await this.#forget([old])
  }

  /**
   * Changes a question and asks again; all that came after it is deleted.
   *
   * @throws ChatError as {@link ask} does.
   */
  async edit(id: string, messageId: number, given: string): Promise<void> {
    const text = checked(given)
    this.#free(id)
    const old = this.#message(id, messageId, 'user')
    const isFirst = this.store.messages(id)[0]?.id === old.id
    const { question, later, answer, renamed } = this.store.atOnce(() => {
      const later = this.store.removeFrom(id, old.id + 1)
      const question = this.store.edit(old.id, text) ?? old
      const renamed = isFirst ? this.store.rename(id, text) : undefined
      return { question, later, renamed, answer: this.store.answer(id, this.model) }
    })
    await this.#begin(answer, async () =>
      swap
        .outerHTML(idSelector(idOf(old)), await (<Question message={question} />))
        .many(...later.map((one) => swap.delete(idSelector(idOf(one)))))
        .beforeend('#thread', await this.#shown(answer)),
    )
    if (renamed) await this.#rename(renamed)
    await this.#forget(later)
  }

  /**
   * Deletes a conversation; an answer that runs is stopped.
   *
   * @throws ChatError 404
   */
  async remove(id: string): Promise<void> {
    const messages = this.store.messages(this.conversation(id).id)
    this.store.remove(id)
    const left = messages.map((one) => this.#running.get(one.id)).filter((one) => one !== undefined)
    for (const { stop } of left) stop.abort()
    await Promise.all(left.map(({ over }) => over))
    // Who looks on is given them as they are now.
    await this.hub.forget(listTopic)
    await this.hub.forget(threadTopic(id))
    await this.#forget(messages)
    await this.hub.end(threadTopic(id))
  }

  /** Has nothing kept of what answers said while they ran. */
  async #forget(messages: readonly Message[]): Promise<void> {
    await Promise.all(messages.map((one) => this.hub.forget(this.streamOf(one).topic)))
  }

  /** @throws ChatError 404 */
  conversation(id: string): Conversation {
    const found = this.store.conversation(id)
    if (found) return found
    throw new ChatError(404, 'There is no such conversation. It may have been deleted.')
  }

  /** Resolves when no answer of a conversation runs any more; for tests. */
  async settled(): Promise<void> {
    await Promise.all([...this.#running.values()].map(({ over }) => over))
  }

  /** @throws ChatError 404, or 409 while an answer runs: a second one would not know the first. */
  #free(id: string): void {
    const { id: known } = this.conversation(id)
    if (this.store.newest(known)?.state !== 'running') return
    throw new ChatError(
      409,
      'An answer is still being written. Stop it, or wait until it is done, and send again.',
    )
  }

  #message(id: string, messageId: number, role: Message['role']): Message {
    const found = this.store.messages(id).find((one) => one.id === messageId && one.role === role)
    if (found) return found
    throw new ChatError(404, 'There is no such message any more.')
  }

  /** Tells the pages, and has an answer written: in this order, for a text that is there when it begins is announced. */
  async #begin(answer: Message, patch: () => Promise<typeof swap>): Promise<void> {
    try {
      await this.#tell(answer.conversationId, patch)
    } finally {
      // Unless the conversation has been deleted meanwhile.
      if (this.store.newest(answer.conversationId)?.id === answer.id) this.#run(answer)
    }
  }

  /** Has an answer written, in the background. */
  #run(answer: Message): void {
    const stop = new AbortController()
    const over = this.#write(answer, stop.signal)
      .catch((error) => this.#report(error))
      .finally(() => this.#running.delete(answer.id))
    this.#running.set(answer.id, { over, stop })
  }

  async #write(answer: Message, signal: AbortSignal): Promise<void> {
    const stream = this.streamOf(answer)
    const piped = await stream.pipe((stopped) => this.#answer(answer, stopped), { signal })
    const { text, outcome, error } = piped
    if (outcome === 'stopped' && this.#isClosing) {
      await stream.error(new AnswerError(interrupted))
      return this.#finish(answer, { state: 'failed', text, error: interrupted })
    }
    const words = outcome === 'failed' ? this.#words(error) : null
    if (outcome === 'failed' && !(error instanceof AnswerError)) this.#report(error)
    await this.#finish(answer, { state: outcome, text, error: words })
  }

  /** What the provider gives; kept on its way, so that it outlives the process. */
  async *#answer(answer: Message, signal: AbortSignal): AsyncGenerator<string> {
    let text = ''
    let timer: Timer | undefined
    const keep = () => {
      timer = undefined
      this.#keep(answer, text)
    }
    try {
      for await (const piece of this.#options.provider.answer(this.#turns(answer), signal)) {
        text += piece
        timer ??= setTimeout(keep, saving)
        yield piece
        if (text.length > longestAnswer) {
          throw new AnswerError('The answer was ended here: it is longer than this page takes.')
        }
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** What can not be kept at the moment is kept the next time. */
  #keep({ id }: Message, text: string): void {
    try {
      this.store.keep(id, text)
    } catch (error) {
      this.#report(error)
    }
  }

  /** What was said before an answer. */
  #turns(answer: Message): Turn[] {
    return this.store
      .messages(answer.conversationId)
      .filter(({ id, text }) => id < answer.id && text !== '')
      .map(({ role, text }) => ({ role, text }))
  }

  /** First the text, then that it is over: who comes in between finds one or the other. */
  async #finish(answer: Message, outcome: Outcome): Promise<void> {
    const kept = this.store.finish(answer.id, outcome)
    await this.streamOf(answer).end()
    if (!kept) return
    await this.#tell(kept.conversationId, async () =>
      swap.innerHTML(idSelector(`${idOf(kept)}-foot`), await (<AnswerFoot message={kept} />)),
    )
  }

  async #rename(conversation: Conversation): Promise<void> {
    const { id, title } = conversation
    const named = <span safe>{title}</span>
    await this.#tell(id, async () =>
      swap
        .innerHTML('#title', await named)
        .outerHTML('head > title', await (<PageTitle title={title} />)),
    )
    const link = `${idSelector(`conversation-${id}`)} a`
    await this.hub.publish(listTopic, swap.innerHTML(link, await named))
  }

  async #whole(id: string) {
    if (!this.store.conversation(id)) return gone()
    const all = this.store.messages(id)
    const streamOf = (message: Message) => this.streamOf(message)
    return swap.innerHTML('#thread', await (<Messages all={all} streamOf={streamOf} />))
  }

  #shown(answer: Message) {
    return <Answer message={answer} stream={this.streamOf(answer)} />
  }

  async #tell(id: string, patch: () => Promise<typeof swap>): Promise<void> {
    await this.hub.publish(threadTopic(id), patch)
  }

  /** What the reader is told of an error: of a fault of the program nothing that is in it. */
  #words(error: unknown): string {
    return error instanceof AnswerError
      ? error.message
      : 'Something went wrong here; the server has logged it.'
  }

  #report(error: unknown): void {
    const { onError = console.error } = this.#options
    onError(error)
  }
}

/** What takes the place of a conversation that has been deleted. */
async function gone() {
  return swap
    .innerHTML('#chat', await (<Gone />))
    .outerHTML('head > title', await (<PageTitle title="Deleted" />))
}

/** @throws ChatError 400, 413 */
function checked(given: string): string {
  const plain = given.toWellFormed().replaceAll('\0', '\uFFFD').replace(/\r\n?/g, '\n')
  // The first line may be code, and indented.
  const text = plain.replace(/^(?:[^\S\n]*\n)+/, '').trimEnd()
  if (text === '') throw new ChatError(400, 'Write a question first.')
  if (text.length <= longestQuestion) return text
  const count = (number: number) => number.toLocaleString('en')
  throw new ChatError(
    413,
    `The question has ${count(text.length)} characters; at most ${count(longestQuestion)} are taken.`,
  )
}
