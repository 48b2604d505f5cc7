import { Database } from 'bun:sqlite'
import { Hub } from 'headwater'
import { app } from './app'
import { Chats } from './chats'
import { lock } from './lock'
import { type Options, optionsOf } from './options'
import { Store } from './store'

const { port, database: file, provider } = await optionsOrExit()

const database = new Database(file, { create: true, strict: true })
if (!lock(file)) {
  exit(`Another process has ${file}. Stop it, or take another file: DATABASE=other.db.`)
}
const hub = new Hub({ database })
const chats = new Chats({ hub, store: new Store(database), provider })
const server = listenOrExit()
// Nothing of what was left may be ended by a process that gets no port.
await chats.open()
console.log(`http://127.0.0.1:${server.server?.port}, answered by: ${provider.name}`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    // The answers first, so that what they have reaches the pages.
    await chats.close()
    await hub.drain({ within: 500 })
    await server.stop(true)
    hub.close()
    database.close()
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
    return app(chats).listen({ port, hostname: '127.0.0.1', reusePort: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return exit(`Port ${port} is taken. Stop what listens there, or choose another: PORT=3001.`)
  }
}

function exit(sentence: string): never {
  console.error(sentence)
  process.exit(2)
}
