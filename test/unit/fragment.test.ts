import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isSvgPart, rootOf, roots } from '../../src/fragment'

const tags = (html: string) => roots(html).map(({ tag }) => tag)
const ids = (html: string) => roots(html).map(({ id }) => id)
const inner = (html: string) =>
  roots(html).map(({ innerStart, innerEnd }) => html.slice(innerStart, innerEnd))

describe('roots', () => {
  test('are the elements at the top level, in lower case, and what stands between', () => {
    expect(tags('<p>1</p> and <B>2</B>')).toEqual(['p', '', 'b'])
    expect(tags('<ul><li><ul><li>x</li></ul></li></ul><li>y</li>')).toEqual(['ul', 'li'])
    expect(tags('')).toEqual([])
    expect(tags('text &amp; 1 < 2')).toEqual([''])
  })

  test('hold their inner HTML between two offsets', () => {
    expect(inner('<p>1<b>2</b></p><br>3')).toEqual(['1<b>2</b>', '', '3'])
  })

  test('end at once if they are void', () => {
    expect(tags('<br><img src=x><input><hr/><p></p>')).toEqual(['br', 'img', 'input', 'hr', 'p'])
  })

  test('are not ended by a tag in quotes, a comment or raw text', () => {
    expect(tags(`<p title="</p>" lang='</p>'>x</p><i></i>`)).toEqual(['p', 'i'])
    expect(tags('<p><!-- </p> --></p><i></i>')).toEqual(['p', 'i'])
    expect(tags('<script>"<p></script" + "</p>"</script><i></i>')).toEqual(['script', 'i'])
    expect(tags('<textarea><i></textarea><i></i>')).toEqual(['textarea', 'i'])
  })

  test('are read as the tokenizer reads them where quotes stand outside of values', () => {
    expect(tags("<p title=it's>a</p><p>b's</p>")).toEqual(['p', 'p'])
    expect(tags('<a href=/x/>y</a><i></i>')).toEqual(['a', 'i'])
    expect(tags('<!><?x><p></p>')).toEqual(['', 'p'])
  })

  test('end at a slash in drawings, and only there', () => {
    expect(tags('<circle/><g><path/></g><rect r="1" />')).toEqual(['circle', 'g', 'rect'])
    expect(tags('<svg/><div/>x</div>')).toEqual(['svg', 'div'])
  })

  test('ignore an end tag that nothing opened', () => {
    expect(tags('</p><i></b></i></i>')).toEqual(['', 'i', ''])
  })

  test('go on to the end of the string if they are never closed', () => {
    expect(tags('<p>1<b>2')).toEqual(['p'])
    expect(inner('<p>1<b>2')).toEqual(['1<b>2'])
    expect(tags('<p')).toEqual(['p'])
    expect(tags('<script>1')).toEqual(['script'])
  })

  test('have the id of their own first id attribute, decoded', () => {
    expect(ids('<p id="a" id="b"></p>')).toEqual(['a'])
    expect(ids("<p ID='a b'></p><p id=c></p><p id></p>")).toEqual(['a b', 'c', ''])
    expect(ids('<p data-id="a" title="id=x"><b id="c"></b></p>')).toEqual([undefined])
    expect(ids('<p id="&lt;&amp;&quot;&#39;&#x1F389;&nope;&amp;lt;"></p>')).toEqual([
      `<&"'🎉&nope;&lt;`,
    ])
  })

  test('reassemble to the input, whatever it is', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '<',
        '>',
        '</',
        '/>',
        '"',
        "'",
        '=',
        '<!--',
        '-->',
        '<p',
        '</p>',
        ' id=',
        '<br>',
      ),
      fc.constantFrom(
        '<script>',
        '</script>',
        '<svg>',
        '</svg>',
        '<g/>',
        '<tr>',
        '<td>',
        '\0',
        '\n',
      ),
    )
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const html = pieces.join('')
        const all = roots(html)
        expect(all.map(({ start, end }) => html.slice(start, end)).join('')).toBe(html)
        for (const root of all) {
          expect(root.start).toBeLessThan(root.end)
          expect(root.insertAt).toBeLessThanOrEqual(root.innerStart)
          expect(root.innerStart).toBeLessThanOrEqual(root.innerEnd)
          expect(root.innerEnd).toBeLessThanOrEqual(root.end)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('are found in linear time', () => {
    const hostile = ['<!-- -->'.repeat(50_000), `<p ${'a='.repeat(50_000)}`, '<p>'.repeat(50_000)]
    const started = performance.now()
    for (const html of hostile) {
      roots(html)
      rootOf(`${html}x`)
    }
    expect(performance.now() - started).toBeLessThan(2_000)
  })
})

describe('rootOf', () => {
  test('is the one root, blanks and comments aside', () => {
    const html = '\n<!-- a --><li class="x" id="k">1</li><!-- b -->\n'
    const root = rootOf(html)
    expect(root).toMatchObject({ tag: 'li', id: 'k' })
    const at = root?.insertAt ?? 0
    expect(`${html.slice(0, at)} lang="de"${html.slice(at)}`).toContain('<li lang="de" class="x"')
  })

  test('is undefined for none, several, or text beside it', () => {
    for (const html of ['', 'text', '<p></p><p></p>', '<p></p>text', 'text<p></p>', '<!-- -->']) {
      expect(rootOf(html)).toBeUndefined()
    }
  })
})

test('parts of drawings are told from elements of HTML', () => {
  for (const tag of ['circle', 'g', 'path', 'text', 'fegaussianblur', 'lineargradient', 'use']) {
    expect(isSvgPart(tag)).toBe(true)
  }
  for (const tag of ['svg', 'a', 'p', 'title', 'style', 'script', 'sets', 'fe-x', 'textarea', '']) {
    expect(isSvgPart(tag)).toBe(false)
  }
})
