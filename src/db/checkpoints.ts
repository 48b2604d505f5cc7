import type { Database } from 'bun:sqlite'

/** Bytes written after which the write-ahead log is copied into the file. */
const many = 4 * 1024 * 1024
/** Pages after which SQLite does it on its own, on the event loop: when the worker is not there or does not keep up. */
const pages = 16 * 1024

/**
 * Copies the write-ahead log into the file in a thread of its own: on the event loop it would stop it for 10 to 30 ms each
 * thousand pages, and cost half of all time under load. The thread is there from the first megabytes on.
 */
export class Checkpoints {
  #client: Database
  #worker: Worker | undefined
  #written = 0
  #isOver = false

  /** @param client on a file */
  constructor(client: Database) {
    this.#client = client
  }

  /** Counts what was written, in bytes, about. */
  count(bytes: number): void {
    this.#written += bytes
    if (this.#written < many || this.#isOver) return
    this.#written = 0
    this.#worker ??= this.#start()
    this.#worker.postMessage('copy')
  }

  /** Ends the thread. */
  close(): void {
    this.#isOver = true
    this.#worker?.postMessage('close')
    this.#worker = undefined
  }

  #start(): Worker {
    const worker = new Worker(new URL('./checkpointer.ts', import.meta.url), {
      smol: true,
      ref: false,
    })
    worker.addEventListener('message', () => {
      if (!this.#isOver) this.#client.run(`pragma wal_autocheckpoint = ${pages}`)
    })
    // Then SQLite goes on doing it here.
    worker.addEventListener('error', (event) => event.preventDefault())
    worker.postMessage(this.#client.filename)
    return worker
  }
}
