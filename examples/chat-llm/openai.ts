import OpenAI, {
  APIConnectionError,
  APIConnectionTimeoutError,
  APIError,
  APIUserAbortError,
} from 'openai'
import { AnswerError, type Provider, type Turn } from './provider'

/** Where a model is, and how long it may be silent. */
export interface OpenAiOptions {
  /** Of any endpoint that speaks the protocol. @default that of OpenAI */
  baseURL?: string | undefined
  /** Sent to the endpoint, and told nobody else. @default none, as many a local server needs none */
  apiKey?: string | undefined
  model: string
  /** Milliseconds without a sign before the first word, and between two. @default 60_000 */
  patience?: number | undefined
}

/** Characters of what was said before that are sent along, the newest first. */
const memory = 48_000

const manner = 'Answer in Markdown.'

/**
 * A model behind an endpoint that speaks the protocol of OpenAI.
 *
 * Nothing is tried again here: a wait that nobody sees looks like a model that hangs, and a second request costs a second
 * time. What has failed is said, and the page has a button.
 */
export function openAi({ baseURL, apiKey, model, patience = 60_000 }: OpenAiOptions): Provider {
  const client = new OpenAI({
    // The variables are read in one place; what the package finds by itself would be a second.
    baseURL: baseURL ?? 'https://api.openai.com/v1',
    apiKey: apiKey ?? 'none',
    organization: null,
    project: null,
    maxRetries: 0,
    timeout: patience,
    logLevel: 'off',
  })
  return {
    name: model,
    async *answer(turns, signal) {
      const silence = new Silence(patience)
      try {
        const stream = await client.chat.completions.create(
          {
            model,
            messages: [{ role: 'system', content: manner }, ...recent(turns)],
            stream: true,
          },
          { signal: AbortSignal.any([signal, silence.signal]) },
        )
        let finish: string | null = null
        let length = 0
        let choices = 0
        for await (const chunk of stream) {
          silence.broken()
          // Not every endpoint sends what the types say.
          const choice = (chunk as typeof chunk | null)?.choices?.[0]
          if (!choice) continue
          choices++
          const text = choice.delta?.content
          if (typeof text === 'string' && text !== '') {
            length += text.length
            yield text
          }
          // Not every endpoint leaves it out while it goes on: some say ''.
          finish = choice.finish_reason || null
          // Whatever happens to the line from here on, the answer is whole.
          if (finish !== null) break
        }
        // The package ends without an error when it is aborted, and when the end is missing.
        if (signal.aborted) return
        if (silence.signal.aborted) throw new AnswerError(silence.words)
        if (choices === 0) throw new AnswerError(foreign)
        checkEnd(finish, length)
      } catch (error) {
        if (signal.aborted) return
        throw silence.signal.aborted ? new AnswerError(silence.words) : told(error, apiKey)
      } finally {
        silence.end()
      }
    },
  }
}

/** Aborts when nothing has come for a time: the package's own limit ends with the head of the response. */
class Silence {
  readonly #abort = new AbortController()
  readonly #patience: number
  #timer: Timer

  constructor(patience: number) {
    this.#patience = patience
    this.#timer = this.#begin()
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get words(): string {
    return `The provider has said nothing for ${seconds(this.#patience / 1_000)}. It may be overloaded: try again.`
  }

  broken(): void {
    clearTimeout(this.#timer)
    this.#timer = this.#begin()
  }

  end(): void {
    clearTimeout(this.#timer)
  }

  #begin(): Timer {
    return setTimeout(() => this.#abort.abort(), this.#patience)
  }
}

/** The newest turns that fit; the last one always does. */
function recent(turns: readonly Turn[]) {
  const kept: { role: Turn['role']; content: string }[] = []
  let length = 0
  for (const { role, text } of turns.toReversed()) {
    length += text.length
    if (kept.length > 0 && length > memory) break
    kept.unshift({ role, content: text })
  }
  return kept
}

/** @throws AnswerError for an answer that is not whole. */
function checkEnd(finish: string | null, length: number): void {
  if (finish === 'length') {
    throw new AnswerError('The provider stopped here: the answer has reached its limit of length.')
  }
  if (finish === 'content_filter') {
    throw new AnswerError('The provider stopped here: its content filter has set in.')
  }
  if (length === 0) {
    throw new AnswerError('The provider gave an empty answer. Try again, or ask in other words.')
  }
  if (finish === null) throw new AnswerError(cut)
}

const foreign =
  'There is something at the address of the provider, but it gives no answers. Check OPENAI_BASE_URL.'

const cut = 'The connection to the provider was cut in the middle of the answer.'

const nonsense = 'The provider sent something that is no part of an answer, so it ends here.'

/** What the reader is told of an error. */
function told(error: unknown, key: string | undefined): Error {
  if (error instanceof AnswerError || error instanceof APIUserAbortError) return error
  if (error instanceof APIConnectionTimeoutError) {
    return new AnswerError('The provider did not answer in time. It may be overloaded: try again.')
  }
  if (error instanceof APIConnectionError) {
    return new AnswerError(
      'The provider can not be reached. Check OPENAI_BASE_URL and the network.',
    )
  }
  if (error instanceof APIError) return new AnswerError(ofStatus(error, key))
  // What `fetch` throws when the line is cut has a code; what the package stumbles over has none.
  return new AnswerError(error instanceof Error && 'code' in error ? cut : nonsense)
}

function ofStatus(error: APIError, key: string | undefined): string {
  const { status, code } = error
  // An endpoint's own words on a key may quote it.
  if (status === 401) return 'The provider does not accept the key (401). Check OPENAI_API_KEY.'
  if (status === 403) {
    return 'The provider does not let this key use the model (403). Check OPENAI_API_KEY and OPENAI_MODEL.'
  }
  if (status === 404) {
    return 'The provider knows no such model, or there is nothing at this address (404). Check OPENAI_MODEL and OPENAI_BASE_URL.'
  }
  if (code === 'insufficient_quota') {
    return 'The account at the provider has nothing left to spend (429). Waiting does not help.'
  }
  if (status === 429) {
    const wait = retryAfter(error.headers)
    return `The provider has too many requests (429). Try again ${wait === undefined ? 'in a while' : `in ${seconds(wait)}`}.`
  }
  if (status !== undefined && status >= 500) {
    return `The provider has a fault of its own (${status}). Try again in a while.`
  }
  const words = wordsOf(error, key)
  return status === undefined
    ? `The provider broke off: ${words}`
    : `The provider does not take this request (${status}): ${words}`
}

/** Seconds to wait: `Retry-After` is a number of them, or a date. */
function retryAfter(headers: Headers | undefined): number | undefined {
  const value = headers?.get('retry-after')
  if (!value) return undefined
  const wait = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1_000
  return wait > 0 ? Math.ceil(wait) : undefined
}

/** `20 s`, `2 min`. */
function seconds(count: number): string {
  return count < 120 ? `${Math.round(count * 10) / 10} s` : `${Math.ceil(count / 60)} min`
}

/** The provider's own words, short and without the key. */
function wordsOf({ error, message }: APIError, key: string | undefined): string {
  const own = (error as { message?: unknown } | undefined)?.message
  const words = typeof own === 'string' ? own : message.replace(/^\d{3} /, '')
  const safe = key ? words.replaceAll(key, '…') : words
  return safe.length > 300 ? `${safe.slice(0, 300)}…` : safe
}
