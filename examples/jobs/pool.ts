import type { Order, Report, Task } from './protocol'

/** A task in work. */
export interface Run {
  /** Ends the task after the current chunk; a worker that hangs is ended itself. */
  stop(): void
  /** Resolves after the last report. */
  readonly ended: Promise<void>
}

export interface PoolOptions {
  /** Workers at most. @default the number of processors, 1 to 4 */
  size?: number
  /** Milliseconds after which a worker that does not stop is ended (a hanging disk). @default 5000 */
  stopWithin?: number
  /** The worker's program. @default worker.ts */
  script?: URL
}

interface Active {
  report: (report: Report) => void
  resolve: () => void
  isStopping: boolean
  timer?: ReturnType<typeof setTimeout>
}

/**
 * A few Bun Workers that are used again and again. They are opened when needed. One that crashes fails only its own
 * task, with a last report like any other, and the next task opens a new one.
 */
export class Pool {
  readonly size: number
  readonly #stopWithin: number
  readonly #script: URL
  readonly #idle = new Set<Worker>()
  readonly #active = new Map<Worker, Active>()
  readonly #open = new Map<Worker, Promise<void>>()
  #isClosed = false

  constructor({ size, stopWithin, script }: PoolOptions = {}) {
    this.size = size ?? Math.min(4, Math.max(1, navigator.hardwareConcurrency))
    this.#stopWithin = stopWithin ?? 5000
    this.#script = script ?? new URL('./worker.ts', import.meta.url)
  }

  /** How many tasks can be begun now. */
  get free(): number {
    return this.#isClosed ? 0 : this.size - this.#active.size
  }

  /** Threads that are open. */
  get workers(): number {
    return this.#open.size
  }

  /** Begins a task; `report` is called until a report has an `end`. Only while there is a `free` place. */
  run(task: Task, report: (report: Report) => void): Run {
    if (this.free === 0) throw new Error('Expected a free worker, got a full pool')
    const [worker = this.#begin()] = this.#idle
    this.#idle.delete(worker)
    const { promise, resolve } = Promise.withResolvers<void>()
    const active: Active = { report, resolve, isStopping: false }
    this.#active.set(worker, active)
    send(worker, { type: 'run', ...task })
    return { ended: promise, stop: () => this.#stop(worker, active) }
  }

  /** Ends all workers, their tasks with `stopped`; resolves when no thread is left. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const active of this.#active.values()) active.isStopping = true
    const closing = [...this.#open.values()]
    for (const worker of this.#open.keys()) worker.terminate()
    await Promise.all(closing)
  }

  #begin(): Worker {
    const worker = new Worker(this.#script)
    let fault = ''
    worker.addEventListener('message', ({ data }: MessageEvent<Report>) =>
      this.#heard(worker, data),
    )
    worker.addEventListener('error', (event) => {
      event.preventDefault()
      fault = reasonOf(event.message)
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#open.set(worker, promise)
    worker.addEventListener('close', () => {
      this.#closed(worker, fault)
      resolve()
    })
    return worker
  }

  #stop(worker: Worker, active: Active): void {
    if (this.#active.get(worker) !== active || active.isStopping) return
    active.isStopping = true
    send(worker, { type: 'stop' })
    active.timer = setTimeout(() => worker.terminate(), this.#stopWithin)
  }

  #heard(worker: Worker, report: Report): void {
    const active = this.#active.get(worker)
    if (!active) return
    if (!report.end) {
      active.report(report)
      return
    }
    // Free before the last report, so that the next task can begin in it.
    if (!this.#isClosed) this.#idle.add(worker)
    this.#end(worker, active, report)
  }

  #closed(worker: Worker, fault: string): void {
    this.#open.delete(worker)
    this.#idle.delete(worker)
    const active = this.#active.get(worker)
    if (!active) return
    const error = `The worker crashed${fault && `: ${fault}`}.`
    const end = active.isStopping
      ? ({ reason: 'stopped' } as const)
      : ({ reason: 'failed', error } as const)
    this.#end(worker, active, { left: null, results: [], current: null, read: 0, end })
  }

  #end(worker: Worker, active: Active, report: Report): void {
    clearTimeout(active.timer)
    this.#active.delete(worker)
    active.report(report)
    active.resolve()
  }
}

function send(worker: Worker, order: Order): void {
  worker.postMessage(order)
}

/** Bun's message of a crashed worker holds an excerpt of the source before the reason. */
function reasonOf(message: string): string {
  return /^(?:\w*error|BuildMessage): (.*)$/im.exec(message)?.[1] ?? message.split('\n')[0] ?? ''
}
