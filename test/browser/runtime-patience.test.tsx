/**
 * What takes its time: refusals that are over, or not, and a worker that says nothing.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { closeBrowser, until } from '../support/browser'
import type { Board } from '../support/runtime-board'
import { openProfile } from '../support/runtime-page'
import { expectCell, expectClean, expectLines, numbers, openRoom } from '../support/runtime-room'
import { hangWorker } from '../support/runtime-worker'

setDefaultTimeout(90_000)
afterAll(closeBrowser)

const cellAndList = ({ board }: { board: Board }) => ({
  '/': async () => board.cell('1') + (await board.list('1')),
})

const busy = () => new Response('<b>too busy</b>', { status: 503 })

// All at once: they mostly wait.
describe.concurrent.each([2, 4] as const)('htmx %d', (htmx) => {
  test('H-06 a 503 for five seconds, at the first connect and in mid-stream: it is retried at growing intervals, its body is never shown, nothing is lost', async () => {
    await using fresh = await openRoom({ htmx, limits: { retry: 50 } }, cellAndList)
    await using live = await openRoom({ htmx, limits: { retry: 50 } }, cellAndList)
    const tab = await live.open()
    await live.live(tab, 2)
    await live.board.say('1', 3)
    await expectLines(tab, '#lines-1', numbers(1, 3))
    for (const { site } of [fresh, live]) site.intercept = busy
    live.proxy.cut('streams')
    const late = await fresh.open()
    const until5 = Date.now() + 5_000
    const bodies: (string | null)[] = []
    while (Date.now() < until5) {
      for (const { board } of [fresh, live]) {
        await board.say('1')
        await board.count('1')
      }
      bodies.push(await tab.page.textContent('body'), await late.page.textContent('body'))
      await Bun.sleep(250)
    }
    const tried = { fresh: fresh.site.requests.length, live: live.site.requests.length - 1 }
    for (const { site } of [fresh, live]) site.intercept = undefined
    const counted = [fresh, live].map(({ board }) => board.last('1'))
    // The next try may be as far away as the longest backoff.
    await expectLines(late, '#lines-1', numbers(1, counted[0] as number), 31_000)
    await expectLines(tab, '#lines-1', numbers(1, counted[1] as number), 31_000)
    await expectCell(late, '1', fresh.board.value('1'))
    await expectCell(tab, '1', live.board.value('1'))
    expect(bodies.join()).not.toContain('too busy')
    expect(await late.added('lines-1')).toEqual(numbers(1, counted[0] as number))
    expect(await tab.added('lines-1')).toEqual(numbers(1, counted[1] as number))
    for (const one of [tab, late]) {
      const retries = await one.told('headwater:retry')
      expect(retries.some(({ detail }) => detail.status === 503)).toBe(true)
      const attempts = retries
        .filter(({ id }) => id === 'cell-1')
        .map(({ detail }) => detail.attempt)
      expect(attempts).toEqual(attempts.toSorted((a = 0, b = 0) => a - b))
    }
    console.log(
      `htmx ${htmx}: tries in 5 s of 503, first connect ${tried.fresh}, mid-stream ${tried.live}`,
    )
    // With a base of 1 s and of 50 ms, each interval drawn from twice what the last one was drawn from.
    expect(tried.fresh).toBeWithin(2, 12)
    expect(tried.live).toBeWithin(4, 60)
    for (const room of [fresh, live]) {
      expect(room.site.hub.stats().active).toBe(1)
      await room.end()
    }
  })

  test('H-06 204, 401, 403 and 410 are final: each element is told, and nobody asks again', async () => {
    const statuses = [204, 401, 403, 410]
    await using room = await openRoom({ htmx, limits: { retry: 20 } }, ({ board }) => ({
      '/': (_, url) => board.cell(url.searchParams.get('status') ?? '') + board.cell('also'),
    }))
    const { site } = room
    site.intercept = ({ follow }) => {
      const status = statuses.find((one) =>
        follow.some(({ address }) => address.includes(`id=${one}`)),
      )
      return status ? new Response(status === 204 ? null : 'not for you', { status }) : undefined
    }
    // A profile each: one worker would join what they ask for.
    const profiles = await Promise.all(statuses.map(() => openProfile()))
    const tabs = await Promise.all(
      statuses.map((status, i) => profiles[i]?.open(`${room.proxy.url}/?status=${status}`)),
    )
    for (const [i, status] of statuses.entries()) {
      const tab = tabs[i]
      if (!tab) throw new Error('There is no tab')
      const name = status === 204 ? 'headwater:closed' : 'headwater:refused'
      await until(async () => (await tab.told(name)).length === 2, { what: `${name} of ${status}` })
      expect(await tab.told(name)).toMatchObject([
        { id: `cell-${status}`, detail: { status } },
        { id: 'cell-also', detail: { status } },
      ])
    }
    // A worker that begins late, on a busy machine, asks once more than its page alone.
    const asked = site.requests.length
    expect(asked).toBeWithin(4, 9)
    // Not even when the page is told that it is back; three times the longest first backoff.
    for (const tab of tabs) await tab?.page.evaluate(() => dispatchEvent(new Event('online')))
    await Bun.sleep(3_000)
    expect(site.requests).toHaveLength(asked)
    for (const tab of tabs) {
      if (!tab) continue
      expect(await tab.page.textContent('body')).not.toContain('not for you')
      expect(await tab.told('headwater:open')).toEqual([])
      expect(await tab.told('headwater:retry')).toEqual([])
      expectClean(tab)
    }
    for (const profile of profiles) await profile.close()
    await room.end()
  })

  test('H-04 a worker that hangs is given up, and each tab has a stream of its own', async () => {
    await using room = await openRoom(
      { htmx, limits: { heartbeat: 300, retry: 20 } },
      ({ board }) => ({ '/': () => board.list('1') }),
    )
    const { board } = room
    const tabs = [await room.open(), await room.open()]
    for (const tab of tabs) await room.live(tab)
    await board.say('1', 3)
    for (const tab of tabs) await expectLines(tab, '#lines-1', numbers(1, 3))
    await hangWorker(room)
    await board.say('1', 3)
    for (const tab of tabs) {
      await expectLines(tab, '#lines-1', numbers(1, 6))
      expect(await tab.added('lines-1')).toEqual(numbers(1, 6))
    }
    await board.say('1')
    for (const tab of tabs) await expectLines(tab, '#lines-1', numbers(1, 7))
    await room.end()
  })
})
