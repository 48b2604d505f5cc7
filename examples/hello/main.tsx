// hello.tsx
/** @jsxImportSource @kitajs/html */
import { html } from '@elysiajs/html'
import { Elysia } from 'elysia'
import { Hub, MultiStreamManager } from 'headwater'
import { HeadwaterHead, LogView, StreamElement } from 'headwater/components'
import { headwater } from 'headwater/elysia'

const hub = new Hub({ database: process.env.DATABASE ?? 'hello.db' })
const clock = { id: 'hall', n: 0 }
const clocks = new MultiStreamManager(hub, { name: 'clock', getEntity: () => clock })
  .register({ name: 'count', kind: 'state', render: ({ n }) => <b>{n}</b> })
  .register({ name: 'ticks', kind: 'log', key: ({ n }) => n, render: ({ n }) => <li>Tick {n}</li> })
const { items } = await hub.history(clocks.topic('hall', 'ticks'))
clock.n = Number(items.at(-1)?.key ?? 0)
setInterval(() => {
  clocks.publish('hall', 'ticks', { ...clock, n: ++clock.n })
  clocks.publish('hall', 'count', { ...clock })
}, 1000)
process.once('SIGTERM', () => hub.drain({ within: 1000 }).then(() => process.exit()))

const page = () => (
  <html lang="en">
    <HeadwaterHead hub={hub} title="Hello" />
    <StreamElement manager={clocks} entity={clock} stream="count" as="h1" />
    <LogView manager={clocks} entity={clock} stream="ticks" label="Ticks" />
  </html>
)
const app = new Elysia().use(html()).use(headwater(hub)).get('/', page)
app.listen({ port: process.env.PORT ?? 3000, reusePort: false }, ({ port }) =>
  console.log(`http://localhost:${port}`),
)
