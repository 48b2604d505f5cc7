/** The thread of {@link Checkpoints}: told the file first, then when to copy and when to end. */
import { Database } from 'bun:sqlite'

/** Pages of the write-ahead log from which writers have to wait until it is empty, else it would only grow. */
const most = 8 * 1024

declare const self: Worker

let client: Database | undefined
let isDue = false

self.addEventListener('message', ({ data }: MessageEvent<string>) => {
  if (data === 'close') {
    client?.close()
    process.exit()
  }
  if (!client) {
    client = new Database(data, { readwrite: true, create: false })
    client.run('pragma busy_timeout = 50')
    client.run('pragma synchronous = normal')
    self.postMessage('ready')
  } else if (!isDue) {
    isDue = true
    // What was asked for meanwhile is done with it.
    setTimeout(copy, 1)
  }
})

function copy(): void {
  isDue = false
  try {
    const done = client?.query<{ log: number }, []>('pragma wal_checkpoint(passive)').get()
    if ((done?.log ?? 0) > most) client?.run('pragma wal_checkpoint(restart)')
  } catch {
    // Somebody else has the lock; it is tried again with the next megabytes.
  }
}
