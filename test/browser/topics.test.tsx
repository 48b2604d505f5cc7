/** @jsxImportSource @kitajs/html */
/**
 * Topics of one's own and patches of an entity, with the components, on Elysia, in Chromium.
 */

import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { html as htmlPlugin } from '@elysiajs/html'
import { Elysia } from 'elysia'
import { Hub, MultiStreamManager, swap, text } from 'headwater'
import {
  Connected,
  HeadwaterHead,
  MultiStreamTable,
  TopicElement,
  tableRow,
} from 'headwater/components'
import { headwater } from 'headwater/elysia'
import { closeBrowser, newPage, until } from '../support/browser'

setDefaultTimeout(20_000)
afterAll(closeBrowser)

function site(routes: (hub: Hub) => () => JSX.Element) {
  const hub = new Hub({ onRefuse: () => {} })
  const body = routes(hub)
  const app = new Elysia()
    .use(htmlPlugin())
    .use(headwater(hub))
    .get('/', () => (
      <html lang="en">
        <head>
          <link rel="icon" href="data:," />
          <HeadwaterHead hub={hub} title="test" />
        </head>
        <body>{body()}</body>
      </html>
    ))
    .listen({ port: 0, hostname: '127.0.0.1' })
  const close = async () => {
    hub.close()
    await app.stop(true)
  }
  return { hub, url: `http://127.0.0.1:${app.server?.port}/`, close }
}

test('C-46 a topic of one’s own begins with what is kept, goes on live, and escapes what people write', async () => {
  const { hub, url, close } = site((hub) => {
    hub.topic('room:*:count', { kind: 'state' })
    return () => (
      <>
        <TopicElement hub={hub} topic="room:1" as="ul" id="messages" />
        <TopicElement hub={hub} topic="room:1:count" id="count" />
      </>
    )
  })
  const say = (words: string) => hub.publish('room:1', `<li>${text(words)}</li>`)
  await say('one')
  await hub.publish('room:1:count', '1')
  const { page, seen } = await newPage()
  await page.goto(url)
  expect(await page.textContent('#messages')).toBe('one')
  expect(await page.textContent('#count')).toBe('1')
  await until(() => seen.follows.length === 2)
  expect(hub.stats().active).toBe(1)
  await say('<img src=x onerror=alert(1)>')
  await hub.publish('room:1:count', '2')
  await until(async () => (await page.textContent('#count')) === '2')
  await until(async () => (await page.$$('#messages li')).length === 2)
  expect(await page.textContent('#messages')).toBe('one<img src=x onerror=alert(1)>')
  expect(await page.$$('img')).toEqual([])
  expect(seen.pageErrors).toEqual([])
  await close()
})

test('C-33 an entity’s patch adds its row once, before its cells, and goes to late pages too', async () => {
  const all = new Map([['a', { id: 'a', n: 1 }]])
  let jobs:
    | MultiStreamManager<{ id: string; n: number }, { count: { id: string; n: number } }>
    | undefined
  const columns = [{ header: 'Count', stream: 'count' as const }]
  const { hub, url, close } = site((hub) => {
    const made = new MultiStreamManager<{ id: string; n: number }>(hub, {
      name: 'job',
      getEntity: (id) => all.get(id),
    }).register({ name: 'count', kind: 'state', render: ({ n }) => <b>{n}</b> })
    jobs = made
    return () => (
      <MultiStreamTable
        manager={made}
        entities={[...all.values()]}
        columns={columns}
        caption="Jobs"
      />
    )
  })
  const { page } = await newPage()
  await page.goto(url)
  await until(() => hub.stats().active === 1)
  const job = { id: 'b', n: 2 }
  all.set('b', job)
  const row = await tableRow({ manager: jobs as never, entity: job, columns: columns as never })
  await jobs?.patch('b', swap.beforeend('#hw-job-rows', row), { key: 'row' })
  await jobs?.patch('b', swap.beforeend('#hw-job-rows', row), { key: 'row' })
  await jobs?.publish('b', 'count', { id: 'b', n: 3 })
  const cells = () => page.$$eval('#hw-job-rows b', (all) => all.map((b) => b.textContent))
  await until(async () => (await cells()).join() === '1,3')
  await page.reload()
  await until(() => hub.stats().active === 1)
  expect(await cells()).toEqual(['1', '2'])
  await jobs?.publish('b', 'count', { id: 'b', n: 4 })
  await until(async () => (await cells()).join() === '1,4')
  await close()
})

test('C-33 a patch reaches who follows the entity by its id', async () => {
  let jobs: MultiStreamManager<{ id: string }, { state: { id: string } }> | undefined
  const { hub, url, close } = site((hub) => {
    const made = new MultiStreamManager<{ id: string }>(hub, {
      name: 'job',
      getEntity: (id) => ({ id }),
    }).register({ name: 'state', kind: 'state', render: () => 'x' })
    jobs = made
    return () => (
      <Connected to={made.address(['a'])}>
        <p id="total">0</p>
      </Connected>
    )
  })
  const { page } = await newPage()
  await page.goto(url)
  await until(() => hub.stats().active === 1)
  await jobs?.patch('a', swap.innerHTML('#total', '7'))
  await until(async () => (await page.textContent('#total')) === '7')
  await close()
})
