/**
 * A process of its own: told by messages, says lines of JSON, and is ended by its pid.
 *
 * ```ts
 * afterEach(endPrograms)
 * const node = await Program.start<Said>(path, { database })
 * node.tell({ publish: ['room:1', '<p>1</p>'] })
 * await node.until(({ said }) => said.length > 3)
 * ```
 */
import type { Subprocess } from 'bun'

const running = new Set<Program>()

/** Ends what is still running. */
export async function endPrograms(): Promise<void> {
  await Promise.all([...running].map((program) => program.kill()))
}

/** How a program is run. */
export interface ProgramOptions {
  /** Before the file: `--hot`. */
  flags?: readonly string[]
  /** Whether it hears {@link Program.tell}. A channel for messages keeps it alive. @default true */
  told?: boolean
  env?: Record<string, string>
}

/** A running program. `Said` is what its lines hold, as far as they are JSON objects. */
export class Program<Said extends object = object> {
  readonly said: Said[] = []
  /** All its words, also what is no JSON. */
  words = ''
  #process: Subprocess
  #waiting = new Set<() => void>()

  /** @param given what it finds as JSON in the variable `GIVEN` */
  constructor(file: string, given: object, options: ProgramOptions = {}) {
    const { flags = [], told = true, env } = options
    this.#process = Bun.spawn([process.execPath, ...flags, file], {
      env: { ...process.env, ...env, GIVEN: JSON.stringify(given) },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(told && { ipc: () => {} }),
      onExit: () => {
        running.delete(this as unknown as Program)
        this.#look()
      },
    })
    running.add(this as unknown as Program)
    void this.#listen(this.#process.stdout as ReadableStream<Uint8Array>)
    void this.#listen(this.#process.stderr as ReadableStream<Uint8Array>)
  }

  get pid(): number {
    return this.#process.pid
  }

  /** Its exit code, or the signal that ended it; undefined while it runs. */
  get over(): number | string | undefined {
    return this.#process.signalCode ?? this.#process.exitCode ?? undefined
  }

  tell(order: object): void {
    this.#process.send(order)
  }

  /** Resolves when it holds, looked at whenever the program says something or ends. */
  async until(predicate: (program: this) => boolean, within = 10_000): Promise<this> {
    if (predicate(this)) return this
    const { promise, resolve, reject } = Promise.withResolvers<this>()
    const look = () => {
      if (predicate(this)) resolve(this)
      else if (this.over !== undefined) reject(new Error(`It ended (${this.over}): ${this.#last}`))
    }
    const late = () => reject(new Error(`Not within ${within} ms: ${predicate}; ${this.#last}`))
    const timer = setTimeout(late, within)
    this.#waiting.add(look)
    await promise.finally(() => {
      clearTimeout(timer)
      this.#waiting.delete(look)
    })
    return this
  }

  /** Resolves with the first thing it has said that fits. */
  async hears<Fit extends Said>(fits: (said: Said) => said is Fit, within?: number): Promise<Fit> {
    await this.until(({ said }) => said.some(fits), within)
    return this.said.find(fits) as Fit
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name)
  }

  /** Resolves with its exit code or signal, once it has ended by itself. */
  async end(within = 10_000): Promise<number | string> {
    await this.until(({ over }) => over !== undefined, within)
    return this.over as number | string
  }

  /** Ends it with SIGKILL, by its pid. */
  async kill(): Promise<void> {
    if (this.over === undefined) process.kill(this.pid, 'SIGKILL')
    await this.#process.exited
  }

  get #last(): string {
    return this.words.slice(-2_000)
  }

  #listen(from: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder()
    let rest = ''
    const write = (bytes: Uint8Array) => {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#line(line)
      this.#look()
    }
    return from.pipeTo(new WritableStream({ write }))
  }

  #line(line: string): void {
    this.words += `${line}\n`
    if (line.startsWith('{')) this.said.push(JSON.parse(line))
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }
}

/** In a program: what it was started with. */
export function given<Given>(): Given {
  return JSON.parse(process.env.GIVEN as string)
}

/** In a program: says something. */
export function say(said: object): void {
  console.log(JSON.stringify(said))
}
