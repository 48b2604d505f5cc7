/**
 * The pieces of a text and what they come to: what a reader is given who comes later is what one sees who was there.
 */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  changePiece,
  closePiece,
  deletePiece,
  escapeText,
  insertPiece,
  linesPiece,
  replacePiece,
  shown,
  statePiece,
  textPiece,
  unescapeText,
  wholeOf,
  wholePiece,
} from '../../src/text-wire'
import { asTopic } from '../../src/topic'

const topic = asTopic("chat:1:it's")
const fold = (...pieces: string[]) => wholeOf(pieces.map((data) => ({ data, form: 'text' })))

describe('what pieces come to', () => {
  test('text goes where it is said, and is escaped', () => {
    const hostile = '<img src=x onerror=alert(1)>&"\''
    const pieces = [
      textPiece(topic, 'b', 'append'),
      textPiece(topic, escapeText(hostile), 'append'),
      textPiece(topic, 'a', 'prepend'),
    ]
    expect(fold(...pieces).html).toBe(`ab${escapeText(hostile)}`)
    expect(fold(...pieces).html).not.toContain('<')
    expect(fold(...pieces, textPiece(topic, 'new', 'replace')).html).toBe('new')
    expect(pieces[0]).not.toContain('<')
  })

  test('trusted HTML may hold what looks like the end of a piece', () => {
    const html = '<hx-partial hx-target="#x">1</hx-partial><i>2</i>'
    const { html: all } = fold('a', insertPiece(topic, html, 'append'), 'b')
    expect(all).toBe(`a${html}b`)
    expect(fold(insertPiece(topic, 'z', 'append'), insertPiece(topic, 'y', 'prepend')).html).toBe(
      'yz',
    )
    expect(fold('gone', replacePiece(topic, html)).html).toBe(html)
  })

  test('D-03 what a selector names is deleted from what is there, not from what comes', () => {
    const item = insertPiece(topic, '<b class="x">1</b>', 'append')
    expect(fold('a', item, deletePiece(topic, 'b.x, #none'), 'c', item).html).toBe(
      'ac<b class="x">1</b>',
    )
  })

  test('D-05 the state stands beside the text', () => {
    const failed = fold('a', statePiece(topic, 'active'), statePiece(topic, 'failed', '<no>'), 'b')
    expect(failed).toMatchObject({ html: 'ab', state: 'failed' })
    expect(failed.status).toBe('<p class="hw-text-error" role="alert">&lt;no&gt;</p>')
    expect(fold(statePiece(topic, 'active')).status).toBe('<span data-stream-active></span>')
    expect(fold(statePiece(topic, 'active'), statePiece(topic, 'done')).status).toBe('')
    expect(fold().state).toBe('idle')
  })

  test('D-21 blocks close before the open one, which grows within its element', () => {
    const pieces = [
      changePiece(
        topic,
        { closed: '', open: '<p>a <span class="hw-grows">b</span></p>' },
        'r1',
        true,
      ),
      changePiece(topic, { closed: '', grow: ' <c>' }, 'r1', false),
    ]
    const open = '<p>a <span class="hw-grows">b &lt;c&gt;</span></p>'
    expect(fold(...pieces)).toMatchObject({ html: '', open: { name: 'r1', html: open } })
    expect(shown(fold(...pieces))).toBe(`<div class="hw-open" data-open="r1">${open}</div>`)
    pieces.push(
      changePiece(
        topic,
        { closed: '<p>a b &lt;c&gt;</p>', open: '<span class="x hw-grows"></span>', grow: 'd' },
        'r1',
        false,
      ),
    )
    expect(fold(...pieces)).toMatchObject({
      html: '<p>a b &lt;c&gt;</p>',
      open: { name: 'r1', html: '<span class="x hw-grows">d</span>' },
    })
    pieces.push(closePiece(topic, '<p>d</p>', 'r1'))
    expect(shown(fold(...pieces))).toBe('<p>a b &lt;c&gt;</p><p>d</p>')
    pieces.push(
      insertPiece(topic, '<hr>', 'append'),
      changePiece(topic, { closed: '<p>e</p>', open: '' }, 'r1', true),
    )
    expect(shown(fold(...pieces))).toBe(
      '<p>a b &lt;c&gt;</p><p>d</p><hr><p>e</p><div class="hw-open" data-open="r1"></div>',
    )
    // One that a dead writer left is no other's.
    const left = shown(fold(...pieces))
    pieces.push(
      changePiece(topic, { closed: '<p>f</p>', open: '<i></i>' }, 'r2', true),
      closePiece(topic, '<p>g</p>', 'r2'),
    )
    expect(shown(fold(...pieces))).toBe(`${left}<p>f</p><p>g</p>`)
  })

  test('D-22 of lines only the newest stay', () => {
    const line = (n: number) => `<li id="l-${n}">&lt;li ${n}</li>`
    const lines = (from: number, to: number) =>
      linesPiece(topic, Array.from({ length: to - from }, (_, i) => line(from + i)).join(''), 5)
    expect(fold(lines(0, 3)).html).toBe([0, 1, 2].map(line).join(''))
    expect(fold(lines(0, 3), lines(3, 20), lines(20, 22)).html).toBe(
      [17, 18, 19, 20, 21].map(line).join(''),
    )
  })

  test('what else was published to the topic stands where it came, but patches', () => {
    const pieces = [
      { data: 'a', form: 'text' },
      { data: '<i>b</i>', form: 'slot' },
      { data: '<hx-partial>', form: 'patch' },
    ] as const
    expect(wholeOf(pieces).html).toBe('a<i>b</i>')
  })
})

