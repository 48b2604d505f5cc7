/** A process that answers each order, a line of JSON, with a line of JSON. */
export class Child {
  #process: Bun.Subprocess<'pipe', 'pipe', 'inherit'>
  #lines: AsyncIterator<string>
  #name: string

  /** @param words the program and its arguments */
  constructor(...words: string[]) {
    this.#name = words[0]?.split('/').slice(-2).join('/') ?? ''
    this.#process = Bun.spawn([process.execPath, ...words], {
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
      env: { ...process.env, NODE_ENV: 'production' },
    })
    this.#lines = linesOf(this.#process.stdout as unknown as AsyncIterable<Uint8Array>)
  }

  /** The next line that it prints. @throws Error when it has ended. */
  async line<Answer>(): Promise<Answer> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`${this.#name} ended with ${await this.#process.exited}`)
    return JSON.parse(value)
  }

  /** Says an order and gives its answer. */
  order<Answer>(word: string, values: object = {}): Promise<Answer> {
    this.#process.stdin.write(`${JSON.stringify({ ...values, word })}\n`)
    this.#process.stdin.flush()
    return this.line()
  }

  async end(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#process.exited
  }
}

/** The other side: answers each order on the input, one after the other, and exits at its end. */
export async function answer(orders: Orders): Promise<never> {
  for await (const line of console) {
    const { word, ...values } = JSON.parse(line)
    const act = orders[word]
    if (!act) throw new TypeError(`Expected one of ${Object.keys(orders)}, got "${word}"`)
    say((await act(values as never)) ?? {})
  }
  process.exit(0)
}

/** What a child does by word, with the values of the order. */
export type Orders = Record<string, (values: never) => unknown>

/** Prints one line. */
export function say(values: object): void {
  process.stdout.write(`${JSON.stringify(values)}\n`)
}

async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  return undefined
}
