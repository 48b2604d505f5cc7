/** @jsxImportSource @kitajs/html */
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hub, swap } from 'headwater'
import { app } from './app'
import { Board, closedTopic, stateTopic } from './board'
import { commands } from './commands'
import { type Options, optionsOf } from './options'
import { panelOf, StateOf } from './page'

const { port, folders } = await optionsOrExit()
for (const name of folders.missing) console.error(`FOLDERS: ${name} is not there, or no folder.`)

const kept = await mkdtemp(join(tmpdir(), 'headwater-logs-'))
process.on('exit', () => rmSync(kept, { recursive: true, force: true }))

// What is open ends with this process, and so may its log.
const hub = new Hub()
hub.topic('log:*:state', { kind: 'state' })
const board = new Board({
  hub,
  folders,
  commands: commands(folders.paths[0], join(kept, 'build')),
  kept,
  onState: (log) => void hub.publish(stateTopic(log), <StateOf log={log} />),
  onClose: async (log) => void (await hub.publish(closedTopic, swap.delete(`#${panelOf(log)}`))),
})
const server = listenOrExit()
console.log(`http://127.0.0.1:${server.server?.port}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await board.end()
    await hub.drain({ within: 500 })
    await server.stop(true)
    hub.close()
    process.exit(0)
  })
}

async function optionsOrExit(): Promise<Options> {
  try {
    return await optionsOf(process.env)
  } catch (error) {
    return exit(error instanceof Error ? error.message : String(error))
  }
}

function listenOrExit() {
  try {
    // Elysia would share the port with who has it, and each would get some of the requests.
    return app({ hub, board, folders }).listen({ port, hostname: '127.0.0.1', reusePort: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return exit(`Port ${port} is taken. Stop what listens there, or choose another: PORT=3001.`)
  }
}

function exit(sentence: string): never {
  console.error(sentence)
  process.exit(2)
}
