/**
 * Content that comes while somebody uses what is there: what they typed, chose or opened stays, and what they have
 * not touched follows the server. The file that does it, on both majors of htmx.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Page } from 'playwright-core'
import { asset } from '../../src/assets'
import { closeBrowser, html, javascript, newPage, scripts, serve, until } from '../support/browser'

setDefaultTimeout(20_000)
afterAll(closeBrowser)

const majors = [
  ['htmx 2', scripts.htmx2, 'idiomorph.js', 'htmx:beforeCleanupElement'],
  ['htmx 4', scripts.htmx4, 'morph.js', 'htmx:before:cleanup'],
] as const

describe.each(majors)('H-12 on %s', (_, htmx, file, event) => {
  /** A page with a slot, and a function that morphs the next content into it. */
  async function slot(content: string) {
    const site = serve((request) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/htmx.js') return javascript(htmx)
      if (pathname === '/morph.js') return javascript(asset(file)?.bytes as Buffer<ArrayBuffer>)
      if (pathname === '/answer') return html('<b>answered</b>')
      return html(
        `<link rel="icon" href="data:,"><script src="/htmx.js"></script><script src="/morph.js"></script>
        <p id="beside"></p><button id="elsewhere">x</button>
        <div id="slot" hx-swap="innerMorph" hx-target="this">${content}</div>`,
      )
    })
    const { page, seen } = await newPage()
    await page.goto(site.url)
    const morph = (next: string) =>
      page.evaluate(
        async (next) =>
          globalThis.headwaterMorph?.(document.querySelector('#slot') as Element, next),
        next,
      )
    return { page, morph, seen }
  }

  test('what was typed stays, with the caret, in a focused field and in others', async () => {
    const form = (at: number) =>
      `<p>${at} %</p><form><input name="title" value="old ${at}"><input name="mail" type="email" value="">
      <textarea name="text">first ${at}</textarea><input name="free" value="free ${at}"></form>`
    const { page, morph, seen } = await slot(form(1))
    await page.fill('[name=mail]', 'me@')
    await page.fill('[name=text]', 'my words')
    await page.fill('[name=title]', 'my title')
    await page.evaluate(() =>
      (document.querySelector('[name=title]') as HTMLInputElement).setSelectionRange(
        3,
        5,
        'backward',
      ),
    )
    await morph(form(2))
    expect(await page.locator('#slot p').textContent()).toBe('2 %')
    expect(await values(page)).toEqual(['my title', 'me@', 'my words', 'free 2'])
    expect(await caret(page)).toEqual(['title', 3, 5, 'backward'])
    await morph(`<h2>above</h2>${form(3)}`)
    expect(await values(page)).toEqual(['my title', 'me@', 'my words', 'free 3'])
    expect(await caret(page)).toEqual(['title', 3, 5, 'backward'])
    await page.keyboard.type('X')
    expect(await values(page)).toEqual(['my Xtle', 'me@', 'my words', 'free 3'])
    expect(seen.pageErrors).toEqual([])
  })

  test('what is being typed can still be undone', async () => {
    const { page, morph } = await slot('<input name="a" value="one">')
    await page.focus('[name=a]')
    await page.keyboard.type('typed ')
    await morph('<input name="a" value="two">')
    expect(await values(page)).toEqual(['typed one'])
    await page.keyboard.press('Control+z')
    expect(await values(page)).toEqual(['one'])
  })

  test('a field that the server has taken over follows it again, also while it has the focus', async () => {
    const field = (value: string) =>
      `<input name="a" value="${value}"><textarea name="b">${value}</textarea>`
    const { page, morph } = await slot(field('one'))
    await page.fill('[name=b]', 'two')
    await page.fill('[name=a]', 'two')
    await morph(field('other'))
    expect(await values(page)).toEqual(['two', 'two'])
    await morph(field('two'))
    await morph(field('three'))
    expect(await values(page)).toEqual(['three', 'three'])
    expect(await page.evaluate(() => document.activeElement?.getAttribute('name'))).toBe('a')
  })

  test('the caret of a field that nobody typed into stays where it was', async () => {
    const { page, morph } = await slot('<input name="a" value="one two">')
    await page.focus('[name=a]')
    await page.evaluate(() => (document.activeElement as HTMLInputElement).setSelectionRange(3, 3))
    await morph('<input name="a" value="one two three">')
    expect(await values(page)).toEqual(['one two three'])
    expect((await caret(page)).slice(0, 3)).toEqual(['a', 3, 3])
  })

  test('choices stay, and what was not chosen follows', async () => {
    const form = ({ box = '', free = '', radio = 'a', option = 'x', both = ['p'], range = '' }) =>
      `<input type="checkbox" name="box" ${box}><input type="checkbox" name="free" ${free}>
      ${['a', 'b', 'c'].map((one) => `<input type="radio" name="r" value="${one}" ${one === radio ? 'checked' : ''}>`).join('')}
      ${['s', 't'].map((name) => `<select name="${name}">${['x', 'y', 'z'].map((one) => `<option ${one === option ? 'selected' : ''}>${one}</option>`).join('')}</select>`).join('')}
      <select name="m" multiple>${['p', 'q', 'r'].map((one) => `<option ${both.includes(one) ? 'selected' : ''}>${one}</option>`).join('')}</select>
      <input type="range" name="g" ${range}>`
    const { page, morph } = await slot(form({}))
    await page.check('[name=box]')
    await page.check('[value=b]')
    await page.selectOption('[name=s]', 'z')
    await page.selectOption('[name=m]', ['q', 'r'])
    await page.click('#elsewhere')
    await morph(
      form({ free: 'checked', radio: 'c', option: 'y', both: ['p', 'q'], range: 'value="80"' }),
    )
    expect(await choices(page)).toEqual(['box', 'free', 'r=b', 's=z', 't=y', 'm=q,r', 'g=80'])
    await morph(form({ box: 'checked', radio: 'b', option: 'z', both: ['q', 'r'] }))
    await morph(form({ range: 'value="20"' }))
    expect(await choices(page)).toEqual(['r=a', 's=x', 't=x', 'm=p', 'g=20'])
  })

  test('a choice does not pass to another control that takes the place', async () => {
    const boxes = (...all: string[]) =>
      all.map((one) => `<input type="checkbox" name="b" value="${one}">`).join('')
    const { page, morph } = await slot(boxes('1', '2'))
    await page.check('[value="2"]')
    await page.click('#elsewhere')
    await morph(boxes('1', '3'))
    expect(await choices(page)).toEqual([])
  })

  test('an open <details>, scrolling and a focused button stay, and their content follows', async () => {
    const content = (at: number) =>
      `<details><summary>more ${at}</summary>text ${at}</details><details open><summary>less</summary></details>
      <div id="box"><div>${'line<br>'.repeat(50)}${at}</div></div><button>Save (${at})</button>`
    const { page, morph } = await slot(content(1))
    await page.addStyleTag({ content: '#box { height: 50px; overflow: auto }' })
    await page.click('summary >> nth=0')
    await page.click('summary >> nth=1')
    await page.evaluate(() => document.querySelector('#box')?.scrollTo(0, 120))
    await page.focus('#slot button')
    await morph(content(2))
    const opened = await page.$$eval('details', (all) => all.map(({ open }) => open))
    expect(opened).toEqual([true, false])
    expect(await page.locator('summary').first().textContent()).toBe('more 2')
    expect(await page.evaluate(() => document.querySelector('#box')?.scrollTop)).toBe(120)
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Save (2)')
  })

  test('a new <details> is as the server says', async () => {
    const { page, morph } = await slot('<p id="kept">1</p>')
    await morph('<details open><summary>new</summary><p id="kept">2</p></details>')
    expect(await page.$eval('details', ({ open }) => open)).toBe(true)
  })

  test('new content is live, and content for elsewhere goes there', async () => {
    const { page, morph, seen } = await slot('<p>old</p><input name="a">')
    await page.fill('[name=a]', 'typed')
    await morph(
      `<p hx-get="/answer" hx-target="this" hx-swap="innerHTML">click</p><input name="a">
      <button hx-get="/answer" hx-target="this" hx-swap="innerHTML">new</button>
      <p id="beside" hx-swap-oob="true">beside</p>`,
    )
    expect(await page.locator('#beside').textContent()).toBe('beside')
    await page.click('#slot p')
    await page.locator('#slot p', { hasText: 'answered' }).waitFor()
    await page.click('#slot button')
    await page.locator('#slot button', { hasText: 'answered' }).waitFor()
    expect(await values(page)).toEqual(['typed'])
    expect(seen.requests.filter((url) => url.endsWith('/answer'))).toHaveLength(2)
    await morph('<input name="a">')
    expect(await page.locator('#slot > *').count()).toBe(1)
    expect([...seen.pageErrors, ...seen.consoleErrors]).toEqual([])
  })

  test('what is removed is forgotten: it listens to nothing any more', async () => {
    const { page, morph, seen } = await slot(
      '<i hx-get="/answer" hx-trigger="go from:body" hx-swap="none"></i>',
    )
    const go = () => page.evaluate(() => document.body.dispatchEvent(new Event('go')))
    const asked = () => seen.requests.filter((url) => url.endsWith('/answer')).length
    await go()
    await until(() => asked() === 1)
    await morph('<b hx-get="/answer" hx-trigger="end from:body" hx-swap="none"></b>')
    await go()
    await page.evaluate(() => document.body.dispatchEvent(new Event('end')))
    await until(() => asked() === 2)
    expect(asked()).toBe(2)
    const cleaned = page.evaluate(
      (name) =>
        new Promise((resolve) => {
          const one = document.querySelector('#slot > b')
          one?.addEventListener(name, () => resolve(true))
        }),
      event,
    )
    await morph('')
    expect(await cleaned).toBe(true)
  })
})

