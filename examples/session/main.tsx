import { Database } from 'bun:sqlite'
import { app } from './app'
import { live as makeLive } from './live'
import { Store } from './store'

const port = portOrExit()
const database = new Database(process.env.DATABASE ?? 'session.db', { create: true, strict: true })
const store = new Store(database)
const live = makeLive(database, store)
const server = listenOrExit()
console.log(`http://127.0.0.1:${server.server?.port}`)

/** A guard is asked when a stream opens; sessions that run out later are ended here. */
const watch = setInterval(async () => {
  for (const { id } of store.over()) await live.signOut(id)
}, 60_000)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    clearInterval(watch)
    await live.hub.drain({ within: 500 })
    await server.stop(true)
    live.hub.close()
    database.close()
    process.exit(0)
  })
}

function portOrExit(): number {
  const { PORT = '3000' } = process.env
  if (/^\d{1,5}$/.test(PORT) && Number(PORT) <= 65_535) return Number(PORT)
  return exit(`Expected PORT to be a number from 0 to 65535, got ${JSON.stringify(PORT)}.`)
}

function listenOrExit() {
  try {
    // Elysia would share the port with who has it, and each would get some of the requests.
    return app(live, store).listen({ port, hostname: '127.0.0.1', reusePort: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return exit(`Port ${port} is taken. Stop what listens there, or choose another: PORT=3001.`)
  }
}

function exit(sentence: string): never {
  console.error(sentence)
  process.exit(2)
}
