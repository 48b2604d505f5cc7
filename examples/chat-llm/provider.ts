/** One message, as a model is told it. */
export interface Turn {
  role: 'user' | 'assistant'
  text: string
}

/** What answers: a model behind an address, or the one of this example. */
export interface Provider {
  /** What the page says answers. */
  name: string
  /**
   * The answer to the last turn, piece by piece. Who aborts the signal also aborts the request behind it.
   *
   * @throws AnswerError for what the reader is to be told.
   */
  answer(turns: readonly Turn[], signal: AbortSignal): AsyncIterable<string>
}

/** Why there is no answer, or not all of one: its message is for the reader, and holds no secret. */
export class AnswerError extends Error {
  override name = 'AnswerError'
}