describe.each(majors)('H-12 the file for it, on %s', (_, htmx, file, _event) => {
  const { bytes, integrity } = asset(file) ?? expect.unreachable()

  /** A page under a policy of nonces, with `morph` of the runtime. */
  async function core() {
    const script = await bundle()
    const headers = {
      'content-security-policy':
        "default-src 'none'; script-src 'nonce-n0'; connect-src 'self'; img-src data:",
    }
    let failing = 0
    const site = serve((request) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/htmx.js') return javascript(htmx)
      if (pathname === '/core.js') return javascript(script)
      if (pathname === '/answer') return html('answered')
      if (pathname === '/morph.js') {
        return failing-- > 0 ? new Response('', { status: 503 }) : javascript(bytes)
      }
      return html(
        `<link rel="icon" href="data:,">
        <meta name="htmx-config" content='{"includeIndicatorStyles":false,"includeIndicatorCSS":false}'>
        <script nonce="n0" src="/htmx.js"></script>
        <script nonce="n0" src="/core.js" data-morph="/morph.js" data-integrity="${integrity}"></script>
        <div id="slot" hx-swap="innerHTML" hx-target="this"><input name="a" value="1"></div>`,
        headers,
      )
    })
    const { page, seen } = await newPage()
    await page.goto(site.url)
    return {
      page,
      seen,
      fail: (times: number) => {
        failing = times
      },
      loads: () => seen.requests.filter((url) => url.endsWith('/morph.js')).length,
      morph: (...contents: string[]) =>
        page.evaluate(async (contents) => {
          const slot = document.querySelector('#slot') as Element
          await Promise.all(contents.map((one) => (window as unknown as Core).morph(slot, one)))
        }, contents),
    }
  }

  test('is loaded when it is first needed, once, with nonce and integrity; what came meanwhile goes in in order', async () => {
    const { page, seen, loads, morph } = await core()
    expect(loads()).toBe(0)
    await page.fill('[name=a]', 'typed')
    await morph(...[2, 3, 4].map((n) => `<input name="a" value="${n}"><b>${n}</b>`))
    expect(await page.textContent('#slot')).toBe('4')
    expect(await values(page)).toEqual(['typed'])
    expect(await page.getAttribute('[name=a]', 'value')).toBe('4')
    expect(loads()).toBe(1)
    expect([...seen.violations, ...seen.consoleErrors, ...seen.pageErrors]).toEqual([])
  })

  test('no content is lost while it can not be loaded, and the next tries again', async () => {
    const { page, seen, loads, fail, morph } = await core()
    fail(1)
    await morph(
      '<input name="a"><b hx-get="/answer" hx-target="this" hx-swap="innerHTML">click</b>',
    )
    await page.click('#slot b')
    await page.locator('#slot b', { hasText: 'answered' }).waitFor()
    await page.fill('[name=a]', 'typed')
    await morph('<input name="a"><b>3</b>')
    expect(await page.textContent('#slot')).toBe('3')
    expect(await values(page)).toEqual(['typed'])
    expect(loads()).toBe(2)
    expect([...seen.violations, ...seen.pageErrors]).toEqual([])
  })

  test('is for slots that ask for it, and those with controls, <details> or the focus', async () => {
    const { page } = await core()
    const morphs = (content: string, style: string) =>
      page.evaluate(
        ([content, style]) => {
          const slot = document.querySelector('#slot') as Element
          slot.innerHTML = content
          slot.querySelector<HTMLElement>('[autofocus]')?.focus()
          return (window as unknown as Core).morphs(slot, style)
        },
        [content, style] as const,
      )
    expect(await morphs('<b>plain</b>', 'innerMorph')).toBe(true)
    expect(await morphs('<b>plain</b><button>x</button>', 'innerHTML')).toBe(false)
    expect(await morphs('<b>plain</b><button autofocus>x</button>', 'innerHTML')).toBe(true)
    for (const held of [
      '<input>',
      '<select></select>',
      '<p><textarea></textarea></p>',
      '<details></details>',
    ]) {
      expect(await morphs(held, 'innerHTML')).toBe(true)
      expect(await morphs(held, 'beforeend')).toBe(false)
    }
  })
})

