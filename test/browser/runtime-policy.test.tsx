/**
 * Strict policies with the runtime, and the same pages without it.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Connected } from '../../components'
import { MultiStreamManager, swap } from '../../src'
import { closeBrowser, until } from '../support/browser'
import { expectCell, expectLines, numbers, openRoom } from '../support/runtime-room'
import type { Routes, RuntimeSite } from '../support/runtime-site'

setDefaultTimeout(30_000)
afterAll(closeBrowser)

/** A page with everything on it: cells, lines, patches, late rows, a field in a slot. */
function everything({ hub, board }: Pick<RuntimeSite, 'hub' | 'board'>): Routes {
  const field = { id: '1', n: 0 }
  const fields = new MultiStreamManager<typeof field>(hub, {
    name: 'field',
    getEntity: () => ({ ...field, n: board.value('1') }),
  }).register({
    name: 'form',
    kind: 'state',
    swap: 'morph',
    render: ({ n }) => `<i>${n}</i><input name="typed">`,
  })
  return {
    '/': async () => (
      <>
        <Connected to={board.cells.all()}>
          {board.cell('1', { connect: false })}
          <ul id="rows" />
        </Connected>
        {board.list('1')}
        {fields.element('1', 'form', {
          as: 'div',
          id: 'form',
          content: await fields.initial({ ...field }, 'form'),
        })}
        <button id="add" type="button" hx-post="/add" hx-target="#rows" hx-swap="beforeend">
          add
        </button>
      </>
    ),
    '/add': () => `<li>${board.cell('late')}</li>`,
    '/change': async () => {
      await fields.publish('1', 'form', { ...field, n: board.value('1') })
      return 'changed'
    },
  }
}

describe.each([2, 4] as const)('htmx %d', (htmx) => {
  test.each(['self', 'nonce', 'nonce without worker'] as const)(
    'H-13 a page with everything on it keeps to a strict policy: %s',
    async (policy) => {
      await using room = await openRoom({ htmx, policy, limits: { retry: 20 } }, everything)
      const { board, site } = room
      const tab = await room.open()
      await room.live(tab, 3)
      await tab.page.fill('[name=typed]', 'typed')
      for (let i = 1; i <= 3; i++) {
        await board.count('1')
        await board.say('1')
        await board.cells.patch('1', swap.beforeend('#rows', `<li class="patch">${i}</li>`))
        await fetch(`${site.url}/change`)
      }
      await tab.page.click('#add')
      await until(() => tab.page.$('#cell-late'))
      await room.live(tab, 4)
      await board.count('late')
      await expectCell(tab, '1', 3)
      await expectCell(tab, 'late', 1)
      await expectLines(tab, '#lines-1', numbers(1, 3))
      await until(async () => (await tab.text('#form > i')) === '3')
      expect(await tab.page.inputValue('[name=typed]')).toBe('typed')
      expect(await tab.page.$$eval('.patch', (all) => all.length)).toBe(3)
      expect(await tab.ask()).toBeLessThan(1_000)
      expect(site.opens).toHaveLength(1)
      if (policy === 'nonce without worker') {
        // The browser says so where it may start no worker; the page has a stream of its own then.
        expect(tab.violations.filter((what) => !/worker/i.test(what))).toEqual([])
        tab.violations.length = 0
        tab.errors.length = 0
      } else expect(tab.errors).toEqual([])
      await room.end()
    },
  )
})

test('H-11 without the runtime the page works on stock htmx 2 and its extension', async () => {
  await using room = await openRoom({ htmx: 2, runtime: false, limits: { retry: 20 } }, everything)
  const { board, site, proxy } = room
  const tab = await room.open()
  await until(() => site.hub.stats().active === 3)
  const round = async (n: number) => {
    await board.count('1')
    await board.say('1')
    await board.cells.patch('1', swap.beforeend('#rows', `<li class="patch">${n}</li>`))
    await fetch(`${site.url}/change`)
    await expectCell(tab, '1', n)
    await expectLines(tab, '#lines-1', numbers(1, n))
    // Stock htmx does not know the morph swap, and puts in what there is.
    await until(async () => (await tab.text('#form > i')) === String(n))
    await until(async () => (await tab.page.$$('.patch')).length === n)
  }
  await round(1)
  await tab.page.click('#add')
  await until(() => site.hub.stats().active === 4)
  await board.count('late')
  await expectCell(tab, 'late', 1)
  proxy.cut('streams')
  await round(2)
  await until(() => site.hub.stats().active === 4)
  await round(3)
  expect(site.requests.every(({ method }) => method === 'GET')).toBe(true)
  expect(await tab.told('headwater:open')).toEqual([])
  expect((await tab.told('htmx:sseOpen')).length).toBeGreaterThanOrEqual(4)
  expect(await tab.ask()).toBeLessThan(1_000)
  await room.end()
})
