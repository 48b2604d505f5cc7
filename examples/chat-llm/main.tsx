import { Database } from 'bun:sqlite'
import { Hub } from 'headwater'
import { app } from './app'
import { Chats } from './chats'
import { type Options, optionsOf } from './options'
import { Store } from './store'

const { port, database: file, provider } = await optionsOrExit()

const database = new Database(file, { create: true, strict: true })
const hub = new Hub({ database })
const chats = new Chats({ hub, store: new Store(database), provider })
await chats.open()

const server = app(chats).listen({ port, hostname: '127.0.0.1' })
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
    console.error(error instanceof Error ? error.message : error)
    process.exit(2)
  }
}