/** What the bundle leaves on the window. */
type Core = typeof import('../../src/client/morph')

/** The part of the runtime that decides and loads, on the window. */
async function bundle(): Promise<string> {
  const main = new URL('../../src/client/main.ts', import.meta.url).pathname
  const { outputs } = await Bun.build({
    entrypoints: [main],
    files: { [main]: 'import * as core from "./morph"; Object.assign(window, core)' },
    format: 'iife',
  })
  return (await outputs[0]?.text()) ?? ''
}

/** Of the fields in order. */
function values(page: Page): Promise<string[]> {
  return page.$$eval('#slot :is(input, textarea)', (all) =>
    all.map((one) => (one as HTMLInputElement).value),
  )
}

/** What is checked, chosen and set, in order. */
function choices(page: Page): Promise<string[]> {
  return page.$$eval('#slot :is(input, select)', (all) =>
    (all as (HTMLInputElement | HTMLSelectElement)[]).flatMap((one) => {
      if ('selectedOptions' in one) {
        return [`${one.name}=${[...one.selectedOptions].map(({ value }) => value)}`]
      }
      if (one.type === 'range') return [`${one.name}=${one.value}`]
      if (!one.checked) return []
      return [one.type === 'radio' ? `${one.name}=${one.value}` : one.name]
    }),
  )
}

/** The name of the focused field, and what is selected in it. */
function caret(page: Page): Promise<unknown[]> {
  return page.evaluate(() => {
    const field = document.activeElement as HTMLInputElement
    return [field.name, field.selectionStart, field.selectionEnd, field.selectionDirection]
  })
}
