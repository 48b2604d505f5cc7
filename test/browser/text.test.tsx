/** @jsxImportSource @kitajs/html */
/**
 * Streamed text as a page shows it, with both majors of htmx, with the runtime and without.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { Connected, TextStream } from '../../components'
import { textStream } from '../../src'
import { closeBrowser, until } from '../support/browser'
import { openTextRoom, type TextRoom, type TextTab } from '../support/text-room'

setDefaultTimeout(30_000)
afterAll(closeBrowser)

/** A page with one text. */
const one = ({ hub }: Pick<TextRoom, 'hub'>) => (
  <TextStream stream={textStream(hub, 'a:1')} id="a" label="Answer" />
)

const isDone = async (tab: TextTab) => (await tab.heard()).some(({ name }) => name === 'done')
const becomes = (tab: TextTab, text: string, topic = 'a:1') =>
  until(async () => (await tab.shown(topic)) === text, {
    timeout: 10_000,
    what: `${JSON.stringify(text.slice(0, 80))} in ${topic}`,
  })

const ways = [
  [2, true],
  [2, false],
  [4, true],
  [4, false],
] as const

describe.each(ways)('htmx %d, runtime %p', (htmx, runtime) => {
  const open = (content = one, more?: Parameters<typeof openTextRoom>[2]) =>
    openTextRoom({ htmx, runtime, limits: { retry: 20 } }, content, more)

  test('D-01 tokens arrive as their exact concatenation', async () => {
    await using room = await open()
    const tab = await room.openTab()
    const answer = room.text('a:1')
    const tokens = [
      'Hello',
      ' ',
      '',
      '<b>',
      '&',
      '&amp;lt;',
      '\n',
      ' \u{1f600}',
      '\r\n',
      ' end ',
      '\t.',
    ]
    for (let i = 0; i < 300; i++) {
      answer.text(tokens[i % tokens.length] as string)
      if (i % 7 === 0) await Bun.sleep(1)
    }
    await answer.done()
    const whole = Array.from({ length: 300 }, (_, i) => tokens[i % tokens.length]).join('')
    await becomes(tab, whole)
    const { childNodes } = await tab.page.$eval('.hw-text-content', (slot) => ({
      childNodes: [...slot.childNodes].map(({ nodeType }) => nodeType),
    }))
    expect(childNodes).toEqual([3])
    await until(() => isDone(tab))
    const heard = await tab.heard()
    expect(
      heard
        .filter(({ name }) => name === 'text')
        .map(({ detail }) => detail.text)
        .join(''),
    ).toBe(whole)
    await room.end()
  })

  test('D-02 D-06 start, all text, done; the mark goes, and the status is said twice', async () => {
    await using room = await open()
    const tab = await room.openTab()
    await tab.page.evaluate(() => {
      const said: string[] = []
      const status = document.querySelector('[role=status]') as Element
      new MutationObserver(() => said.push(status.textContent ?? '')).observe(status, {
        childList: true,
        characterData: true,
        subtree: true,
      })
      Object.assign(window, { said })
    })
    const answer = room.text('a:1')
    expect(await tab.stands('a:1')).toEqual({ isActive: false, isBusy: false, state: '', said: '' })
    answer.text('one ')
    await becomes(tab, 'one ')
    expect(await tab.stands('a:1')).toEqual({
      isActive: true,
      isBusy: true,
      state: '<span data-stream-active=""></span>',
      said: 'Writing',
    })
    answer.text('two')
    await answer.done()
    await until(() => isDone(tab))
    expect(await tab.shown('a:1')).toBe('one two')
    expect(await tab.stands('a:1')).toEqual({
      isActive: false,
      isBusy: false,
      state: '',
      said: 'Done',
    })
    const heard = await tab.heard()
    expect(heard[0]).toEqual({ name: 'start', detail: {}, stream: 'a:1', id: 'a', isThere: true })
    expect(heard.at(-1)).toMatchObject({ name: 'done', detail: { stopped: false }, id: 'a' })
    expect(
      heard.slice(1, -1).every(({ name, detail }) => name === 'text' && detail.mode === 'append'),
    ).toBe(true)
    const said = await tab.page.evaluate(() => (window as unknown as { said: string[] }).said)
    expect(said).toEqual(['Writing', 'Done'])
    await room.end()
  })

  test('D-03 D-04 D-06 what is inserted, prepended, replaced and deleted keeps its place', async () => {
    await using room = await open()
    const tab = await room.openTab()
    const answer = room.text('a:1')
    answer.text('one ')
    void answer.insert('<b id="cut">two</b>')
    answer.text(' three')
    await until(async () => (await tab.content('a:1')) === 'one <b id="cut">two</b> three')
    answer.text('& ', { mode: 'prepend' })
    void answer.insert('<i>zero</i>', { at: 'prepend' })
    await until(
      async () => (await tab.content('a:1')) === '<i>zero</i>&amp; one <b id="cut">two</b> three',
    )
    await answer.delete('#cut')
    await until(async () => (await tab.content('a:1')) === '<i>zero</i>&amp; one  three')
    await answer.replace('<p>new</p>')
    await until(async () => (await tab.content('a:1')) === '<p>new</p>')
    answer.text('<only>', { mode: 'replace' })
    await until(async () => (await tab.content('a:1')) === '&lt;only&gt;')
    const heard = (await tab.heard()).map(({ name, detail, id, isThere }) =>
      [name, ...Object.values(detail), ...(name === 'remove' ? [id, isThere] : [])].join(' '),
    )
    expect(heard.slice(0, 8)).toEqual([
      'start',
      'text one  append',
      'update append',
      'text  three append',
      'text &  prepend',
      'update prepend',
      'remove cut true',
      'update replace',
    ])
    // The place is cleared first, and then the text comes; or both are one.
    const last = (await tab.heard()).slice(8)
    expect(last.map(({ name, detail }) => [name, detail.text]).join()).toMatch(
      /^(text,,)?text,<only>$/,
    )
    expect(last[0]?.detail.mode).toBe('replace')
    await room.end()
  })

  test('D-05 an error stands beside the text with role=alert, once, until it begins again', async () => {
    await using room = await open()
    const tab = await room.openTab()
    const answer = room.text('a:1')
    answer.text('so far')
    await answer.error(new Error('<rate> limit'))
    await until(async () => (await tab.heard()).some(({ name }) => name === 'error'))
    expect(await tab.shown('a:1')).toBe('so far')
    const { state, isActive } = await tab.stands('a:1')
    expect(state).toBe('<p class="hw-text-error" role="alert">&lt;rate&gt; limit</p>')
    expect(isActive).toBe(false)
    expect((await tab.heard()).at(-1)).toMatchObject({
      name: 'error',
      detail: { error: '<rate> limit' },
    })
    expect(await tab.page.$$eval('[role=alert]', (all) => all.length)).toBe(1)
    answer.text(', and on')
    await becomes(tab, 'so far, and on')
    expect(await tab.page.$$eval('[role=alert]', (all) => all.length)).toBe(0)
    await room.end()
  })

  test('D-12 what stands in the text stays, and so does what is selected', async () => {
    await using room = await open()
    const tab = await room.openTab()
    const answer = room.text('a:1')
    void answer.insert('<input id="typed">')
    answer.text('some words')
    await until(async () => (await tab.shown('a:1')) === 'some words')
    await tab.page.fill('#typed', 'typed')
    await tab.page.evaluate(() => {
      const text = document.querySelector('.hw-text-content')?.lastChild as Text
      getSelection()?.setBaseAndExtent(text, 5, text, 10)
      Object.assign(window, { input: document.querySelector('#typed'), text })
    })
    for (let i = 0; i < 20; i++) {
      answer.text(` ${i}`)
      await Bun.sleep(5)
    }
    await becomes(tab, `some words${Array.from({ length: 20 }, (_, i) => ` ${i}`).join('')}`)
    const kept = await tab.page.evaluate(() => {
      const { input, text } = window as unknown as { input: HTMLInputElement; text: Text }
      const slot = document.querySelector('.hw-text-content')
      return [
        input === slot?.firstChild,
        input.value,
        text === slot?.lastChild,
        `${getSelection()}`,
      ]
    })
    expect(kept).toEqual([true, 'typed', true, 'words'])
    await room.end()
  })

  test('D-13 a page that is loaded in mid-answer goes on at the same character, and two tabs show the same', async () => {
    await using room = await open()
    const answer = room.text('a:1')
    answer.text('before ')
    const first = await room.openTab()
    await becomes(first, 'before ')
    let whole = 'before '
    let isOver = false
    const writing = (async () => {
      for (let i = 0; !isOver && i < 5_000; i++) {
        whole += `${i},`
        answer.text(`${i},`)
        await Bun.sleep(1)
      }
    })()
    let second: TextTab
    try {
      second = await room.openTab()
      for (let i = 0; i < 3; i++) {
        await first.page.reload()
        const shown = await first.shown('a:1')
        expect(whole.slice(0, shown.length)).toBe(shown)
        await until(async () => (await first.shown('a:1')).length > shown.length)
      }
      room.proxy.cut('streams')
      const { length } = whole
      await until(() => whole.length > length + 500)
    } finally {
      isOver = true
      await writing
    }
    await answer.done()
    for (const tab of [first, second]) {
      await becomes(tab, whole)
      await until(async () => !(await tab.stands('a:1')).isActive)
    }
    await room.end()
  })

  test('what a page begins with is told by its marks, and not by events', async () => {
    await using room = await open(({ hub }) => (
      <>
        <TextStream stream={textStream(hub, 'a:1')} />
        <TextStream stream={textStream(hub, 'b')} />
        <TextStream stream={textStream(hub, 'c')} />
      </>
    ))
    room.text('a:1').text('active')
    room.text('b').text('failed')
    await room.text('b').error('message')
    room.text('c').text('done')
    await room.text('c').done()
    await until(async () => (await room.text('a:1').read()).html === 'active')
    const tab = await room.openTab('/', 3)
    expect((await tab.stands('a:1')).isActive).toBe(true)
    expect((await tab.stands('b')).isActive).toBe(false)
    expect((await tab.stands('b')).state).toContain('message')
    await room.text('a:1').done()
    await until(() => isDone(tab))
    expect((await tab.heard()).map(({ name, stream }) => `${name} ${stream}`)).toEqual(['done a:1'])
    expect((await tab.stands('c')).said).toBe('')
    await room.end()
  })

  test('one connected parent feeds several texts, and one that an insert brings', async () => {
    await using room = await open(({ hub }) => (
      <Connected to={hub.address(['a:1', 'b', 'inner'])}>
        <TextStream stream={textStream(hub, 'a:1')} connect={false} />
        <TextStream stream={textStream(hub, 'b')} connect={false} />
      </Connected>
    ))
    const tab = await room.openTab()
    const [a, b, inner] = ['a:1', 'b', 'inner'].map((name) => room.text(name)) as [
      ReturnType<TextRoom['text']>,
      ReturnType<TextRoom['text']>,
      ReturnType<TextRoom['text']>,
    ]
    for (let i = 0; i < 50; i++) {
      a.text(`a${i}`)
      b.text(`b${i}`)
      if (i % 10 === 0) await Bun.sleep(2)
    }
    const nested = await TextStream({ stream: inner, connect: false, stop: false, jump: false })
    a.flush()
    void a.insert(nested)
    inner.text('inside')
    await inner.done()
    await becomes(tab, 'inside', 'inner')
    await becomes(tab, Array.from({ length: 50 }, (_, i) => `b${i}`).join(''), 'b')
    // The marks of the inner one are its own.
    expect((await tab.stands('a:1')).isActive).toBe(true)
    expect((await tab.stands('inner')).isActive).toBe(false)
    await a.done()
    await until(async () => !(await tab.stands('a:1')).isActive)
    await room.end()
  })

  test('texts that htmx brings are marked and followed, and those that it takes away are let go of', async () => {
    await using room = await openTextRoom(
      { htmx, runtime, limits: { retry: 20 } },
      () => (
        <>
          <button type="button" id="load" hx-get="/part" hx-target="#place" hx-swap="innerHTML">
            load
          </button>
          <div id="place" />
        </>
      ),
      { '/part': async (request) => new Response(await site(request)) },
    )
    const site = (_: Request) => TextStream({ stream: room.text('a:1') })
    const tab = await room.openTab('/', 0)
    const answer = room.text('a:1')
    let whole = ''
    for (let round = 1; round <= 3; round++) {
      whole += `round ${round} `
      answer.text(`round ${round} `)
      await until(async () => (await answer.read()).html === whole)
      await tab.page.click('#load')
      await becomes(tab, whole)
      await until(async () => (await tab.stands('a:1')).isActive)
      // The connection of the one before is closed with its next event at the latest.
      answer.text('and more ')
      whole += 'and more '
      await becomes(tab, whole)
    }
    await until(() => room.hub.stats().active === 1)
    await room.end()
  })

  test('D-06 a text that htmx brings while it is written is announced, once; one that is over is not', async () => {
    await using room = await openTextRoom(
      { htmx, runtime, limits: { retry: 20 } },
      () => (
        <>
          <button type="button" hx-get="/part" hx-target="#place" hx-swap="innerHTML">
            load
          </button>
          <div id="place" />
        </>
      ),
      { '/part': async () => new Response(await part()) },
    )
    const part = async () => (
      <>
        <TextStream stream={room.text('a:1')} />
        <TextStream stream={room.text('b')} />
      </>
    )
    const answer = room.text('a:1')
    answer.text('being written')
    room.text('b').text('over')
    await room.text('b').done()
    await until(async () => (await answer.read()).state === 'active')
    const tab = await room.openTab('/', 0)
    await tab.page.evaluate(() => {
      const said: string[] = []
      const note = ({ target }: MutationRecord) => {
        if ((target as Element).matches('[role=status]')) said.push(target.textContent ?? '')
      }
      const place = document.querySelector('#place') as Element
      new MutationObserver((all) => all.forEach(note)).observe(place, {
        childList: true,
        subtree: true,
      })
      Object.assign(window, { said })
    })
    await tab.page.click('button:text("load")')
    await until(async () => (await tab.stands('a:1')).said === 'Writing')
    answer.text(', and more')
    await becomes(tab, 'being written, and more')
    await answer.done()
    await until(async () => (await tab.stands('a:1')).said === 'Done')
    expect((await tab.stands('b')).said).toBe('')
    const said = await tab.page.evaluate(() => (window as unknown as { said: string[] }).said)
    expect(said).toEqual(['Writing', 'Done'])
    await room.end()
  })

  test('what is inserted has working htmx attributes', async () => {
    await using room = await open(one, { '/more': () => 'answered' })
    const tab = await room.openTab()
    await room
      .text('a:1')
      .insert('<button id="more" hx-get="/more" hx-target="this" hx-swap="outerHTML">more</button>')
    await tab.page.click('#more')
    await becomes(tab, 'answered')
    await room.end()
  })
})
