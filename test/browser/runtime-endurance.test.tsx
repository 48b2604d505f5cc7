/**
 * Whatever the network and the server do, a page ends with what was published: once, and in order.
 */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Connected } from '../../components'
import { swap } from '../../src'
import { closeBrowser, until } from '../support/browser'
import { endPrograms } from '../support/program'
import type { Board } from '../support/runtime-board'
import { openProfile } from '../support/runtime-page'
import { expectCell, expectClean, expectLines, numbers, openRoom } from '../support/runtime-room'
import { startSiteProgram } from '../support/runtime-site'

setDefaultTimeout(40_000)
const folder = mkdtempSync(join(tmpdir(), 'runtime-'))
afterEach(endPrograms)
afterAll(async () => {
  await closeBrowser()
  rmSync(folder, { recursive: true, force: true })
})

const cellAndList = ({ board }: { board: Board }) => ({
  '/': async () => board.cell('1') + (await board.list('1')),
  '/other': () => '<p id="other">other</p>',
})

describe.each([2, 4] as const)('htmx %d', (htmx) => {
  test('H-01 the server is killed and started again on its database and port: nothing is lost or doubled, and there is one stream', async () => {
    const options = { htmx, database: join(folder, `${htmx}.db`), retry: 50 }
    let server = await startSiteProgram({ ...options, port: 0 })
    const { port } = server
    const profile = await openProfile()
    const tabs = [
      await profile.open(`http://127.0.0.1:${port}/`),
      await profile.open(`http://127.0.0.1:${port}/`),
    ]
    await until(() => server.active() === 1)
    await server.say('1', 5)
    for (const round of [1, 2]) {
      await server.say('1', 5)
      await server.count('1')
      // What was confirmed only just now may not have reached anybody.
      await server.kill()
      server = await startSiteProgram({ ...options, port })
      await server.say('1', 5)
      await server.count('1')
      for (const tab of tabs) {
        await expectLines(tab, '#lines-1', numbers(1, 5 + 10 * round))
        await expectCell(tab, '1', 2 * round)
      }
    }
    for (const tab of tabs) {
      expect(await tab.added('lines-1')).toEqual(numbers(1, 25))
      expect(await tab.told('headwater:closed')).toEqual([])
      expect(await tab.told('headwater:refused')).toEqual([])
      expect((await tab.told('headwater:retry')).length).toBeGreaterThan(0)
      expectClean(tab)
    }
    expect(server.active()).toBe(1)
    await profile.close()
    await until(() => server.active() === 0)
  })

  test('H-06 one refused address among many: its element is told, the others live', async () => {
    await using room = await openRoom({ htmx }, ({ board }) => ({
      '/': () =>
        numbers(1, 20)
          .map(String)
          .map((id) =>
            id === '7' ? board.cell(id).replace(/sig=[\w-]+/, 'sig=forged') : board.cell(id),
          )
          .join(''),
    }))
    const { board, site } = room
    const tab = await room.open()
    await room.live(tab, 19)
    await until(async () => (await tab.told('headwater:refused')).length > 0)
    const [refused, ...more] = await tab.told('headwater:refused')
    expect(refused).toMatchObject({ id: 'cell-7', detail: { status: 403 } })
    expect(refused?.detail.reason).toContain('reload the page')
    expect(more).toEqual([])
    await Promise.all(numbers(1, 20).map((id) => board.count(String(id))))
    for (const id of ['1', '6', '8', '20']) await expectCell(tab, id, 1)
    expect(await tab.text('#cell-7')).toBe('0')
    expect(site.hub.stats()).toMatchObject({ active: 1, topics: 19 })
    // And it is not asked for again with the others.
    room.proxy.cut('streams')
    await until(() => site.opens.length === 2)
    expect(site.opens[1]?.follow).toHaveLength(19)
    await board.count('20')
    await expectCell(tab, '20', 2)
    await room.end()
  })

  test.each([true, false])(
    'H-05 a stream that is stalled without a word is noticed within 2.5 heartbeats and resumed; with a worker: %p',
    async (worker) => {
      const heartbeat = 300
      await using room = await openRoom(
        { htmx, worker, limits: { heartbeat, retry: 20 } },
        cellAndList,
      )
      const { site, board, proxy } = room
      const tab = await room.open()
      await room.live(tab, 2)
      await board.say('1', 3)
      await expectLines(tab, '#lines-1', numbers(1, 3))
      // It is quiet, not dead: heartbeats keep it for as long as that.
      await until(() => Date.now() - (site.opens[0]?.at ?? 0) > 3 * heartbeat)
      expect(site.opens).toHaveLength(1)
      expect(await tab.told('headwater:stale')).toEqual([])
      const stalled = Date.now()
      proxy.stall()
      await board.say('1', 4)
      await board.count('1')
      await expectLines(tab, '#lines-1', numbers(1, 7))
      await expectCell(tab, '1', 1)
      const stale = await tab.told('headwater:stale')
      expect(stale.map(({ id }) => id).sort()).toEqual(['cell-1', 'lines-1'])
      const noticed = (stale[0]?.at ?? 0) - stalled
      console.log(
        `htmx ${htmx}: a stall was noticed after ${noticed} ms, heartbeat ${heartbeat} ms`,
      )
      expect(noticed).toBeLessThan(2.5 * heartbeat + 400)
      expect(stale[0]?.detail.silence).toBeWithin(2.4 * heartbeat, 2.5 * heartbeat + 400)
      expect(site.opens).toHaveLength(2)
      expect(proxy.streams).toBe(1)
      if (!worker) return room.end()
      // Now all that is open, so that an answer to a request on a kept connection never comes.
      proxy.stall('all')
      await board.say('1', 4)
      await expectLines(tab, '#lines-1', numbers(1, 11))
      expect(await tab.added('lines-1')).toEqual(numbers(1, 11))
      proxy.cut()
      await board.say('1')
      await expectLines(tab, '#lines-1', numbers(1, 12))
      await room.end()
    },
  )

  test('H-04 a page that comes back from the back/forward cache has what was published meanwhile, once', async () => {
    await using room = await openRoom({ htmx, limits: { retry: 20 } }, cellAndList)
    const { site, board, proxy } = room
    const tab = await room.open()
    await room.live(tab, 2)
    const kept: boolean[] = []
    for (let round = 0; round < 2; round++) {
      await board.say('1', 3)
      await expectLines(tab, '#lines-1', numbers(1, 3 + round * 7))
      await tab.page.goto(`${proxy.url}/other`)
      // Whoever has left holds no stream.
      await until(() => site.hub.stats().active === 0, { what: 'the stream to be given up' })
      await board.say('1', 4)
      await board.count('1')
      // A page that comes from that cache has no load event to wait for.
      await tab.page.goBack({ waitUntil: 'commit' })
      await expectLines(tab, '#lines-1', numbers(1, 7 + round * 7))
      await expectCell(tab, '1', round + 1)
      kept.push(await tab.persisted())
      if (kept.at(-1))
        expect((await tab.added('lines-1')).slice(-4)).toEqual(
          numbers(4 + round * 7, 7 + round * 7),
        )
      await until(() => site.hub.stats().active === 1)
    }
    console.log(`htmx ${htmx}: kept in the back/forward cache: ${kept.join(', ')}`)
    await board.say('1')
    await expectLines(tab, '#lines-1', numbers(1, 15))
    await room.end()
  })

  test('H-04 a page that was offline is live again at once when it is online', async () => {
    // It would try after 0.5 to 60 s.
    await using room = await openRoom({ htmx, limits: { retry: 60_000 } }, cellAndList)
    const { site, board, proxy, profile } = room
    const tab = await room.open()
    await room.live(tab, 2)
    await board.say('1', 3)
    await expectLines(tab, '#lines-1', numbers(1, 3))
    await profile.context.setOffline(true)
    proxy.down()
    await until(() => site.hub.stats().active === 0)
    await board.say('1', 4)
    await until(async () => (await tab.told('headwater:retry')).length >= 2)
    proxy.up()
    await profile.context.setOffline(false)
    const online = Date.now()
    await expectLines(tab, '#lines-1', numbers(1, 7))
    const opened = (await tab.told('headwater:open')).at(-1)
    expect((opened?.at ?? Number.POSITIVE_INFINITY) - online).toBeLessThan(1_000)
    expect(await tab.added('lines-1')).toEqual(numbers(1, 7))
    await room.end()
  })

  test('H-01 rows that come and go while the stream is cut again and again: what is followed is what is shown', async () => {
    await using room = await openRoom({ htmx, limits: { retry: 5 } }, ({ board }) => ({
      '/': () => (
        <>
          <Connected to={board.cells.address(['main'])}>
            {board.cell('main', { connect: false })}
          </Connected>
          <ul id="rows" />
        </>
      ),
      '/other': () => '<p id="other">other</p>',
    }))
    const { site, board, proxy } = room
    const tab = await room.open()
    await room.live(tab)
    for (let i = 1; i <= 60; i++) {
      const row = `<li id="row-${i}">${board.cell(`${i}`)}</li>`
      await board.cells.patch('main', swap.beforeend('#rows', row))
      await board.cells.patch('main', swap.delete(`#row-${i - 3}`))
      if (i > 1) await board.count(`${i - 1}`)
      if (i % 2) proxy.cut('streams')
      // The next cut is to meet a stream in all states of its opening.
      await Bun.sleep(i % 12)
    }
    await board.count('main')
    await expectCell(tab, 'main', 1)
    await until(() => site.hub.stats().topics === 5, { what: '5 topics', timeout: 10_000 })
    const shown = await tab.page.$$eval('#rows > li', (all) => all.map(({ id }) => id))
    expect(shown).toEqual(['row-58', 'row-59', 'row-60'])
    for (const id of ['58', '59', '60']) {
      await board.count(id)
      await expectCell(tab, id, board.value(id))
    }
    await until(() => site.hub.stats().active === 1)
    await tab.page.goto(`${proxy.url}/other`)
    await until(() => site.hub.stats().active === 0, { what: 'the stream to be given up' })
    await room.end()
  })

  test('H-01 a history restore, which brings back old markup with an old since', async () => {
    await using room = await openRoom({ htmx, limits: { retry: 20 } }, ({ board }) => ({
      '/': async () => (
        <>
          <div id="main">
            {board.cell('1')}
            {board.list('1')}
          </div>
          <a href="/other" hx-get="/other" hx-target="#main" hx-swap="innerHTML" hx-push-url="true">
            other
          </a>
        </>
      ),
      '/other': () => '<p id="other">other</p>',
    }))
    const { site, board } = room
    const tab = await room.open()
    await room.live(tab, 2)
    for (let round = 0; round < 3; round++) {
      await board.say('1', 4)
      await board.count('1')
      await expectLines(tab, '#lines-1', numbers(1, 4 + round * 7))
      await tab.page.click('a')
      await tab.page.waitForSelector('#other')
      await until(() => site.hub.stats().topics === 0, { what: 'nothing to be followed' })
      await board.say('1', 3)
      await tab.page.goBack()
      await expectLines(tab, '#lines-1', numbers(1, 7 + round * 7))
      await expectCell(tab, '1', round + 1)
    }
    await board.say('1')
    await expectLines(tab, '#lines-1', numbers(1, 22))
    await room.end()
  })

  test('H-04 a swap from one live part to another is no loss: the next one is live at once', async () => {
    // Who had lost the stream would wait for 0.5 to 60 s.
    await using room = await openRoom({ htmx, limits: { retry: 60_000 } }, ({ board }) => ({
      '/': () => (
        <>
          <div id="main">{board.cell('1')}</div>
          <button id="next" type="button" hx-get="/next" hx-target="#main" hx-swap="innerHTML">
            next
          </button>
        </>
      ),
      '/next': () => board.cell('2') + board.cell('3'),
    }))
    const { board, site } = room
    const tab = await room.open()
    await room.live(tab)
    for (let round = 1; round <= 5; round++) {
      await tab.page.click('#next')
      await room.live(tab, 1 + 2 * round)
      await until(() => site.hub.stats().topics === 2, { what: 'two topics' })
      await board.count('3')
      await expectCell(tab, '3', round)
    }
    expect(await tab.told('headwater:retry')).toEqual([])
    await room.end()
  })
})
