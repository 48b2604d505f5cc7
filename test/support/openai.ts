/**
 * A server that speaks the streaming protocol of OpenAI's chat completions, well or badly, as it is told. It writes
 * its bytes itself, so that it can cut anywhere.
 *
 * ```ts
 * afterEach(closeProviders)
 * const provider = startProvider()
 * provider.next({ tokens: ['Hel', 'lo'], cutAt: 100 })
 * ```
 */
import type { Socket } from 'bun'

/** How one request is answered. Times in milliseconds. */
export interface Script {
  /** @default 200 */
  status?: number
  headers?: Record<string, string>
  /** In the place of an event stream, as it is. */
  body?: string
  /** What the model says; of an asynchronous one each when it comes, and the line is cut when it throws. @default none */
  tokens?: Iterable<string> | AsyncIterable<string>
  /** Before the head of the response. @default 0 */
  headAfter?: number
  /** Between the head and the first byte of the body. @default 0 */
  firstByteAfter?: number
  /** Bytes of the body after which the line is cut. @default never */
  cutAt?: number
  /** Whether it is cut by a reset, or by an end that is none. @default 'reset' */
  cut?: 'reset' | 'end'
  /** Tokens after which something comes that is no JSON. @default never */
  malformedAfter?: number
  /** Events that no answer has, sent before the first token, as JSON. @default none */
  oddities?: readonly unknown[]
  /** Tokens after which an error comes as an event. @default never */
  errorAfter?: number
  /** Whether a last chunk counts the tokens, without a choice. @default false */
  usage?: boolean
  /** Whether the end is said. @default true */
  done?: boolean
  /** Why it ends; `null` for an end without a word. @default 'stop' */
  finish?: 'stop' | 'length' | 'content_filter' | null
  /** What a chunk with a word says of the end; some servers say '' while they go on. @default null */
  meanwhile?: '' | null
  /** @default '\n' */
  newline?: '\n' | '\r\n' | '\r'
  /** Whether comments stand between the events. @default false */
  comments?: boolean
  /** Bytes of one write, which may part a character. @default one event */
  split?: number
}

/** A request that came. */
export interface Asked {
  path: string
  headers: Record<string, string>
  body: { model: string; stream: boolean; messages: { role: string; content: string }[] }
  /** When the client went before it had everything; 0 while it has not. */
  leftAt: number
  /** Whether it has been answered in full. */
  over: boolean
}

/** A running server. */
export interface TestProvider {
  /** For `OPENAI_BASE_URL`. */
  url: string
  asked: Asked[]
  /** How the next requests are answered, in order; those after them as it was started. */
  next(...scripts: Script[]): void
  close(): void
}

/** Milliseconds from the last byte to a cut. */
const grace = 100

interface Line {
  bytes: Buffer
  asked?: Asked
}

const providers = new Set<TestProvider>()

/** Closes what is still running. */
export function closeProviders(): void {
  for (const provider of [...providers]) provider.close()
}

/** Starts one on a free port of 127.0.0.1. */
export function startProvider(always: Script = { tokens: ['Hello', ' there', '.'] }): TestProvider {
  const scripts: Script[] = []
  const sockets = new Set<Socket<Line>>()
  const server = Bun.listen<Line>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        socket.data = { bytes: Buffer.alloc(0) }
        socket.setNoDelay(true)
        sockets.add(socket)
      },
      data(socket, bytes) {
        const line = socket.data
        line.bytes = Buffer.concat([line.bytes, bytes])
        const asked = line.asked ? undefined : requestIn(line.bytes)
        if (!asked) return
        line.asked = asked
        provider.asked.push(asked)
        void answer(socket, asked, scripts.shift() ?? always)
      },
      close(socket) {
        sockets.delete(socket)
        const { asked } = socket.data
        if (asked && !asked.over) asked.leftAt ||= performance.now()
      },
      error() {},
    },
  })
  const provider: TestProvider = {
    url: `http://127.0.0.1:${server.port}/v1`,
    asked: [],
    next: (...more) => void scripts.push(...more),
    close() {
      providers.delete(provider)
      for (const socket of sockets) socket.terminate()
      server.stop(true)
    },
  }
  providers.add(provider)
  return provider
}

/** The bytes of the body that a script makes, as far as its tokens are known. */
export function bodyOf(script: Omit<Script, 'tokens'> & { tokens: readonly string[] }): Buffer {
  const events = script.tokens.flatMap((token, at) => [
    ...faults(script, at),
    event(script, delta(script, { content: token })),
  ])
  const body = [
    ...start(script),
    ...events,
    ...faults(script, script.tokens.length),
    ...end(script),
  ]
  return Buffer.from(body.join(''))
}

const over = Symbol('over')
const broken = Symbol('broken')

/** Tokens that come when the test says so. */
export class Drip implements AsyncIterable<string> {
  #given: (string | typeof over | typeof broken)[] = []
  #wake = () => {}

  give(token: string): void {
    this.#add(token)
  }

  end(): void {
    this.#add(over)
  }

