/**
 * What Chromium makes of the HTML of hostile markdown: by innerHTML on a page under the strict policy, as streamed text
 * comes, and as a part of a document without any policy, as a first page comes.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type MarkdownOptions, markdown, renderMarkdown } from '../../src/markdown'
import { safe } from '../../src/markdown-safe'
import { attacks } from '../fixtures/markdown-xss'
import { closeBrowser, html, newPage, serve } from '../support/browser'

setDefaultTimeout(60_000)
afterAll(closeBrowser)

const policy = "default-src 'none'; img-src data:"

/** With the place where an open block grows. */
const allowed = {
  tags: (
    'A BLOCKQUOTE BR CODE EM H1 H2 H3 H4 H5 H6 HR IMG INPUT LI OL P PRE S SPAN STRONG TABLE TBODY TD ' +
    'TH THEAD TR UL'
  ).split(' '),
  attributes: [
    'A[href]',
    'A[title]',
    'A[rel=noopener noreferrer nofollow]',
    'CODE[class=language-js]',
    'CODE[class=language-html]',
    'IMG[src]',
    'IMG[alt]',
    'IMG[title]',
    'INPUT[type=checkbox]',
    'INPUT[disabled=]',
    'INPUT[checked=]',
    'OL[start]',
    'SPAN[class=hw-grows]',
    'TD[align=center]',
    'TH[align=center]',
  ],
  protocols: ['http:', 'https:', 'mailto:'],
}

describe.each([
  ['as links', {}],
  ['shown', { images: true }],
])('D-21 attacks, images %s', (_, options: MarkdownOptions) => {
  test('leave elements, attributes and addresses of the lists only', async () => {
    const { page, seen } = await strict()
    const found = await page.evaluate(offences, {
      pieces: attacks.map((text) => renderMarkdown(text, options)),
      allowed,
    })
    expect(named(found, attacks)).toEqual([])
    expect(seen.violations.filter((what) => !what.includes('img-src'))).toEqual([])
    expect(seen.violations.length > 0).toBe(options.images === true)
  })

  test('are as harmless at every moment of being streamed', async () => {
    const { page } = await strict()
    const moments = attacks
      .filter((_, at) => at % 4 === 0 || at > attacks.length - 140)
      .flatMap((text) => streamed(text, options))
    expect(moments.length).toBeGreaterThan(5_000)
    const found = await page.evaluate(offences, { pieces: moments, allowed })
    expect(named(found, moments)).toEqual([])
  })

  test('run nothing in a document without a policy', async () => {
    const { page, seen, hits } = await lax(attacks.map((text) => renderMarkdown(text, options)))
    expect(await hits()).toEqual([])
    const foreign = seen.requests.filter((url) => !url.startsWith('http://127.0.0.1:'))
    expect(foreign.length > 0).toBe(options.images === true)
    for (const url of foreign) expect(url).toMatch(/^https?:\/\/x\.example\//)
    expect(await page.evaluate(() => document.body.children.length)).toBe(attacks.length)
  })
})

test('D-21 the sanitizer alone leaves nothing of raw HTML that is on no list, and runs nothing', async () => {
  const pieces = attacks.map((text) => safe(text, { images: true }))
  const { page } = await strict()
  expect(named(await page.evaluate(offences, { pieces, allowed }), attacks)).toEqual([])
  const { hits } = await lax(pieces)
  expect(await hits()).toEqual([])
})

test('D-21 the tests above see what is not safe', async () => {
  const bad = [
    '<b>x</b>',
    '<a href="javascript:hit()">x</a>',
    '<p id="x">x</p>',
    '<p hx-get="/x">x</p>',
    '<img src="data:,">',
    '<input type="text">',
  ]
  const { page, seen } = await strict()
  const found = await page.evaluate(offences, { pieces: bad, allowed })
  expect(new Set(found.map(({ at }) => at)).size).toBe(bad.length)
  await page.evaluate(offences, { pieces: ['<img src="/x" onerror="hit()">'], allowed })
  expect(seen.violations.some((what) => what.includes('script-src'))).toBe(true)
  const { hits } = await lax(['<script>hit()</script>', '<img src="data:," onerror="hit()">'])
  expect(await hits()).toEqual([1, 1])
})

interface Offence {
  /** Of the piece. */
  at: number
  what: string
}

/** Runs in the page: what stands in it of each piece and is on no list. */
function offences({
  pieces,
  allowed: lists,
}: {
  pieces: string[]
  allowed: typeof allowed
}): Offence[] {
  const found: Offence[] = []
  const box = document.createElement('div')
  document.body.append(box)
  for (const [at, piece] of pieces.entries()) {
    box.innerHTML = piece
    for (const element of box.querySelectorAll('*')) {
      const { tagName: tag, attributes } = element
      if (!lists.tags.includes(tag)) found.push({ at, what: tag })
      for (const { name, value } of attributes) {
        const is = lists.attributes.some(
          (one) => one === `${tag}[${name}]` || one === `${tag}[${name}=${value}]`,
        )
        if (!is) found.push({ at, what: `${tag}[${name}=${value}]` })
        if (name !== 'href' && name !== 'src') continue
        const { protocol } = new URL(value, document.baseURI)
        if (!lists.protocols.includes(protocol)) found.push({ at, what: value })
      }
    }
  }
  return found
}

/** An empty page under the policy that Headwater works with. */
async function strict() {
  const site = serve(() =>
    html('<link rel="icon" href="data:,"><body></body>', { 'content-security-policy': policy }),
  )
  const opened = await newPage()
  await opened.page.goto(site.url)
  return opened
}

/** A page without a policy that has all of these in it, and what its `hit()` was called by. */
async function lax(pieces: string[]) {
  const boxes = pieces.map((piece) => `<div>${piece}</div>`).join('')
  const site = serve((request) =>
    new URL(request.url).pathname === '/'
      ? html(
          `<link rel="icon" href="data:,"><script>hits = []; hit = () => hits.push(1)</script>${boxes}`,
        )
      : new Response('', { status: 404 }),
  )
  const opened = await newPage()
  // What leads out of this machine goes nowhere.
  await opened.context.route(/x\.example/, (route) => route.abort())
  await opened.page.goto(site.url)
  const hits = () => opened.page.evaluate(() => (globalThis as unknown as { hits: number[] }).hits)
  return { ...opened, hits }
}

/** What the slot has in it after each character. */
function streamed(text: string, options: MarkdownOptions): string[] {
  const blocks = markdown(options)
  let closed = ''
  let open = ''
  return text.split('').map((character) => {
    const { closed: more, open: anew = open, grow = '' } = blocks.push(character)
    closed += more
    open = anew.replace(/hw-grows">[^<]*/, (all) => all + Bun.escapeHTML(grow))
    return closed + open
  })
}

function named(found: Offence[], pieces: string[]) {
  return found.slice(0, 10).map(({ at, what }) => ({ what, piece: pieces[at] }))
}
