/** @jsxImportSource @kitajs/html */
/**
 * Streamed text on pages that lack something: its script, or any script. And how it is stopped.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { TextStream } from '../../components'
import { textStream } from '../../src'
import { markdown } from '../../src/markdown'
import { closeBrowser, newPage, until } from '../support/browser'
import { openTextRoom, type TextRoom } from '../support/text-room'

setDefaultTimeout(30_000)
afterAll(closeBrowser)

const one = ({ hub }: Pick<TextRoom, 'hub'>) => (
  <TextStream stream={textStream(hub, 'a')} label="Answer" empty="Nothing yet" />
)

/** Tokens until it is stopped; tells whether it was. */
function endless(room: TextRoom) {
  const seen = { stopped: false }
  const piped = room.text('a').pipe(async function* (signal) {
    signal.addEventListener('abort', () => {
      seen.stopped = true
    })
    for (let i = 0; i < 100_000; i++) {
      yield `${i} `
      await Bun.sleep(2)
    }
  } as (signal: AbortSignal) => AsyncIterable<string>)
  return { seen, piped }
}

describe.each([
  [2, true],
  [2, false],
  [4, true],
  [4, false],
] as const)('htmx %d, runtime %p', (htmx, runtime) => {
  test('D-10 the button stops what is piped, and is there only meanwhile', async () => {
    await using room = await openTextRoom({ htmx, runtime }, one)
    const tab = await room.openTab()
    const button = tab.page.getByRole('button', { name: 'Stop' })
    expect(await button.isVisible()).toBe(false)
    const { seen, piped } = endless(room)
    await button.click()
    const { text, outcome } = await piped
    expect([outcome, seen.stopped]).toEqual(['stopped', true])
    await until(async () => (await tab.shown('a')) === text)
    await until(async () => !(await button.isVisible()))
    expect((await tab.heard()).at(-1)).toMatchObject({ name: 'done', detail: { stopped: true } })
    expect((await tab.stands('a')).said).toBe('Stopped')
    await room.end()
  })

  test('a page without the script of streamed text shows the right text', async () => {
    const head = (own: string) => own.replace(/<script[^>]*\/text\.js"[^>]*><\/script>/, '')
    await using room = await openTextRoom(
      { htmx, runtime, head, limits: { retry: 20 } },
      ({ hub }) => (
        <>
          <TextStream stream={textStream(hub, 'a')} />
          <TextStream stream={textStream(hub, 'b', { format: markdown })} />
        </>
      ),
    )
    const tab = await room.openTab('/', 2)
    expect(
      await tab.page.$$eval('script', (all) => all.some(({ src }) => src.endsWith('/text.js'))),
    ).toBe(false)
    const [a, b] = [room.text('a'), room.text('b', { format: markdown })]
    const prose = '# Title\n\nSome *text* and\n\n- one\n- two <b>\n\n```\ncode\n```\n\nthe end'
    for (const character of ' begins <here> & there\n') {
      a.text(character)
      await Bun.sleep(1)
    }
    await a.insert('<b>two</b>')
    a.text(' three')
    for (const character of prose) {
      b.text(character)
      await Bun.sleep(1)
    }
    await a.error('message')
    await b.done()
    await until(
      async () => (await tab.content('a')) === ' begins &lt;here&gt; &amp; there\n<b>two</b> three',
    )
    await until(async () => (await tab.stands('a')).state.includes('message'))
    const { html } = await b.read()
    await until(async () => normal(await tab.content('b')) === normal(html))
    expect(await tab.heard()).toEqual([])
    await room.end()
  })

  test('D-21 a text with a format shows the same HTML as one that is loaded when it is complete', async () => {
    await using room = await openTextRoom({ htmx, runtime, limits: { retry: 20 } }, ({ hub }) => (
      <TextStream stream={textStream(hub, 'b', { format: markdown })} />
    ))
    const tab = await room.openTab()
    const b = room.text('b', { format: markdown })
    const prose =
      '# Title\n\nSome *text* with `code`, [a link](https://example.org) and <script>alert(1)</script>\n\n- one\n- two\n  - three\n\n```js\nconst a = 1\nconst b = 2\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quoted\n\nthe end'
    let n = 0
    for (const character of prose) {
      b.text(character)
      await Bun.sleep(1)
      if (++n === 100) room.proxy.cut('streams')
    }
    await b.done()
    const { html } = await b.read()
    await until(async () => normal(await tab.content('b')) === normal(html), { timeout: 10_000 })
    await until(async () => (await tab.heard()).some(({ name }) => name === 'done'))
    await room.end()
  })
})

/** Without what htmx notes, and as the browser writes it. */
function normal(html: string): string {
  return html
    .replace(/ data-htmx-powered="[^"]*"/g, '')
    .replaceAll('&quot;', '"')
    .replaceAll('&#x27;', "'")
}

test('D-10 without any script the text is there as it stands, and the form stops what is piped and comes back', async () => {
  await using room = await openTextRoom({ htmx: 2 }, one)
  const { page, context } = await newPage({ javaScript: false })
  const { seen, piped } = endless(room)
  await until(async () => (await room.text('a').read()).html.length > 20)
  await page.goto(`${room.site.url}/`)
  const shown = await page.textContent('.hw-text-content')
  expect(shown).toStartWith('0 1 2 ')
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.waitForURL(`${room.site.url}/`)
  const { text, outcome } = await piped
  expect([outcome, seen.stopped]).toEqual(['stopped', true])
  await page.goto(`${room.site.url}/`)
  expect(await page.textContent('.hw-text-content')).toBe(text)
  expect(await page.getByRole('button', { name: 'Stop' }).isVisible()).toBe(false)
  await context.close()
})
