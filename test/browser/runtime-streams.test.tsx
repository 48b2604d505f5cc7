/**
 * Any number of live elements over one stream: of a page, of a browser, as elements come and go.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Connected } from '../../components'
import { swap } from '../../src'
import { closeBrowser, until } from '../support/browser'
import type { Board } from '../support/runtime-board'
import type { Tab } from '../support/runtime-page'
import { expectCell, expectLines, numbers, openRoom, type Room } from '../support/runtime-room'

setDefaultTimeout(30_000)
afterAll(closeBrowser)

const ids = (count: number) => numbers(1, count).map(String)

/** The middle one of some times: one of them may meet a pause of the machine. */
function median(times: number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] as number
}

/** Counts all cells up again and again until it is told to stop. */
function keepCounting(board: Board, cells: string[], pause: number) {
  let isOver = false
  const counting = (async () => {
    while (!isOver) {
      await Promise.all(cells.map((id) => board.count(id)))
      await Bun.sleep(pause)
    }
  })()
  return () => {
    isOver = true
    return counting
  }
}

async function expectCells(tab: Tab, { board }: Room, cells: string[]) {
  const wanted = cells.map((id) => String(board.value(id)))
  const selector = '[id^=cell-] > b'
  const shown = () => tab.page.$$eval(selector, (all) => all.map((one) => one.textContent))
  await until(async () => Bun.deepEquals(await shown(), wanted), { timeout: 10_000 }).catch(
    () => {},
  )
  expect(await shown()).toEqual(wanted)
}

const isViewed = ({ site, board }: Room, id: string) =>
  site.hub.isViewed(board.cells.topic(id, 'value'))

