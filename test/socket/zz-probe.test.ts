import { afterEach, test, expect } from 'bun:test'
import { MultiStreamManager, Hub } from 'headwater'
import { memoryLog } from 'headwater/log'
import { connect } from '../support/client'
import { cleanUp, serve, temporary, declare, settled } from '../support/serve'
afterEach(cleanUp)
test('basic', async () => {
  const site = serve({ database: temporary() })
  declare(site.hub)
  const c = await connect(`${site.url}/stream?topic=room:1`)
  await c.until(() => c.lastEventId !== '')
  await site.hub.publish('room:1', '<p>x</p>')
  await c.until(() => c.events.length === 1)
  console.log(c.raw, c.headers)
})
test('begins again', async () => {
  const site = serve(); declare(site.hub)
  await site.hub.end('room:a')
  const c = await connect(`${site.url}/stream?topic=room:a&topic=room:b`)
  await c.until(() => c.lastEventId !== '')
  await site.hub.publish('room:a', '<p>x</p>')
  await site.hub.end('room:b')
  await Bun.sleep(100)
  expect(c.ended).toBe(false)
})
test('end overtakes held state', async () => {
  const site = serve(); declare(site.hub)
  const c = await connect(`${site.url}/stream?topic=cell:a`)
  await c.until(() => c.lastEventId !== '')
  site.hub.publish('cell:a', '1')
  site.hub.publish('cell:a', '2')
  await site.hub.end('cell:a')
  await c.until(() => c.ended)
  expect(c.events.map(e => e.data)).toEqual(['1', '2', ''])
})
test('state keys', async () => {
  const site = serve({limits:{replay:10}}); declare(site.hub)
  for (let i=0;i<15;i++) await site.hub.publish('cell:a', `${i}`, {key: i})
  const c = await connect(`${site.url}/stream?topic=cell:a`)
  await c.until(() => c.lastEventId !== '')
  expect(c.events.length).toBe(15)
})
test('kept false, contract', async () => {
  const site = serve(); declare(site.hub)
  await site.hub.publish('room:1', 'x')
  await site.hub.end('room:1', {kept:false})
  expect(await site.hub.log.ended(['room:1' as never])).toEqual([])
})
test('render fails in endless state source', async () => {
  const site = serve()
  new MultiStreamManager<{id:string}>(site.hub, {name:'j', getEntity: id=>({id}), guard:'public'}).register({
    name:'p', kind:'state', interval: 20, source: () => Math.random(), render: (n: number) => { if (n > 0.3) throw new Error('boom'); return `${n}` } })
  const c = await connect(`${site.url}/stream/j/p?id=1`)
  await c.until(() => c.ended, 1000)
  expect(site.errors.length).toBeGreaterThan(0)
})
test('long id', async () => {
  const site = serve(); declare(site.hub)
  const c = await connect(`${site.url}/stream/tick/lines?id=${'x'.repeat(1500)}`)
  await c.until(()=>c.raw!=='')
  console.log(c.status, c.raw, site.errors, site.refusals)
  expect(c.status).toBe(400)
})
test('malformed percent in raw topic', async () => {
  const site = serve(); declare(site.hub)
  const c = await connect(`${site.url}/stream?topic=tick:%25zz:lines`)
  await Bun.sleep(100)
  console.log(c.status, c.raw, c.ended, site.errors, site.refusals, site.hub.stats())
  expect(c.status).toBe(400)
})
test('noncanonical topic', async () => {
  const site = serve(); const started: string[] = []; declare(site.hub, id => started.push(id))
  const c = await connect(`${site.url}/stream?topic=tick:42:lines`)
  const d = await connect(`${site.url}/stream?topic=tick:%2534%252:lines`.replace('%252','%2532'))
  await Bun.sleep(100)
  console.log(c.status, d.status, d.raw, started)
  expect(started.length).toBe(1)
})
test('memory signal key', async () => {
  const log = memoryLog()
  const e = {topic:'a' as never, kind:'log' as const, form:'slot' as const, key:null, data:'x', at: Date.now()}
  await log.append([{...e, kind:'signal', key:'k', at: Date.now()-20000}])
  await log.append([e])
  await log.trim('a' as never, {count:10, age:1e9})
  await log.append([{...e, kind:'signal', key:'k'}])
  expect((await log.last('a' as never, 10)).length).toBe(1)
})
test('leaked render context', async () => {
  const site = serve(); declare(site.hub)
  const later = Promise.withResolvers<unknown>()
  await site.hub.publish('room:1', () => { setTimeout(() => later.resolve(site.hub.publish('room:1','later')), 20); return 'now' })
  await later.promise
})
test('caps', async () => {
  const site = serve({limits:{perAddress:3}}); declare(site.hub)
  const all = await Promise.all(Array.from({length:10}, () => connect(`${site.url}/stream?topic=room:1`)))
  console.log(all.map(c=>c.status))
  expect(all.filter(c=>c.status===200).length).toBe(3)
})
