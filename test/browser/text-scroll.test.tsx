/** @jsxImportSource @kitajs/html */
/**
 * Where the reader of a streamed text is while it grows, what is shown of a long one, and what it costs.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { TextStream } from '../../components'
import { type Hub, textStream } from '../../src'
import { linesPiece } from '../../src/text-wire'
import { asTopic } from '../../src/topic'
import { closeBrowser, until } from '../support/browser'
import { openTextRoom, type TextRoom, type TextTab } from '../support/text-room'

setDefaultTimeout(60_000)
afterAll(closeBrowser)

/** A text in a box that scrolls. */
const boxed = ({ hub }: Pick<TextRoom, 'hub'>) => (
  <div id="box" class="scrolls">
    <TextStream stream={textStream(hub, 'a')} />
  </div>
)

/** A log that shows its newest 50 lines. */
const listed = ({ hub }: Pick<TextRoom, 'hub'>) => (
  <section id="root" data-stream="log" data-stream-limit="50">
    <ol
      id="box"
      class="scrolls"
      hx-ext="sse"
      sse-connect={hub.address(['log'])}
      sse-swap="log"
      hx-swap="beforeend"
      hx-target="this"
    />
  </section>
)

const rows = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => `line ${from + i}\n`).join('')

/** A piece of a text, as it is. */
function append(hub: Hub, name: string, data: string) {
  return hub.append({ topic: asTopic(name), kind: 'log', form: 'text', key: null }, data)
}

const lines = (hub: Hub, from: number, to: number, limit = 100) =>
  append(
    hub,
    'log',
    linesPiece(
      asTopic('log'),
      // Of different heights, so that a mean does not do.
      Array.from(
        { length: to - from },
        (_, i) => `<li${(from + i) % 3 ? '' : ' class="high"'}>${from + i}</li>`,
      ).join(''),
      limit,
    ),
  )

const box = (tab: TextTab) =>
  tab.page.$eval('#box', ({ scrollTop, scrollHeight, clientHeight }) => ({
    top: scrollTop,
    fromEnd: scrollHeight - clientHeight - scrollTop,
  }))

const scrollTo = (tab: TextTab, fromEnd: number) =>
  tab.page.$eval(
    '#box',
    (box, fromEnd) => {
      box.scrollTop = box.scrollHeight - box.clientHeight - fromEnd
    },
    fromEnd,
  )

const isJumpShown = (tab: TextTab) => tab.page.isVisible('[data-stream-jump]')

async function shows(tab: TextTab, end: string, topic = 'a') {
  const what = `${JSON.stringify(end)} at the end of ${topic}`
  await until(async () => (await tab.shown(topic)).endsWith(end), { timeout: 10_000, what })
}

const ways = [
  [2, true],
  [2, false],
  [4, true],
  [4, false],
] as const