describe.each([2, 4] as const)('htmx %d', (htmx) => {
  const manyCells = ({ board }: { board: Board }) => ({
    '/': () =>
      ids(150)
        .map((id) => board.cell(id))
        .join(''),
  })

  test('H-04 150 cells with a connection each: one request, all of them live, and a click is answered within 100 ms', async () => {
    await using room = await openRoom({ htmx }, manyCells)
    const { site, board } = room
    const tab = await room.open()
    await room.live(tab, 150)
    const stop = keepCounting(board, ids(150), 50)
    const took: number[] = []
    for (let i = 0; i < 7; i++) took.push(await tab.ask())
    await stop()
    await expectCells(tab, room, ids(150))
    console.log(`htmx ${htmx}: clicks while 150 cells change: ${took.map(Math.round)} ms`)
    expect(median(took)).toBeLessThan(100)
    expect(board.value('1')).toBeGreaterThan(3)
    expect(site.requests).toHaveLength(1)
    expect(site.requests[0]).toMatchObject({ method: 'POST', path: '/stream' })
    expect(new Set(site.requests[0]?.follow.map(({ address }) => address)).size).toBe(150)
    expect(site.hub.stats()).toMatchObject({ active: 1, topics: 150 })
    // Each element was told once, all of the same connection.
    const told = await tab.told('headwater:open')
    expect(new Set(told.map(({ id }) => id)).size).toBe(150)
    expect(told).toHaveLength(150)
    expect(new Set(told.map(({ detail }) => detail.connection)).size).toBe(1)
    await room.end()
  })

  test('H-04 where there is no SharedWorker each tab has one stream', async () => {
    await using room = await openRoom({ htmx, worker: false }, manyCells)
    const { site, board } = room
    const first = await room.open()
    await room.live(first, 150)
    expect(site.requests).toHaveLength(1)
    const second = await room.open()
    await room.live(second, 150)
    expect(site.requests).toHaveLength(2)
    await until(() => site.hub.stats().active === 2)
    await Promise.all(ids(150).map((id) => board.count(id)))
    for (const tab of [first, second]) {
      await expectCells(tab, room, ids(150))
      expect(await tab.ask()).toBeLessThan(1_000)
    }
    await first.page.close()
    await until(() => site.hub.stats().active === 1)
    await room.end()
  })

  test('H-04 twelve tabs of one profile share one stream, and each of them still navigates', async () => {
    await using room = await openRoom({ htmx }, ({ board }) => ({
      '/': async () => board.cell('1') + board.cell('2') + (await board.list('1')),
      '/other': () => '<p id="other">other</p>',
    }))
    const { site, board, proxy } = room
    const tabs: Tab[] = []
    for (let i = 1; i <= 12; i++) {
      tabs.push(await room.open())
      // A late tab begins with what it was rendered with, and misses nothing from there.
      await board.count('1')
      await board.say('1')
    }
    for (const tab of tabs) {
      await expectCell(tab, '1', 12)
      await expectLines(tab, '#lines-1', numbers(1, 12))
    }
    expect(site.opens).toHaveLength(1)
    expect(site.hub.stats()).toMatchObject({ active: 1, topics: 3 })
    expect(proxy.streams).toBe(1)
    for (const tab of tabs) expect(await tab.ask()).toBeLessThan(1_000)
    // Half of them leave; the others go on over the same stream.
    for (const tab of tabs.slice(0, 6)) {
      await tab.page.goto(`${proxy.url}/other`)
      expect(await tab.text('#other')).toBe('other')
    }
    await Promise.all([board.count('2'), board.say('1', 3)])
    for (const tab of tabs.slice(6)) {
      await expectCell(tab, '2', 1)
      await expectLines(tab, '#lines-1', numbers(1, 15))
    }
    expect(site.opens).toHaveLength(1)
    // What no tab shows any more is given up, and with the last tab the stream.
    for (const tab of tabs.slice(6)) await tab.page.goto(`${proxy.url}/other`)
    await until(() => site.hub.stats().active === 0)
    await room.end()
  })

  test('H-04 subscriptions follow the rows: added by a response and by a patch, removed by both and by a script', async () => {
    const row = (board: Board, id: string) =>
      `<tr id="row-${id}">${board.cell(id, { as: 'td' })}</tr>`
    await using room = await openRoom({ htmx }, ({ board }) => ({
      '/': () => (
        <>
          <Connected to={board.cells.address(['main'])}>
            {board.cell('main', { connect: false })}
          </Connected>
          <table>
            <tbody id="rows">{['1', '2', '3'].map((id) => row(board, id)).join('')}</tbody>
          </table>
          <button id="add" type="button" hx-post="/add" hx-target="#rows" hx-swap="beforeend">
            add
          </button>
          <button id="remove" type="button" hx-delete="/remove" hx-target="#row-2" hx-swap="delete">
            remove
          </button>
        </>
      ),
      '/add': () => row(board, '4'),
      '/remove': () => '',
    }))
    const { site, board } = room
    const tab = await room.open()
    await room.live(tab, 4)
    expect(site.hub.stats()).toMatchObject({ active: 1, topics: 5 })

    await tab.page.click('#add')
    await until(() => isViewed(room, '4'), { what: 'the row of the response to be followed' })
    await board.count('4')
    await expectCell(tab, '4', 1)

    await board.count('5')
    await board.cells.patch('main', swap.beforeend('#rows', row(board, '5')))
    await until(() => isViewed(room, '5'), { what: 'the row of the patch to be followed' })
    await board.count('5')
    await expectCell(tab, '5', 2)

    await board.cells.patch('main', swap.delete('#row-4'))
    await until(() => !isViewed(room, '4'), { what: 'the row that a patch removed to be given up' })
    await tab.page.click('#remove')
    await until(() => !isViewed(room, '2'), { what: 'the row that a click removed to be given up' })
    await tab.page.$eval('#row-3', (row) => row.remove())
    // Stock htmx 2 notices what a script removed when the next event comes for it.
    await board.count('3')
    await until(() => !isViewed(room, '3'), {
      what: 'the row that a script removed to be given up',
    })

    // Forty more come and go; what is left is what is shown.
    for (let i = 10; i < 50; i++) {
      await board.cells.patch('main', swap.beforeend('#rows', row(board, String(i))))
    }
    await until(() => site.hub.stats().topics === 44, { what: '44 topics' })
    await Promise.all(numbers(10, 49).map((i) => board.count(String(i))))
    await expectCell(tab, '49', 1)
    for (let i = 10; i < 50; i++) await board.cells.patch('main', swap.delete(`#row-${i}`))
    await until(() => site.hub.stats().topics === 4, { what: '4 topics' })
    await Promise.all(['1', '5', 'main'].map((id) => board.count(id)))
    await expectCell(tab, '1', 1)
    await expectCell(tab, '5', 3)
    await expectCell(tab, 'main', 1)
    expect(site.opens).toHaveLength(1)
    expect(site.hub.stats().active).toBe(1)
    await room.end()
  })

  test('H-04 a row that arrives by a response misses nothing that is published between its rendering and its registration', async () => {
    const rendered = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    await using room = await openRoom({ htmx }, ({ board }) => ({
      '/': async () => (
        <>
          {board.cell('1')}
          {await board.list('1')}
          <div id="late" />
          <button id="add" type="button" hx-post="/late" hx-target="#late" hx-swap="innerHTML">
            add
          </button>
        </>
      ),
      '/late': async () => {
        const row = (await board.list('late')) + board.cell('late')
        rendered.resolve()
        await released.promise
        return row
      },
    }))
    const { site, board } = room
    const tab = await room.open()
    await room.live(tab, 2)
    await board.say('late', 3)
    await tab.page.click('#add')
    await rendered.promise
    // The live stream goes on beyond where the row begins.
    for (let i = 0; i < 5; i++) {
      await board.say('late')
      await board.count('late')
      await board.say('1')
      await board.count('1')
    }
    await expectCell(tab, '1', 5)
    await expectLines(tab, '#lines-1', numbers(1, 5))
    released.resolve()
    // And while it is registered.
    for (let i = 0; i < 20; i++) {
      await board.say('late')
      await board.say('1')
      await Bun.sleep(2)
    }
    await expectLines(tab, '#lines-late', numbers(1, 28))
    await expectLines(tab, '#lines-1', numbers(1, 25))
    await expectCell(tab, 'late', 5)
    expect(await tab.added('lines-late')).toEqual(numbers(4, 28))
    // What was live already was not sent again.
    expect(await tab.added('lines-1')).toEqual(numbers(1, 25))
    expect(site.opens).toHaveLength(1)
    await room.end()
  })

  test('H-04 an entity that is finished closes its own cell only', async () => {
    await using room = await openRoom({ htmx }, ({ board }) => ({
      '/': () => ['1', '2', '3'].map((id) => board.cell(id)).join(''),
    }))
    const { site, board } = room
    const tab = await room.open()
    await room.live(tab, 3)
    await Promise.all(['1', '2', '3'].map((id) => board.count(id)))
    await expectCell(tab, '2', 1)
    await board.count('2')
    await board.finish('2')
    await until(async () => (await tab.told('headwater:closed')).length > 0)
    expect(await tab.told('headwater:closed')).toMatchObject([
      { id: 'cell-2', detail: { reason: 'done' } },
    ])
    await expectCell(tab, '2', 2)
    await until(() => !isViewed(room, '2'))
    const before = site.opens.length
    for (const id of ['1', '3']) {
      await board.count(id)
      await expectCell(tab, id, 2)
    }
    expect(await tab.told('headwater:closed')).toHaveLength(1)
    // Whoever comes back does not ask for what is closed.
    room.proxy.cut('streams')
    await until(() => site.opens.length > before)
    expect(
      site.opens
        .at(-1)
        ?.follow.map(({ address }) => /id=(\d)/.exec(address)?.[1])
        .sort(),
    ).toEqual(['1', '3'])
    await board.count('3')
    await expectCell(tab, '3', 3)
    if (htmx === 2) {
      const names = async (name: string) => (await tab.told(name)).map(({ id }) => id)
      expect((await names('htmx:sseOpen')).slice(0, 3).sort()).toEqual([
        'cell-1',
        'cell-2',
        'cell-3',
      ])
      expect(await names('htmx:sseClose')).toEqual(['cell-2'])
      expect((await tab.told('htmx:sseClose'))[0]?.detail.type).toBe('message')
      const messages = await tab.told('htmx:sseMessage')
      expect(messages.filter(({ id }) => id === 'cell-1')).toHaveLength(2)
      expect(messages[0]?.detail).toMatchObject({ type: 'cell:1:value', data: '<b>1</b>' })
    }
    await room.end()
  })

  test('H-11 an element asks when its event comes: hx-trigger="sse:…"', async () => {
    let asked = 0
    await using room = await openRoom({ htmx }, ({ board }) => ({
      '/': () => (
        <div hx-ext="sse" sse-connect={board.cells.address(['1'], 'value')}>
          {board.cell('1', { connect: false })}
          <p
            id="heard"
            hx-get="/heard"
            hx-trigger="sse:cell:1:value"
            hx-target="this"
            hx-swap="innerHTML"
          />
        </div>
      ),
      '/heard': () => `<i>${++asked}</i>`,
    }))
    const tab = await room.open()
    await room.live(tab)
    for (let i = 1; i <= 3; i++) {
      await room.board.count('1')
      await until(async () => (await tab.text('#heard')) === String(i))
      await expectCell(tab, '1', i)
    }
    expect(asked).toBe(3)
    await room.end()
  })

  test('H-11 patches are applied once a page and in order with the streams, with several connected parents', async () => {
    await using room = await openRoom({ htmx }, ({ board }) => ({
      '/': () => (
        <>
          <Connected to={board.cells.all()}>
            <ul id="rows" />
          </Connected>
          <Connected to={board.cells.address(['1'])}>
            {board.cell('1', { connect: false })}
          </Connected>
        </>
      ),
    }))
    const { board, site } = room
    const tab = await room.open()
    await room.live(tab, 2)
    for (let i = 1; i <= 5; i++) {
      const row = `<li>${i}</li><li>${board.cell(`new-${i}`, { connect: false })}</li>`
      void board.cells.patch('1', swap.beforeend('#rows', row))
      await board.count(`new-${i}`)
      await board.count('1')
    }
    for (let i = 1; i <= 5; i++) await expectCell(tab, `new-${i}`, 1)
    await expectCell(tab, '1', 5)
    expect(await tab.page.$$eval('#rows > li', (all) => all.length)).toBe(10)
    expect(site.opens).toHaveLength(1)
    await room.end()
  })
})
