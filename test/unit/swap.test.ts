import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { idSelector, Patch, slotSelector, swap } from '../../src/swap'

/** The elements that HTML really holds, each with the names of its attributes. */
function elementsOf(html: string): string[] {
  const seen: string[] = []
  new HTMLRewriter()
    .on('*', {
      element(element) {
        seen.push([element.tagName, ...[...element.attributes].map(([name]) => name)].join(' '))
      },
    })
    .transform(html)
  return seen
}

const hostile = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc
    .array(
      fc.constantFrom(
        '"',
        "'",
        '<',
        '>',
        '&',
        '\\',
        ':',
        ',',
        ' ',
        '\n',
        '\0',
        'a',
        ']',
        '/>',
        '<hx-x>',
        '-->',
      ),
    )
    .map((parts) => parts.join('')),
)

describe('C-30 a patch', () => {
  test('is what every verb returns, for none, one or many changes', () => {
    for (const patch of [swap, swap.many(), swap.delete('#a'), swap.delete('#a').delete('#b')]) {
      expect(patch).toBeInstanceOf(Patch)
      expect(String(patch)).toBe(patch.html)
    }
    expect(swap.html).toBe('')
  })

  test('wraps what has a target', () => {
    expect(swap.innerHTML('#a > b', 'x').html).toBe(
      '<hx-partial hx-target="#a &gt; b" hx-swap="innerHTML settle:0ms">x</hx-partial>',
    )
  })

  test('puts the attribute on roots that have none', () => {
    expect(swap.replace('<tr id="a"></tr>').html).toBe('<tr hx-swap-oob="true" id="a"></tr>')
    expect(swap.oob('<p id="a">x</p>', { style: 'innerHTML' }).html).toBe(
      '<p hx-swap-oob="innerHTML" id="a">x</p>',
    )
    expect(swap.oob('<ul></ul>', { style: 'beforeend', target: '#l', wrap: false }).html).toBe(
      '<ul hx-swap-oob="beforeend:#l"></ul>',
    )
  })

  test('sends bare table parts first, and wraps those of a second sort', () => {
    const row = swap.replace('<p id="p"></p>').replace('<tr id="r"></tr>')
    expect(row.html).toBe('<tr hx-swap-oob="true" id="r"></tr><p hx-swap-oob="true" id="p"></p>')
    expect(elementsOf(row.replace('<td id="c"></td>').html)).toEqual([
      'hx-partial hx-target hx-swap',
      'p id',
      'hx-partial hx-target hx-swap',
      'tr id',
      'hx-partial hx-target hx-swap',
      'td id',
    ])
  })

  test('leaves the patch that it continues alone', () => {
    const first = swap.innerHTML('#a', '1')
    const { html } = first
    first.innerHTML('#b', '2')
    expect(first.html).toBe(html)
    expect(first.many(swap.delete('#c')).html).toBe(html + swap.delete('#c').html)
  })

  test('keeps the order of its changes, whatever they are', () => {
    const change = fc.constantFrom('innerHTML', 'beforeend', 'afterbegin', 'outerHTML', 'afterend')
    fc.assert(
      fc.property(fc.array(change, { minLength: 1 }), (changes) => {
        const patch = changes.reduce((patch, style, i) => patch[style]('#a', `<p>${i}</p>`), swap)
        const order = [...patch.html.matchAll(/<p>(\d+)/g)].map(([, i]) => Number(i))
        expect(order).toEqual(changes.map((_, i) => i))
      }),
    )
  })

  test('has an escaped colon in a selector, or a space before it, for htmx 4', () => {
    expect(swap.beforeend(idSelector('a:b'), '<g/>').html).toContain('"beforeend:#a\\3A b"')
    expect(swap.beforeend('g:empty', '<g/>').html).toContain('"beforeend: g:empty"')
  })
})

