/**
 * What people are told about the connection, and when they are left in peace.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { ConnectionStatus } from '../../components'
import { closeBrowser, until } from '../support/browser'
import type { Tab } from '../support/runtime-page'
import { expectCell, openRoom } from '../support/runtime-room'

setDefaultTimeout(40_000)
afterAll(closeBrowser)

const status = '[aria-live=polite]'

/** For how long nothing is said, in milliseconds. */
const quiet = 3_000

/** What it says next, other than now. */
async function says(tab: Tab, words: RegExp): Promise<string> {
  const text = () => tab.text(status)
  await until(async () => words.test((await text()) ?? ''), { timeout: 12_000, what: `${words}` })
  return (await text()) as string
}

/** Notes every text that the status has, with the time since the page was asked for. */
function noteWords(tab: Tab): Promise<void> {
  return tab.page.evaluate((selector) => {
    const kept = globalThis as unknown as { words: [string, number][] }
    const element = document.querySelector(selector) as Element
    kept.words = [[element.textContent?.trim() ?? '', performance.now()]]
    const note = () => kept.words.push([element.textContent?.trim() ?? '', performance.now()])
    new MutationObserver(note).observe(element, {
      childList: true,
      characterData: true,
      subtree: true,
    })
  }, status)
}

const wordsOf = ({ page }: Tab) =>
  page.evaluate(() => (globalThis as unknown as { words: [string, number][] }).words)

// These mostly wait for time to pass.
describe.concurrent.each([2, 4] as const)('htmx %d', (htmx) => {
  test('ConnectionStatus is quiet for 3 s, then says connected, reconnecting with the attempt, offline', async () => {
    await using room = await openRoom({ htmx, limits: { retry: 20 } }, ({ board }) => ({
      '/': () => (
        <>
          <ConnectionStatus />
          {board.cell('1')}
        </>
      ),
    }))
    const { site, proxy, profile, board } = room
    const tab = await room.open()
    await noteWords(tab)
    await room.live(tab)
    await says(tab, /\bconnected/i)
    const [first, second] = await wordsOf(tab)
    expect(first?.[0]).toBe('')
    expect(second?.[1]).toBeWithin(quiet - 50, quiet + 1_500)

    // A cut that is over soon is nobody's business.
    proxy.cut('streams')
    await until(() => site.opens.length === 2)
    await board.count('1')
    await expectCell(tab, '1', 1)
    expect((await wordsOf(tab)).filter(([words]) => /reconnecting|offline/i.test(words))).toEqual(
      [],
    )

    site.intercept = () => new Response('busy', { status: 503 })
    proxy.cut('streams')
    expect(Number(/\d+/.exec(await says(tab, /reconnecting.*\d/i)))).toBeGreaterThan(1)
    site.intercept = undefined
    await says(tab, /\bconnected/i)

    await profile.context.setOffline(true)
    proxy.down()
    await says(tab, /offline/i)
    proxy.up()
    await profile.context.setOffline(false)
    await says(tab, /\bconnected/i)
    expect(await tab.page.$$(status)).toHaveLength(1)
    await room.end()
  })

  test('ConnectionStatus says refused and closed', async () => {
    await using room = await openRoom({ htmx }, ({ board }) => ({
      '/refused': () => (
        <>
          <ConnectionStatus />
          {board.cell('1').replace(/sig=[\w-]+/, 'sig=forged')}
        </>
      ),
      '/closed': () => (
        <>
          <ConnectionStatus />
          {board.cell('2')}
        </>
      ),
    }))
    const refused = await room.open('/refused')
    const closed = await room.open('/closed')
    await room.live(closed)
    await room.board.finish('2')
    const words = [await says(refused, /\S/), await says(closed, /closed|over|end/i)]
    expect(words[0]).not.toMatch(/connect/i)
    expect(words[0]).not.toBe(words[1] as string)
    await room.end()
  })
})
