/**
 * The runtime finds htmx, and what stands on the page, in whatever order the scripts come.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { closeBrowser, until } from '../support/browser'
import { expectCell, openRoom } from '../support/runtime-room'

setDefaultTimeout(30_000)
afterAll(closeBrowser)

const ours = /<script[^>]*headwater\.js[^>]*><\/script>/

/** Puts the runtime before htmx. */
function first(head: string): string {
  const [script] = ours.exec(head) ?? []
  if (!script) throw new Error(`The runtime is not in the head: ${head}`)
  return head.replace(ours, '').replace('<script', `${script}<script`)
}

/** Lets scripts run where they stand. */
const atOnce = (head: string) => head.replaceAll(' defer', '')

const orders: Record<string, (head: string) => string> = {
  'after htmx': (head) => head,
  'before htmx': first,
  'after htmx, without defer': atOnce,
  'before htmx, without defer': (head) => atOnce(first(head)),
}

describe.each([2, 4] as const)('htmx %d', (htmx) => {
  test.each(Object.keys(orders))('H-11 the script stands %s', async (order) => {
    await using room = await openRoom({ htmx, head: orders[order] }, ({ board }) => ({
      '/': () => board.cell('1'),
    }))
    const tab = await room.open()
    await room.live(tab)
    await room.board.count('1')
    await expectCell(tab, '1', 1)
    expect(room.site.requests.map(({ method }) => method)).toEqual(['POST'])
    await room.end()
  })

  test.each(['headwater.js', htmx === 2 ? 'sse.js' : 'htmx4.js'])(
    'H-11 %s comes late',
    async (late) => {
      const file = (name: string) => name === late && Bun.sleep(300)
      await using room = await openRoom({ htmx, file }, ({ board }) => ({
        '/': () => board.cell('1'),
      }))
      const tab = await room.open()
      await room.live(tab)
      await room.board.count('1')
      await expectCell(tab, '1', 1)
      await until(() => room.site.hub.stats().active === 1)
      expect(room.site.requests.map(({ method }) => method)).toEqual(['POST'])
      await room.end()
    },
  )
})