describe('C-30 misuse is a TypeError that says', () => {
  const cases: [string, () => unknown, RegExp][] = [
    ['a promise', () => swap.innerHTML('#a', Promise.resolve('x')), /got a promise: await it/],
    ['no string', () => swap.innerHTML('#a', 7 as unknown as string), /got number/],
    ['an empty target', () => swap.delete(' '), /CSS selector, got an empty string/],
    ['a root without an id', () => swap.replace('<p>x</p>'), /an id, or a target, got <p>x<\/p>/],
    ['an empty id', () => swap.replace('<p id="">x</p>'), /an id, or a target/],
    ['text without an id', () => swap.replace('<p id="a"></p> text'), /got {2}text/],
    ['nothing to replace', () => swap.replace(' '), /got nothing/],
    ['the selector of no id', () => idSelector(''), /Expected an id/],
  ]
  for (const [name, misuse, words] of cases) {
    test(name, () => {
      expect(misuse).toThrow(TypeError)
      expect(misuse).toThrow(words)
    })
  }
})

describe('C-30 selectors', () => {
  test('of ids escape all but letters, digits, - and _', () => {
    expect(idSelector('job-42_x')).toBe('#job-42_x')
    expect(idSelector('job:42')).toBe('#job\\3A 42')
    expect(idSelector('42')).toBe('#\\34 2')
    expect(idSelector('-4')).toBe('#-\\34 ')
    expect(idSelector('-')).toBe('#\\2D ')
    expect(idSelector('ü🎉')).toBe('#\\FC \\1F389 ')
  })

  test('of slots name the topic', () => {
    expect(slotSelector('job:42:lines')).toBe("[sse-swap='job\\3A 42\\3A lines']")
    expect(slotSelector("a']b")).toBe("[sse-swap='a\\27 \\5D b']")
  })

  test('hold nothing that could end them, whatever the id or topic', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        fc.pre(text !== '')
        expect(idSelector(text)).toMatch(/^#[\w\\ -]+$/)
        expect(slotSelector(text)).toMatch(/^\[sse-swap='[\w\\ -]+'\]$/)
      }),
    )
  })
})

describe('C-32 hostile strings', () => {
  test('in a target add no tag and no attribute, in any form', () => {
    fc.assert(
      fc.property(hostile, (target) => {
        fc.pre(target.trim() !== '')
        const forms = (selector: string) => [
          swap.innerHTML(selector, '<b></b>').delete(selector),
          swap.beforeend(selector, '<circle></circle>').outerHTML(selector, '<g></g>'),
          swap.oob('<p></p>', { style: 'beforeend', target: selector, wrap: false }),
        ]
        const tame = forms('#a').map(({ html }) => elementsOf(html))
        expect(forms(target).map(({ html }) => elementsOf(html))).toEqual(tame)
      }),
      { numRuns: 500 },
    )
  })

  test('in an id add no tag and no attribute', () => {
    fc.assert(
      fc.property(hostile, (id) => {
        fc.pre(id !== '')
        const forms = (id: string) => {
          const root = `<tr id="${Bun.escapeHTML(id)}"></tr>`
          return swap.beforeend('#rows', root).oob(root, { wrap: true, style: 'innerHTML' }).html
        }
        expect(elementsOf(forms(id))).toEqual(elementsOf(forms('a')))
      }),
      { numRuns: 500 },
    )
  })
})

describe('C-33 appending', () => {
  test('removes what has the id of a root first', () => {
    expect(swap.beforeend('#l', '<li id="a"></li><li></li><li id="b:c"></li>').html).toBe(
      '<hx-partial hx-target="#a,#b\\3A c,document" hx-swap="delete"></hx-partial>' +
        '<hx-partial hx-target="#l" hx-swap="beforeend settle:0ms"><li id="a"></li><li></li><li id="b:c"></li></hx-partial>',
    )
  })

  test('sends an id once, at its last place', () => {
    const patch = swap
      .beforeend('#l', '<li id="a">1</li>-<li id="b">1</li>')
      .afterbegin('#l', '<li id="a">2</li>')
    expect(patch.html).not.toContain('<li id="a">1')
    expect(patch.html).toContain('>-<li id="b">1</li></hx-partial>')
  })

  test('removes nothing beside a target, where the target itself may be meant', () => {
    expect(swap.afterend('#a', '<li id="a"></li>').html).not.toContain('delete')
  })
})