describe.each(ways)('htmx %d, runtime %p', (htmx, runtime) => {
  const open = (content: typeof boxed, more?: { head?: (own: string) => string }) =>
    openTextRoom({ htmx, runtime, limits: { retry: 20 }, ...more }, content)

  test('D-07 a reader at the end, or up to 100 px above it, is taken along; one further up is left alone', async () => {
    await using room = await open(boxed)
    const tab = await room.openTab()
    const answer = room.text('a')
    answer.text(rows(50))
    await shows(tab, 'line 49\n')
    await until(async () => (await box(tab)).fromEnd < 1)
    expect(await isJumpShown(tab)).toBe(false)

    // More than the 100 px comes at once: what counts is where the reader was before.
    await scrollTo(tab, 90)
    answer.text(rows(20, 50))
    await shows(tab, 'line 69\n')
    await until(async () => (await box(tab)).fromEnd < 1)

    await scrollTo(tab, 110)
    const { top } = await box(tab)
    answer.text(rows(3, 70))
    await shows(tab, 'line 72\n')
    await until(() => isJumpShown(tab))
    answer.text(rows(3, 73))
    await shows(tab, 'line 75\n')
    expect((await box(tab)).top).toBe(top)

    await tab.page.click('[data-stream-jump]')
    await until(async () => (await box(tab)).fromEnd < 1)
    await until(async () => !(await isJumpShown(tab)))
    answer.text(rows(10, 76))
    await shows(tab, 'line 85\n')
    await until(async () => (await box(tab)).fromEnd < 1)
    await room.end()
  })

  test('D-07 who scrolls up while it runs gets away, and is taken along again at the end', async () => {
    await using room = await open(boxed)
    const tab = await room.openTab()
    const answer = room.text('a')
    answer.text(rows(100))
    await shows(tab, 'line 99\n')
    let isOver = false
    let n = 100
    const writing = (async () => {
      for (; !isOver && n < 5_000; n++) {
        answer.text(`line ${n}\n`)
        await Bun.sleep(10)
      }
    })()
    try {
      await until(async () => (await box(tab)).top > 200)
      await tab.page.hover('#box')
      // In small steps: after each of them the end is still near.
      for (let i = 0; i < 20; i++) {
        await tab.page.mouse.wheel(0, -25)
        await frames(tab)
      }
      await until(() => isJumpShown(tab))
      // Once the wheel has come to its end.
      let before = Number.NaN
      await until(async () => {
        const { top } = await box(tab)
        const isStill = top === before
        before = top
        await Bun.sleep(100)
        return isStill
      })
      const from = n
      await until(() => n > from + 30)
      expect((await box(tab)).top).toBe(before)
      await until(async () => {
        await tab.page.mouse.wheel(0, 400)
        return (await box(tab)).fromEnd < 1
      })
      await until(async () => !(await isJumpShown(tab)))
      const again = n
      await until(() => n > again + 30)
      await until(async () => (await box(tab)).fromEnd < 1)
    } finally {
      isOver = true
      await writing
    }
    await room.end()
  })

  test('D-22 only so many lines stay, and a reader who is further up stays at the same line', async () => {
    await using room = await open(listed)
    const tab = await room.openTab()
    const { hub } = room
    const numbers = () => tab.lines('#box')
    await lines(hub, 0, 50)
    await until(async () => (await numbers()).length === 50)
    expect((await box(tab)).fromEnd).toBeLessThan(1)

    await scrollTo(tab, 400)
    const placeOf = (n: number) =>
      tab.page.$eval(
        '#box',
        (box, n) => {
          const line = [...box.children].find(({ textContent }) => textContent === `${n}`)
          return line && line.getBoundingClientRect().top - box.getBoundingClientRect().top
        },
        n,
      )
    const before = await placeOf(35)
    for (let n = 50; n < 70; n += 4) {
      // Where the browser keeps places by itself, and where it does not.
      await tab.page.$eval(
        '#box',
        (box, isOff) => box.classList.toggle('unanchored', isOff),
        n >= 58,
      )
      await lines(hub, n, n + 4)
      await until(async () => (await numbers()).at(-1) === n + 3)
      expect(await placeOf(35)).toBe(before as number)
    }
    expect(await numbers()).toEqual(Array.from({ length: 50 }, (_, i) => 20 + i))

    // The smaller of the two counts.
    await scrollTo(tab, 0)
    await lines(hub, 70, 75, 10)
    await until(async () => (await numbers()).length === 10)
    expect(await numbers()).toEqual(Array.from({ length: 10 }, (_, i) => 65 + i))
    await until(async () => (await box(tab)).fromEnd < 1)
    await room.end()
  })

  test('D-22 a log that is paused keeps what comes, and shows it when it goes on', async () => {
    await using room = await open(listed)
    const tab = await room.openTab()
    const { hub } = room
    await lines(hub, 0, 5)
    await until(async () => (await tab.lines('#box')).length === 5)
    await tab.page.evaluate(() => {
      Object.assign(window, { arrived: 0 })
      document.addEventListener('htmx:sseBeforeMessage', (event) => {
        const page = window as unknown as Arrivals
        page.arrived++
        page.last = (event as CustomEvent<MessageEvent<string>>).detail.data
      })
      document.querySelector('#root')?.setAttribute('data-stream-paused', '')
    })
    for (let n = 5; n < 205; n += 10) await lines(hub, n, n + 10)
    const arrived = () => tab.page.evaluate(() => (window as unknown as Arrivals).arrived)
    await until(async () => (await arrived()) === 20)
    await frames(tab)
    expect(await tab.lines('#box')).toEqual([0, 1, 2, 3, 4])
    await tab.page.$eval('#root', (root) => root.removeAttribute('data-stream-paused'))
    const newest = Array.from({ length: 50 }, (_, i) => 155 + i)
    await until(async () => (await tab.lines('#box')).length === 50)
    expect(await tab.lines('#box')).toEqual(newest)

    // A cut while it is paused: what brings it up to date waits, too, and takes the place of what was held.
    await tab.page.$eval('#root', (root) => root.setAttribute('data-stream-paused', ''))
    await lines(hub, 205, 215)
    room.proxy.cut('streams')
    await lines(hub, 215, 225)
    await until(() =>
      tab.page.evaluate(() => (window as unknown as Arrivals).last.includes('>224<')),
    )
    await frames(tab)
    expect(await tab.lines('#box')).toEqual(newest)
    await tab.page.$eval('#root', (root) => root.removeAttribute('data-stream-paused'))
    await until(async () => (await tab.lines('#box')).at(-1) === 224)
    expect(await tab.lines('#box')).toEqual(Array.from({ length: 50 }, (_, i) => 175 + i))
    await room.end()
  })

  test('a cut line leaves what is selected and where the reader is, and tells of nothing that was there', async () => {
    await using room = await open(boxed)
    const tab = await room.openTab()
    const answer = room.text('a')
    answer.text(rows(60))
    await shows(tab, 'line 59\n')
    await scrollTo(tab, 500)
    await frames(tab)
    const { top } = await box(tab)
    await tab.page.evaluate(() => {
      const text = document.querySelector('.hw-text-content')?.firstChild as Text
      getSelection()?.setBaseAndExtent(text, 0, text, 6)
      Object.assign(window, { text })
    })
    const before = (await tab.heard()).length
    room.proxy.cut('streams')
    answer.text(rows(5, 60))
    await shows(tab, 'line 64\n')
    expect(await tab.shown('a')).toBe(rows(65))
    expect((await box(tab)).top).toBe(top)
    const isSame = await tab.page.evaluate(() => {
      const slot = document.querySelector('.hw-text-content')
      return slot?.lastChild === (window as unknown as { text: Text }).text
    })
    expect(isSame).toBe(true)
    expect(await tab.page.evaluate(() => `${getSelection()}`)).toBe('line 0')
    const after = (await tab.heard()).slice(before)
    expect(after.map(({ name }) => name).every((name) => name === 'text')).toBe(true)
    expect(after.map(({ detail }) => detail.text).join('')).toBe(rows(5, 60))
    await room.end()
  })

  test('D-07 the page itself is scrolled only if it says so', async () => {
    await using room = await open(({ hub }) => <TextStream stream={textStream(hub, 'a')} />)
    const tab = await room.openTab()
    const answer = room.text('a')
    const top = () => tab.page.evaluate(() => scrollY)
    answer.text(rows(100))
    await shows(tab, 'line 99\n')
    await frames(tab)
    expect(await top()).toBe(0)
    await tab.page.evaluate(() => {
      document.body.setAttribute('data-stream-scroll', '')
      window.scrollTo(0, document.body.scrollHeight)
    })
    const before = await top()
    answer.text(rows(50, 100))
    await shows(tab, 'line 149\n')
    await until(async () => (await top()) > before + 500)
    await tab.page.evaluate(() => window.scrollTo(0, 100))
    await frames(tab)
    answer.text(rows(10, 150))
    await shows(tab, 'line 159\n')
    await until(() => isJumpShown(tab))
    expect(await top()).toBe(100)
    await room.end()
  })

  test('one operation that fails is said in the console, and keeps nothing else', async () => {
    await using room = await open(boxed)
    const tab = await room.openTab()
    await append(
      room.hub,
      'a',
      '<hx-partial data-op="delete" hx-target="[" hx-swap="delete"></hx-partial><hx-partial data-op="insert" hx-target="[sse-swap=a]" hx-swap="beforeend"><b>kept</b></hx-partial>',
    )
    await until(async () => (await tab.content('a')) === '<b>kept</b>')
    room.text('a').text(' and on')
    await shows(tab, ' and on')
    expect(tab.errors.filter((text) => /SyntaxError|not a valid selector/.test(text))).toHaveLength(
      1,
    )
    tab.errors.length = 0
    await room.end()
  })

  test('a page that gets no frames shows what comes by a timer', async () => {
    await using room = await open(boxed, {
      head: (own) => own,
    })
    await room.profile.context.addInitScript(() => {
      window.requestAnimationFrame = () => 0
    })
    const tab = await room.openTab()
    room.text('a').text('without a frame')
    await shows(tab, 'without a frame')
    await room.end()
  })

  test('a page that is hidden waits for one frame, however much comes, and goes on when it is shown', async () => {
    await using room = await open(boxed)
    await room.profile.context.addInitScript(hide)
    const tab = await room.openTab()
    const answer = room.text('a')
    for (let n = 0; n < 5; n++) {
      answer.text(`${n} `)
      await shows(tab, `${n} `)
    }
    expect(await tab.page.evaluate(() => (window as unknown as Hidden).hidden.most)).toBe(1)
    await tab.page.evaluate(() => (window as unknown as Hidden).hidden.show())
    answer.text('shown')
    await shows(tab, 'shown')
    expect(await tab.shown('a')).toBe('0 1 2 3 4 shown')
    await room.end()
  })

  test('nothing is kept of a paused log, nor of a text further down, that the page has let go of', async () => {
    const panels = ({ hub }: Pick<TextRoom, 'hub'>) => (
      <>
        <button type="button" id="close" hx-get="/closed" hx-target="#panel" hx-swap="innerHTML">
          close
        </button>
        <div class="scrolls" id="page">
          <div id="panel">
            {listed({ hub })}
            <TextStream stream={textStream(hub, 'b')} />
          </div>
          <TextStream stream={textStream(hub, 'a')} />
        </div>
      </>
    )
    await using room = await openTextRoom({ htmx, runtime, limits: { retry: 20 } }, panels, {
      '/closed': () => 'closed',
    })
    const { hub } = room
    const tab = await room.openTab('/', 3)
    // The reader is far from the end, before and after, so that buttons are shown.
    for (const name of ['a', 'b']) {
      room.text(name).text(rows(50))
      await shows(tab, 'line 49\n', name)
    }
    await tab.page.$eval('#page', (box) => {
      box.scrollTop = 0
    })
    await frames(tab)
    room.text('b').text('end')
    await shows(tab, 'end', 'b')
    await until(() => tab.page.isVisible('#panel [data-stream-jump]'))
    await tab.page.$eval('#root', (root) => root.setAttribute('data-stream-paused', ''))
    let arrived = 0
    await tab.page.exposeFunction('arrives', () => arrived++)
    await tab.page.evaluate(() => {
      document.addEventListener('htmx:sseBeforeMessage', ({ target }) => {
        if ((target as Element).id === 'box') (window as unknown as Kept).arrives()
      })
    })
    await lines(hub, 0, 20)
    await until(() => arrived === 1)
    await frames(tab)

    await tab.page.evaluate(() => {
      const panel = document.querySelector('#panel') as Element
      Object.assign(window, { kept: [...panel.children].map((one) => new WeakRef(one)) })
    })
    await tab.page.click('#close')
    await until(async () => (await tab.text('#panel')) === 'closed')
    const cdp = await tab.page.context().newCDPSession(tab.page)
    let n = 0
    await until(
      async () => {
        // What is gone is not told of; the others go on.
        await lines(hub, 20 + n, 21 + n)
        room.text('a').text(`more ${++n} `)
        await shows(tab, `more ${n} `)
        await cdp.send('HeapProfiler.collectGarbage')
        return tab.page.evaluate(() =>
          (window as unknown as Kept).kept.every((one) => !one.deref()),
        )
      },
      { timeout: 10_000, what: 'the log and the text to be let go of' },
    )
    await room.end()
  })
})

