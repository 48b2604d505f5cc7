/** Where text comes from: iterated at once, or when its function is told how it is stopped. */
export type TextSource =
  | AsyncIterable<string>
  | Iterable<string>
  | ((signal: AbortSignal) => Given | Promise<Given>)

type Given = AsyncIterable<string> | Iterable<string>

/** What a source gives until it is to stop. It is told, and not waited for. */
export async function* readUntil(signal: AbortSignal, source: TextSource): AsyncGenerator<string> {
  if (signal.aborted) return
  const begun = typeof source === 'function' ? source(signal) : source
  const ready = await unlessAborted(signal, begun)
  if (ready === aborted) return
  const iterator = iteratorOf(ready)
  let isOver = false
  try {
    while (!signal.aborted) {
      isOver = true
      const next = await unlessAborted(signal, iterator.next())
      if (next !== aborted && next.done) return
      isOver = false
      if (next !== aborted) yield checked(next.value)
    }
  } finally {
    // One that waits for its next item hears of it when that comes.
    if (!isOver) Promise.resolve(iterator.return?.()).catch(() => {})
  }
}

function iteratorOf(given: Given): AsyncIterator<string> | Iterator<string> {
  if (typeof given === 'string') return [given].values()
  if (typeof given === 'object' && given !== null) {
    if (Symbol.asyncIterator in given) return given[Symbol.asyncIterator]()
    if (Symbol.iterator in given) return given[Symbol.iterator]()
  }
  throw new TypeError(`Expected an iteration of texts to pipe, got ${given}`)
}

function checked(chunk: unknown): string {
  if (typeof chunk === 'string') return chunk
  throw new TypeError(`Expected a source of texts, got one of ${typeof chunk}; map it to its text`)
}

const aborted = Symbol('aborted')

/** Not `Promise.race`: what has been waited for would be kept as long as the signal. */
function unlessAborted<T>(signal: AbortSignal, value: T | Promise<T>): Promise<T | typeof aborted> {
  const { promise, resolve, reject } = Promise.withResolvers<T | typeof aborted>()
  const stop = () => resolve(aborted)
  Promise.resolve(value).then(resolve, reject)
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  const forget = () => signal.removeEventListener('abort', stop)
  promise.then(forget, forget)
  return promise
}
