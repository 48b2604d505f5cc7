/** @jsxImportSource @kitajs/html */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Hub } from 'headwater'
import { app } from './app'
import { Board, stateTopic } from './board'
import { commands } from './commands'
import { Folders } from './folders'
import { StateOf } from './page'

/** Folders whose files may be read, separated as in PATH. */
const folders = await Folders.of((process.env.FOLDERS ?? '/var/log').split(delimiter))
const kept = await mkdtemp(join(tmpdir(), 'headwater-logs-'))

// What is open ends with this process, and so may its log.
const hub = new Hub()
hub.topic('log:*:state', { kind: 'state' })
const board = new Board({
  hub,
  folders,
  commands: commands(folders.paths[0], join(kept, 'build')),
  kept,
  onState: (log) => void hub.publish(stateTopic(log), <StateOf log={log} />),
})
const server = app({ hub, board, folders }).listen({
  hostname: '127.0.0.1',
  port: process.env.PORT ?? 3000,
})
console.log(`http://127.0.0.1:${server.server?.port}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await board.closeAll()
    await hub.drain({ within: 500 })
    await server.stop(true)
    hub.close()
    await rm(kept, { recursive: true, force: true })
    process.exit(0)
  })
}