/** A page that {@link hide} runs in. */
interface Hidden {
  hidden: {
    /** How many frames it waited for at once, at the most. */
    most: number
    show(): void
  }
}

interface Kept {
  arrives(): void
  kept: WeakRef<Element>[]
}

interface Arrivals {
  arrived: number
  last: string
}

/** Resolves when the page was drawn twice. */
function frames(tab: TextTab): Promise<void> {
  return tab.page.evaluate(
    () =>
      new Promise<void>((resolve) =>
        requestAnimationFrame(() => requestAnimationFrame(() => resolve())),
      ),
  )
}

/** Runs in a page, before its own scripts: it gets no frame before it is shown. */
function hide(): void {
  const frames = new Map<number, FrameRequestCallback>()
  const { requestAnimationFrame, cancelAnimationFrame } = window
  let count = 0
  const hidden = {
    most: 0,
    show() {
      Object.assign(window, { requestAnimationFrame, cancelAnimationFrame })
      Object.defineProperty(document, 'hidden', { value: false })
      for (const callback of frames.values()) requestAnimationFrame(callback)
    },
  }
  Object.assign(window, {
    hidden,
    requestAnimationFrame(callback: FrameRequestCallback) {
      frames.set(++count, callback)
      hidden.most = Math.max(hidden.most, frames.size)
      return count
    },
    cancelAnimationFrame: (id: number) => frames.delete(id),
  })
  Object.defineProperty(document, 'hidden', { value: true, configurable: true })
}
