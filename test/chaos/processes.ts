import type { Answer, Confirmed, Counts, Order, Role } from './server'

/** What a process of the test is told of its children. */
export interface Listener {
  confirmed(some: Confirmed[]): void
  error(message: string): void
}

/** How long something may take that must not fail, in milliseconds. */
const patience = 10_000

const none: Counts = { active: 0, topics: 0, lagging: 0, kinds: 0, timers: 0 }

/** A server or publisher process. */
export class Child {
  readonly name: string
  readonly ready: Promise<void>
  port = 0
  node = ''
  /** What an idle hub counts. */
  idle: Counts | undefined
  /** Whether it has a server that listens. */
  open = false
  killed = false
  #hears = true
  readonly #process: Bun.Subprocess
  #settled: (() => void)[] = []
  #counted: ((counts: Counts) => void)[] = []
  #ended: Counts | undefined

  constructor(role: Role, listener: Listener) {
    this.name = role.name
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.ready = promise
    this.#process = Bun.spawn([process.execPath, `${import.meta.dir}/server.ts`], {
      env: { ...process.env, CHAOS: JSON.stringify(role) },
      stdio: ['ignore', 'inherit', 'inherit'],
      ipc: (answer: Answer) => {
        if ('confirmed' in answer) listener.confirmed(answer.confirmed)
        else if ('error' in answer) listener.error(answer.error)
        else if ('ready' in answer) {
          const { port, node, counts } = answer.ready
          Object.assign(this, { port, node, idle: counts, open: role.serves })
          resolve()
        } else if ('settled' in answer) for (const done of this.#settled.splice(0)) done()
        else if ('counts' in answer) this.#counted.shift()?.(answer.counts)
        else this.#ended = answer.ended
      },
      onDisconnect: () => {
        this.#hears = false
      },
      onExit: () => {
        this.open = false
        this.#hears = false
        reject(new Error(`${this.name} ended before it was ready`))
        for (const done of this.#settled.splice(0)) done()
        for (const done of this.#counted.splice(0)) done(none)
      },
    })
    this.ready.catch(() => {})
  }

  get exited(): Promise<number> {
    return this.#process.exited
  }

  /** Whether it ended in no order, by a fault or its own. */
  get died(): boolean {
    return !this.alive && this.#process.exitCode !== 0
  }

  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  tell(order: Order): void {
    try {
      if (this.#hears) this.#process.send(order)
    } catch {
      // It has just closed its end.
      this.#hears = false
    }
  }

  /** Resolves when all that it was told to publish is confirmed or refused. */
  settle(): Promise<void> {
    this.tell('settle')
    if (!this.#hears) return Promise.resolve()
    return new Promise((resolve) => this.#settled.push(resolve))
  }

  count(): Promise<Counts> {
    this.tell('count')
    if (!this.#hears) return Promise.resolve(none)
    return new Promise((resolve) => this.#counted.push(resolve))
  }

  /** Ends it with SIGKILL, by its pid. */
  kill(): void {
    this.killed = true
    this.open = false
    if (this.alive) process.kill(this.#process.pid, 'SIGKILL')
  }

  /** Has it end by itself, and says what it left. */
  async end(within: number): Promise<string[]> {
    await this.ready.catch(() => {})
    this.tell({ end: within })
    const late = Bun.sleep(within + patience).then(() => 'late' as const)
    const code = await Promise.race([this.exited, late])
    if (this.killed) return []
    if (code === 'late') {
      this.kill()
      const at = this.#ended ? 'after its hub was closed' : 'and did not close'
      return [`${this.name} went on ${patience} ms ${at}`]
    }
    if (code !== 0 || !this.#ended) return [`${this.name} ended with code ${code}`]
    const left = Object.entries(this.#ended).filter(([, count]) => count !== 0)
    return left.length > 0 ? [`${this.name} was closed and left ${JSON.stringify(left)}`] : []
  }
}
