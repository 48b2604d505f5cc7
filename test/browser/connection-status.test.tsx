/** @jsxImportSource @kitajs/html */
/**
 * What `<ConnectionStatus>` says of what happens to the elements of a page, by a clock that the test turns.
 */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { ConnectionStatus } from '../../components'
import { asset } from '../../src/assets'
import { closeBrowser, html, javascript, newPage, serve } from '../support/browser'

setDefaultTimeout(20_000)
afterAll(closeBrowser)

/** A page with a status and 150 elements; `tell` has some of them told the same, as the runtime does. */
async function open(status: JSX.Element = <ConnectionStatus />) {
  const cells = Array.from({ length: 150 }, (_, i) => `<i id="e${i}"></i>`).join('')
  const site = serve((request) => {
    const { pathname } = new URL(request.url)
    if (pathname === '/status.js')
      return javascript(asset('status.js')?.bytes as Buffer<ArrayBuffer>)
    if (pathname === '/theme.css') {
      return new Response(asset('theme.css')?.bytes, { headers: { 'content-type': 'text/css' } })
    }
    return html(
      `<link rel="icon" href="data:,"><link rel="stylesheet" href="/theme.css"><script src="/status.js"></script>
      <div id="bar">${status}</div>${cells}`,
    )
  })
  const { page, seen } = await newPage()
  await page.clock.install({ time: 0 })
  await page.clock.pauseAt(1_000)
  await page.goto(site.url)
  const line = page.locator('.hw-connection')
  await page.evaluate(() => {
    const said: string[] = []
    const element = document.querySelector('.hw-connection') as Element
    new MutationObserver(() => said.push(element.textContent ?? '')).observe(element, {
      childList: true,
    })
    Object.assign(window, { said })
  })
  const tell = (name: string, detail: object = {}, from = 0, to = 150) =>
    page.evaluate(
      ([name, detail, from, to]) => {
        for (let i = from; i < to; i++) {
          const event = new CustomEvent(`headwater:${name}`, { bubbles: true, detail })
          document.querySelector(`#e${i}`)?.dispatchEvent(event)
        }
      },
      [name, detail, from, to] as const,
    )
  return {
    page,
    seen,
    tell,
    pass: (ms: number) => page.clock.runFor(ms),
    says: () => line.textContent(),
    state: () => line.getAttribute('data-state'),
    /** Every text that it had since the last time. */
    said: () => page.evaluate(() => (window as unknown as { said: string[] }).said.splice(0)),
  }
}

test('says nothing for 3 s, then one text for all elements, once', async () => {
  const { tell, pass, says, said, state, seen } = await open()
  await tell('open', { attempt: 0 })
  await pass(2_900)
  expect(await says()).toBe('')
  await pass(200)
  expect([await says(), await state()]).toEqual(['Connected', 'open'])
  await tell('open', { attempt: 0 })
  await pass(10_000)
  expect(await said()).toEqual(['Connected'])
  expect(seen.pageErrors).toEqual([])
})

test('a cut of less than 3 s is not told; a longer one is, with the attempt, until all are back', async () => {
  const { tell, pass, says, said, state } = await open()
  await tell('open')
  await pass(3_100)
  await tell('retry', { attempt: 1, delay: 500 })
  await pass(1_000)
  await tell('open', { attempt: 1 })
  await pass(5_000)
  expect(await said()).toEqual(['Connected', '', 'Connected'])

  await tell('stale', { silence: 37_500 })
  await pass(100)
  await tell('retry', { attempt: 1, delay: 500 })
  await pass(2_800)
  expect(await says()).toBe('')
  await pass(200)
  expect([await says(), await state()]).toEqual(['Reconnecting (attempt 1)', 'retry'])
  for (const attempt of [2, 3]) {
    await tell('retry', { attempt, delay: 500 })
    await pass(10)
    expect(await says()).toBe(`Reconnecting (attempt ${attempt})`)
  }
  await tell('open', { attempt: 3 }, 0, 149)
  await pass(10)
  expect(await says()).toBe('Reconnecting (attempt 3)')
  await tell('open', { attempt: 3 }, 149)
  await pass(10)
  expect(await says()).toBe('Connected')
  expect(await said()).toEqual([
    '',
    ...[1, 2, 3].map((attempt) => `Reconnecting (attempt ${attempt})`),
    'Connected',
  ])
})

test('is offline while the browser has no network and something is lost', async () => {
  const { page, tell, pass, says } = await open()
  await tell('open')
  await pass(3_100)
  await page.context().setOffline(true)
  await pass(10)
  expect(await says()).toBe('Connected')
  await tell('retry', { attempt: 1 })
  await pass(2_900)
  expect(await says()).toBe('')
  await pass(200)
  expect(await says()).toBe('Offline')
  await page.context().setOffline(false)
  await pass(10)
  expect(await says()).toBe('Reconnecting (attempt 1)')
})

test('one that is refused is told, one that has ended only when all have; an element that is gone counts no more', async () => {
  const { page, tell, pass, says } = await open()
  await tell('open')
  await tell('closed', { reason: 'done' }, 0, 100)
  await pass(3_100)
  expect(await says()).toBe('Connected')
  await tell('refused', { status: 403, reason: 'no' }, 149)
  await pass(10)
  expect(await says()).toBe('Refused: reload the page')
  await page.evaluate(() => document.querySelector('#e149')?.remove())
  await tell('closed', { reason: 'gone', status: 204 }, 100, 149)
  await pass(10)
  expect(await says()).toBe('Closed')
})

test('shows texts as they are, and nothing where they are empty', async () => {
  const hostile = '<img src=x onerror=alert(1)> & {attempt}'
  const { page, tell, pass, says } = await open(
    <ConnectionStatus connected="" reconnecting={hostile} />,
  )
  await tell('retry', { attempt: 7 })
  await pass(6_100)
  expect(await says()).toBe('<img src=x onerror=alert(1)> & 7')
  expect(await page.locator('.hw-connection *').count()).toBe(0)
  await tell('open')
  await pass(10)
  expect(await says()).toBe('')
})

test('takes no place while it is empty, not even a gap, and can be read out then', async () => {
  const { page, tell, pass } = await open(
    <>
      <b>a</b>
      <ConnectionStatus />
      <b>c</b>
    </>,
  )
  await page.addStyleTag({ content: '#bar { display: flex; gap: 100px }' })
  const gap = () =>
    page.evaluate(() => {
      const [a, c] = document.querySelectorAll('#bar b')
      return (c?.getBoundingClientRect().left ?? 0) - (a?.getBoundingClientRect().right ?? 0)
    })
  expect(await gap()).toBe(100)
  expect(await page.getByRole('status').count()).toBe(1)
  await tell('open')
  await pass(3_100)
  expect(await gap()).toBeGreaterThan(250)
})
