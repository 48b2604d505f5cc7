import { afterEach, describe, expect, spyOn, test } from 'bun:test'
import { Elysia } from 'elysia'
import { headwater } from '../../src/elysia'
import { Hub } from '../../src/hub'
import { warnings } from '../../src/markup'

const connected = (inner: string) =>
  `<div hx-ext="sse" sse-connect="/stream/job?all&amp;sig=secret">${inner}</div>`

describe('warnings', () => {
  test('a page without live markup has none', () => {
    expect(warnings('<html><body><p id="a">hi</p><p id="a">hi</p></body></html>')).toEqual([])
  })

  test('slots inside a connected parent, or with a connection of their own, have none', () => {
    const page = `${connected('<table><tr><td id="1" sse-swap="a"><td id="2" sse-swap="b"></table>')}
      <p sse-connect="/stream/x" sse-swap="c"></p>`
    expect(warnings(page)).toEqual([])
  })

  test('a slot without a connection is named, with how many more there are', () => {
    expect(warnings('<p sse-swap="job:42:state"></p>')).toEqual([
      'No connection feeds the slot "job:42:state": put it inside <Connected to={…}>, or let it connect by itself.',
    ])
    const many = Array.from({ length: 50 }, (_, i) => `<td sse-swap="job:${i}:state"></td>`).join(
      '',
    )
    expect(warnings(many)).toEqual([expect.stringContaining('"job:0:state" (and 49 more)')])
  })

  test('a slot after its parent has closed is not connected', () => {
    expect(warnings(`${connected('')}<p sse-swap="a"></p>`)).toHaveLength(1)
  })

  test('a connection inside a connected parent is named without its signature', () => {
    const [warning, ...more] = warnings(
      connected('<p sse-connect="/stream/job/state?id=1&sig=secret" sse-swap="a"></p>'),
    )
    expect(warning).toContain('opens another connection, to "/stream/job/state"')
    expect(warning).not.toContain('secret')
    expect(more).toEqual([])
  })

  test('H-04 four connections are fine, and five are too many', () => {
    expect(warnings(connected('').repeat(4))).toEqual([])
    expect(warnings(connected('').repeat(5))).toEqual([
      expect.stringContaining('opens 5 connections, and a browser has six per host'),
    ])
  })

  test('H-04 with the runtime any number of connections is fine, also inside of one another', () => {
    const runtime = '<script src="/stream/-/0123456789abcdef/headwater.js" defer></script>'
    const own = '<p sse-connect="/stream/job/state?id=1&sig=secret" sse-swap="a"></p>'
    expect(warnings(runtime + connected(own).repeat(5))).toEqual([])
    expect(warnings(`${runtime}<p sse-swap="a"></p>`)).toHaveLength(1)
  })

  test('an id is given to one slot only', () => {
    const page = connected(
      '<i id="a" sse-swap="x"></i><i id="a" sse-swap="y"></i><i id="b" sse-swap="z"></i>',
    )
    expect(warnings(page)).toEqual([expect.stringContaining('More than one slot has the id "a"')])
  })
})

describe('headwater(hub) in development', () => {
  const warn = spyOn(console, 'warn').mockImplementation(() => {})
  const before = process.env.NODE_ENV
  const hubs: Hub[] = []
  afterEach(() => {
    process.env.NODE_ENV = before ?? ''
    warn.mockClear()
    for (const hub of hubs.splice(0)) hub.close()
  })

  const html = '<html><body><p sse-swap="job:42:state"></p></body></html>'
  const app = () => {
    const hub = new Hub()
    hubs.push(hub)
    return new Elysia()
      .use(headwater(hub))
      .get('/page', () => html)
      .get('/slow', async () => html)
      .get('/part', () => '<p sse-swap="job:42:state"></p>')
      .get('/json', () => ({ html }))
  }
  const get = (on: { handle: (request: Request) => Promise<Response> }, path: string) =>
    on.handle(new Request(`http://localhost${path}`)).then((response) => response.text())

  test('prints a warning of a page once, and leaves the page as it is', async () => {
    const site = app()
    expect(await get(site, '/page')).toBe(html)
    expect(await get(site, '/slow')).toBe(html)
    expect(warn.mock.calls).toEqual([
      [expect.stringMatching(/^headwater: No connection feeds the slot "job:42:state"/)],
    ])
  })

  test('does not judge fragments and data', async () => {
    const site = app()
    await get(site, '/part')
    await get(site, '/json')
    expect(warn).not.toHaveBeenCalled()
  })

  test('is silent in production', async () => {
    process.env.NODE_ENV = 'production'
    await get(app(), '/page')
    expect(warn).not.toHaveBeenCalled()
  })
})