  /** Has the line cut. */
  cut(): void {
    this.#add(broken)
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      for (const one of this.#given.splice(0)) {
        if (one === over) return
        if (one === broken) throw new Error('The line is cut')
        yield one
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #add(one: string | typeof over | typeof broken): void {
    this.#given.push(one)
    this.#wake()
  }
}

/** Tokens with so many milliseconds between them. */
export async function* dripping(tokens: readonly string[], time: number): AsyncGenerator<string> {
  for (const [at, token] of tokens.entries()) {
    if (at > 0) await Bun.sleep(time)
    yield token
  }
}

async function answer(socket: Socket<Line>, asked: Asked, script: Script): Promise<void> {
  await wait(script.headAfter)
  if (script.body !== undefined || (script.status ?? 200) !== 200) {
    const { status = 200, headers = {}, body = '' } = script
    socket.write(head(status, { 'content-length': String(Buffer.byteLength(body)), ...headers }))
    asked.over = true
    socket.write(body)
    return void socket.end()
  }
  const kind = { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }
  socket.write(head(200, { ...kind, ...script.headers }))
  await wait(script.firstByteAfter)
  const writer = new Writer(socket, script)
  for (const one of start(script)) if (!(await writer.write(one))) return
  let at = 0
  try {
    for await (const token of script.tokens ?? []) {
      for (const one of faults(script, at)) if (!(await writer.write(one))) return
      if (!(await writer.write(event(script, delta(script, { content: token }))))) return
      at++
    }
  } catch {
    return socket.terminate()
  }
  for (const one of [...faults(script, at), ...end(script)]) if (!(await writer.write(one))) return
  asked.over = true
  socket.write('0\r\n\r\n')
  socket.end()
}

/** Writes the body in chunks, up to where the line is to be cut. */
class Writer {
  #socket: Socket<Line>
  #script: Script
  #written = 0

  constructor(socket: Socket<Line>, script: Script) {
    this.#socket = socket
    this.#script = script
  }

  /** @returns whether the line still stands */
  async write(text: string): Promise<boolean> {
    const bytes = Buffer.from(text)
    const {
      split = bytes.byteLength,
      cutAt = Number.POSITIVE_INFINITY,
      cut = 'reset',
    } = this.#script
    for (let at = 0; at < bytes.byteLength; at += split) {
      const left = cutAt - this.#written
      const part = bytes.subarray(at, at + Math.min(split, left))
      if (part.byteLength > 0) this.#chunk(part)
      if (part.byteLength === left) {
        // What was written is to be read first: a reset takes along what is on its way, and `fetch` what it holds.
        await Bun.sleep(grace)
        if (cut === 'reset') this.#socket.terminate()
        else this.#socket.end()
        return false
      }
      if (at + split < bytes.byteLength) await Bun.sleep(0)
    }
    await Bun.sleep(0)
    return this.#socket.readyState > 0
  }

  #chunk(part: Buffer): void {
    this.#written += part.byteLength
    const size = `${part.byteLength.toString(16)}\r\n`
    this.#socket.write(Buffer.concat([Buffer.from(size), part, Buffer.from('\r\n')]))
  }
}

function head(status: number, headers: Record<string, string>): string {
  const fields = Object.entries({ connection: 'close', ...headers })
  return `HTTP/1.1 ${status} Told\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

function start(script: Script): string[] {
  const odd = (script.oddities ?? []).map((one) => event(script, JSON.stringify(one)))
  return [event(script, delta(script, { role: 'assistant', content: '' })), ...odd]
}

function end(script: Script): string[] {
  const { finish = 'stop', usage = false, done = true } = script
  const counted = {
    ...chunk([]),
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  }
  return [
    ...(finish === null
      ? []
      : [event(script, chunk([{ index: 0, delta: {}, finish_reason: finish }]))]),
    ...(usage ? [event(script, counted)] : []),
    ...(done ? [event(script, '[DONE]')] : []),
  ]
}

function faults(script: Script, at: number): string[] {
  const error = { error: { message: 'The server had an error', type: 'server_error' } }
  return [
    ...(script.malformedAfter === at
      ? [event(script, '{"id":"x","choices":[{"delta":{"cont')]
      : []),
    ...(script.errorAfter === at ? [event(script, error)] : []),
  ]
}

function event({ newline = '\n', comments = false }: Script, data: unknown): string {
  const text = typeof data === 'string' ? data : JSON.stringify(data)
  return `${comments ? `: still there${newline}${newline}` : ''}data: ${text}${newline}${newline}`
}

function delta({ meanwhile = null }: Script, delta: { role?: string; content: string }) {
  return chunk([{ index: 0, delta, finish_reason: meanwhile }])
}

function chunk(choices: object[]) {
  return { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'test', choices }
}

/** The request, once all of it is there. */
function requestIn(bytes: Buffer): Asked | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  )
  const body = bytes.subarray(end + 4)
  if (body.byteLength < Number(headers['content-length'] ?? 0)) return undefined
  return {
    path: first.split(' ')[1] ?? '',
    headers,
    body: JSON.parse(body.toString()),
    leftAt: 0,
    over: false,
  }
}

function wait(time = 0): Promise<void> | undefined {
  return time > 0 ? Bun.sleep(time) : undefined
}