test('D-13 a text that is compacted anywhere comes to the same', () => {
  const word = fc.string({
    unit: fc.constantFrom('a', '<', '&', ' ', '\r', '\n', '😀', '"', '\0'),
    maxLength: 6,
  })
  const html = word.map((one) => `<b class="k">${escapeText(one)}</b>`)
  const at = fc.constantFrom('append' as const, 'prepend' as const)
  const grown = fc.record({ closed: html, grow: word })
  const piece = fc.oneof(
    fc
      .tuple(word, fc.constantFrom('append' as const, 'prepend' as const, 'replace' as const))
      .map(([one, mode]) => textPiece(topic, escapeText(one), mode)),
    fc.tuple(html, at).map(([one, where]) => insertPiece(topic, one, where)),
    html.map((one) => replacePiece(topic, one)),
    fc.constant(deletePiece(topic, '.k')),
    fc
      .tuple(fc.constantFrom('active' as const, 'failed' as const, 'done' as const), word)
      .map(([state, error]) => statePiece(topic, state, error)),
    grown.map(
      ({ closed, grow }) =>
        changePiece(topic, { closed, open: '<p class="hw-grows"></p>', grow }, 'r1', true) +
        closePiece(topic, closed, 'r1'),
    ),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.nat(), (pieces, cut) => {
      const at = pieces.length === 0 ? 0 : cut % pieces.length
      const before = wholePiece(topic, fold(...pieces.slice(0, at)))
      expect(fold(before, ...pieces.slice(at))).toEqual({ open: undefined, ...fold(...pieces) })
    }),
    { numRuns: 2_000 },
  )
})

test('a compacted text keeps its open block', () => {
  const open = changePiece(
    topic,
    { closed: '<p>1</p>', open: '<pre><code class="hw-grows">x</code></pre>' },
    'r1',
    true,
  )
  const more = changePiece(topic, { closed: '', grow: 'y</div>' }, 'r1', false)
  const whole = fold('0', open, more)
  expect(fold(wholePiece(topic, fold('0', open)), more)).toEqual(whole)
  expect(whole.open?.html).toBe('<pre><code class="hw-grows">xy&lt;/div&gt;</code></pre>')
})

test('what is escaped is the text again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (value) => {
      expect(unescapeText(escapeText(value))).toBe(value.toWellFormed().replaceAll('\0', '\ufffd'))
    }),
  )
})
