/** @jsxImportSource @kitajs/html */
/**
 * What a streamed text costs the page: held to the clock, so it runs alone.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { TextStream } from '../../components'
import { textStream } from '../../src'
import { asTopic } from '../../src/topic'
import { closeBrowser, until } from '../support/browser'
import { openTextRoom, type TextRoom } from '../support/text-room'

setDefaultTimeout(60_000)
afterAll(closeBrowser)

/** A text in a box that scrolls. */
const boxed = ({ hub }: Pick<TextRoom, 'hub'>) => (
  <div class="scrolls">
    <TextStream stream={textStream(hub, 'a')} />
  </div>
)

describe.each([
  [2, true],
  [4, false],
] as const)('htmx %d, runtime %p', (htmx, runtime) => {
  test('D-11 twice as many tokens are twice the work of the main thread', async () => {
    await using room = await openTextRoom({ htmx, runtime }, boxed)
    const tab = await room.openTab()
    const cdp = await tab.page.context().newCDPSession(tab.page)
    await cdp.send('Performance.enable')
    const spent = async () => {
      const { metrics } = await cdp.send('Performance.getMetrics')
      return metrics.find(({ name }) => name === 'TaskDuration')?.value as number
    }
    /** Resolves in the page, for to look again and again is work as well. */
    const comesTo = (length: number) =>
      tab.page.evaluate(
        (length) =>
          new Promise<void>((resolve) => {
            const slot = document.querySelector('.hw-text-content') as Element
            let rest = length
            slot.closest('[data-stream]')?.addEventListener('stream:text', (event) => {
              rest -= (event as CustomEvent<{ text: string }>).detail.text.length
              if (rest === 0) resolve()
            })
          }),
        length,
      )
    const work = async (count: number) => {
      const tokens = Array.from({ length: count }, (_, i) => `${i}${i % 10 ? ' ' : '\n'}`)
      const whole = tokens.join('')
      await room.text('a').replace('')
      await until(async () => (await tab.shown('a')) === '')
      const isThere = comesTo(whole.length)
      const before = await spent()
      const sent: Promise<unknown>[] = []
      for (const [i, token] of tokens.entries()) {
        // Each one is an event of its own: nothing is joined on the way.
        sent.push(
          room.hub.append({ topic: asTopic('a'), kind: 'log', form: 'text', key: null }, token),
        )
        if (i % 100 === 99) await Bun.sleep(1)
      }
      await Promise.all(sent)
      await isThere
      const cost = (await spent()) - before
      expect(await tab.shown('a')).toBe(whole)
      return cost
    }
    await work(1_000)
    // Others use the machine, too: the least of some, taken in turn.
    let half = Number.POSITIVE_INFINITY
    let all = Number.POSITIVE_INFINITY
    for (let i = 0; i < 4; i++) {
      half = Math.min(half, await work(10_000))
      all = Math.min(all, await work(20_000))
    }
    // Were each token added to all before it, it would be four times.
    expect(all / half).toBeLessThan(2.8)
    expect(all / 20_000).toBeLessThan(0.001)
    const nodes = await tab.page.$eval('.hw-text-content', ({ childNodes }) => childNodes.length)
    expect(nodes).toBe(1)
    await room.end()
  })
})
