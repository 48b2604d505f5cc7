/**
 * One stream for all tabs of a browser, whatever becomes of its worker, of its tabs and of who is signed in.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Connected } from '../../components'
import { swap } from '../../src'
import { closeBrowser, until } from '../support/browser'
import { expectCell, expectLines, numbers, openRoom } from '../support/runtime-room'
import { askWorker, killWorker } from '../support/runtime-worker'

setDefaultTimeout(30_000)
afterAll(closeBrowser)

describe.each([2, 4] as const)('htmx %d', (htmx) => {
  test('H-04 the worker is killed twice, and the tab that opened it is closed: over 50 lines nothing is lost or doubled, and there is one stream', async () => {
    await using room = await openRoom(
      { htmx, limits: { heartbeat: 300, retry: 20 } },
      ({ board }) => ({
        '/': async () => board.cell('1') + (await board.list('1')),
      }),
    )
    const { site, board } = room
    const first = await room.open()
    await room.live(first, 2)
    const others = [await room.open(), await room.open()]
    for (const tab of others) await room.live(tab, 2)
    expect(site.hub.stats().active).toBe(1)
    for (let i = 1; i <= 50; i++) {
      await board.say('1')
      await board.count('1')
      // The second time its last words are hardly out.
      if (i === 10 || i === 20) await killWorker(room)
      if (i === 10) await expectLines(first, '#lines-1', numbers(1, 10))
      if (i === 15)
        for (const tab of [first, ...others]) await expectLines(tab, '#lines-1', numbers(1, 15))
      if (i === 35) {
        for (const tab of [first, ...others]) await expectLines(tab, '#lines-1', numbers(1, 35))
        await until(() => site.hub.stats().active === 1)
        const before = site.opens.length
        await first.page.close()
        await board.say('1')
        for (const tab of others) await expectLines(tab, '#lines-1', numbers(1, 36))
        expect(site.opens).toHaveLength(before)
        i++
      }
    }
    for (const tab of others) {
      await expectLines(tab, '#lines-1', numbers(1, 50))
      await expectCell(tab, '1', board.value('1'))
      expect(await tab.added('lines-1')).toEqual(numbers(1, 50))
    }
    expect(site.hub.stats()).toMatchObject({ active: 1, topics: 2 })
    await room.end()
  })

  test('H-04 tabs that share a stream are given the patches of what they follow, and no others; what is for all reaches all', async () => {
    await using room = await openRoom({ htmx, limits: { retry: 20 } }, ({ board: { cells } }) => ({
      '/': (_, url) => (
        <Connected to={cells.address([url.searchParams.get('id') ?? ''])}>
          <p id="note">none</p>
        </Connected>
      ),
    }))
    const { site, board } = room
    const tabs = [await room.open('/?id=1'), await room.open('/?id=2')]
    for (const tab of tabs) await room.live(tab)
    expect(site.hub.stats().active).toBe(1)
    const notes = () => Promise.all(tabs.map((tab) => tab.text('#note')))
    await board.cells.patch('1', swap.innerHTML('#note', 'of one'))
    await board.cells.patch('2', swap.innerHTML('#note', 'of two'))
    await until(async () => (await notes()).join() === 'of one,of two')
    await board.cells.patch('1', swap.beforeend('#note', '!'))
    await until(async () => (await notes()).join() === 'of one!,of two')
    await site.hub.broadcast('**', swap.beforeend('#note', ' all'))
    await until(async () => (await notes()).join() === 'of one! all,of two all')
    await room.end()
  })

  test('H-04 a page that is left while the worker has much to do leaves no stream open', async () => {
    const { promise: isBusy, resolve: busy } = Promise.withResolvers<void>()
    await using room = await openRoom({ htmx, limits: { retry: 20 } }, ({ board }) => ({
      '/': async () => board.cell('1') + (await board.list('1')),
      '/other': () => '<p id="other">other</p>',
      '/busy': () => {
        busy()
        return ''
      },
    }))
    const { site, board, proxy } = room
    const tab = await room.open()
    await room.live(tab, 2)
    await board.say('1', 3)
    await expectLines(tab, '#lines-1', numbers(1, 3))
    const ask = await askWorker(room)
    const expression = "fetch('/busy'); for (const end = Date.now() + 1000; Date.now() < end;);"
    void ask('Runtime.evaluate', { expression })
    await isBusy
    await tab.page.goto(`${proxy.url}/other`)
    await until(() => site.hub.stats().active === 0, { what: 'the stream to be given up' })
    await board.say('1', 4)
    await tab.page.goBack({ waitUntil: 'commit' })
    await expectLines(tab, '#lines-1', numbers(1, 7))
    await room.end()
  })

  /** Pages of who is signed in by a cookie: the viewer's own list. */
  const openSignedRoom = () =>
    openRoom(
      { htmx, limits: { retry: 20 }, viewer: (request) => userOf(request) },
      ({ hub, board }) => ({
        '/': async (request) => board.list(userOf(request) ?? 'nobody'),
        '/in': (_, url) => signedIn(url.searchParams.get('user') ?? ''),
        '/out': async (request) => {
          await hub.revoke({ viewer: userOf(request) as string })
          return signedIn('')
        },
      }),
    )

  test('H-04 who signs in as somebody else never shares the stream of before; a cut tells the old tab that it is refused', async () => {
    await using room = await openSignedRoom()
    const { site, board, proxy } = room
    const old = await room.open('/in?user=ann')
    await room.live(old)
    const sibling = await room.open()
    await room.live(sibling)
    await board.say('ann', 2)
    for (const tab of [old, sibling]) await expectLines(tab, '#lines-ann', [1, 2])
    expect(site.opens).toHaveLength(1)

    const next = await room.open('/in?user=bob')
    await room.live(next)
    expect(site.opens).toHaveLength(2)
    expect(site.opens[1]?.headers.get('cookie')).toContain('user=bob')
    for (const { headers, follow } of site.requests) {
      const user = headers.get('cookie')?.slice('user='.length)
      expect(follow.every(({ address }) => address.includes(`id=${user}`))).toBe(true)
    }
    expect(site.hub.stats().active).toBe(2)
    await board.say('bob', 2)
    await expectLines(next, '#lines-bob', [1, 2])

    // The old tabs would come back with the new cookie.
    proxy.cut('streams')
    for (const tab of [old, sibling]) {
      await until(async () => (await tab.told('headwater:refused')).length === 1)
      expect(await tab.told('headwater:refused')).toMatchObject([
        { id: 'lines-ann', detail: { status: 403 } },
      ])
    }
    await until(() => site.hub.stats().active === 1)
    const before = site.requests.length
    await Promise.all([board.say('ann'), board.say('bob')])
    await expectLines(next, '#lines-bob', [1, 2, 3])
    for (const tab of [old, sibling]) expect(await tab.lines('#lines-ann')).toEqual([1, 2])
    expect(await next.text('body')).not.toContain('ann')
    expect(site.requests).toHaveLength(before)
    await room.end()
  })

  test('H-04 who signs out is told so in every tab, and the next one has a stream of their own', async () => {
    await using room = await openSignedRoom()
    const { site, board } = room
    const old = await room.open('/in?user=ann')
    await room.live(old)
    const leaving = await room.open()
    await room.live(leaving)
    await board.say('ann', 2)
    await expectLines(old, '#lines-ann', [1, 2])
    await leaving.page.goto(`${room.proxy.url}/out`)
    await until(async () => (await old.told('headwater:refused')).length === 1)
    expect((await old.told('headwater:refused'))[0]).toMatchObject({ id: 'lines-ann' })
    expect([401, 403]).toContain((await old.told('headwater:refused'))[0]?.detail.status as number)
    await leaving.page.goto(`${room.proxy.url}/in?user=bob`)
    await room.live(leaving)
    await Promise.all([board.say('ann'), board.say('bob', 2)])
    await expectLines(leaving, '#lines-bob', [1, 2])
    expect(await old.lines('#lines-ann')).toEqual([1, 2])
    expect(site.opens.at(-1)?.headers.get('cookie')).toContain('user=bob')
    expect(site.opens.at(-1)?.follow.every(({ address }) => address.includes('bob'))).toBe(true)
    // The page of nobody in between had none of these streams.
    expect(site.hub.stats()).toMatchObject({ topics: 1 })
    await room.end()
  })
})

function userOf({ headers }: Request): string | undefined {
  return /user=(\w+)/.exec(headers.get('cookie') ?? '')?.[1]
}

/** Goes to the front page, with that user's cookie. */
function signedIn(user: string): Response {
  const location = user ? '/' : '/answer'
  return new Response(null, {
    status: 303,
    headers: { location, 'set-cookie': `user=${user}; path=/; httponly; samesite=lax` },
  })
}
