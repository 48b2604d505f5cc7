import { Database } from 'bun:sqlite'
import { app } from './app'
import { live as makeLive } from './live'
import { Store } from './store'

const database = new Database(process.env.DATABASE ?? 'session.db', { create: true, strict: true })
const store = new Store(database)
const live = makeLive(database, store)
const server = app(live, store).listen({ hostname: '127.0.0.1', port: process.env.PORT ?? 3000 })
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
