/**
 * Topics and patterns.
 */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  asPattern,
  asTopic,
  expressionOf,
  isPattern,
  matches,
  segmentsOf,
  topic,
} from '../../src/topic'

const hostile = fc.string({
  minLength: 1,
  maxLength: 20,
  unit: fc.oneof(
    fc.constantFrom(
      ':',
      '*',
      '%',
      ',',
      ' ',
      '/',
      '.',
      '"',
      "'",
      '<',
      '\n',
      '\r',
      '\0',
      '🌊',
      '\ud800',
    ),
    fc.string({ minLength: 1, maxLength: 1, unit: 'grapheme' }),
  ),
})
const segments = fc.array(hostile, { minLength: 1, maxLength: 4 })

describe('a topic', () => {
  test('is its segments joined by colons, each percent-encoded', () => {
    expect(topic('job', 'a/b', 'progress')).toBe(asTopic('job:a%2Fb:progress'))
    expect(topic('job', 42)).toBe(asTopic('job:42'))
    expect(topic('a:b', '*', '%', 'ä, b')).toBe(asTopic('a%3Ab:%2A:%25:%C3%A4%2C%20b'))
  })

  test('gives its segments back, whatever they are, and is no pattern', () => {
    fc.assert(
      fc.property(segments, (texts) => {
        const reserved = texts.length === 1 && /^(?:done|open|error|message)$/.test(texts[0] ?? '')
        fc.pre(!reserved && texts[0] !== 'hw')
        const built = topic(...texts)
        expect(segmentsOf(built)).toEqual(texts.map((text) => text.toWellFormed()))
        expect(built).not.toMatch(/[\s,"<>*\p{Cc}]/u)
        expect(isPattern(built)).toBe(false)
        expect(asTopic(built)).toBe(built)
        expect(matches(built, built)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  test('is another one for other segments', () => {
    fc.assert(
      fc.property(segments, segments, (one, other) => {
        const same =
          JSON.stringify(one.map((text) => text.toWellFormed())) ===
          JSON.stringify(other.map((text) => text.toWellFormed()))
        fc.pre(one[0] !== 'hw' && other[0] !== 'hw')
        expect(topic('x', ...one) === topic('x', ...other)).toBe(same)
      }),
    )
  })

  const bad: [string, string][] = [
    ['', 'empty'],
    ['a,b', 'a comma'],
    ['a b', 'white space'],
    ['a\nb', 'a line break'],
    ['a\0', 'NUL'],
    ['a\x7f', 'DEL'],
    ['a::b', 'an empty segment'],
    [':a', 'an empty first segment'],
    ['a:', 'an empty last segment'],
    ['\ud800', 'half a surrogate pair'],
    ['done', 'reserved'],
    ['open', 'reserved'],
    ['error', 'reserved'],
    ['message', 'reserved'],
    ['hw:text', 'reserved'],
    ['a*b', 'a star within a segment'],
    ['***', 'three stars'],
    ['x'.repeat(1_025), 'too long'],
    ['a:%zz', 'not decodable'],
    ['a:%', 'not decodable'],
    ['a:%ff', 'not UTF-8'],
    ['job:%34%32', 'another spelling of job:42'],
    ['job:a%2fb', 'another spelling of job:a%2Fb'],
  ]
  for (const [text, what] of bad) {
    test(`is refused when ${what}: ${JSON.stringify(text.slice(0, 20))}`, () => {
      expect(() => asTopic(text)).toThrow(TypeError)
      expect(() => asPattern(text)).toThrow(TypeError)
    })
  }

  test('is refused when it is a pattern, or made of nothing', () => {
    expect(() => asTopic('a:*')).toThrow(TypeError)
    expect(() => topic()).toThrow(TypeError)
    expect(() => topic('a', '')).toThrow(TypeError)
    expect(() => topic('a', 'x'.repeat(2_000))).toThrow(TypeError)
  })

  test('may hold a reserved name among others, and a plain word alone', () => {
    for (const text of ['done:1', 'job:done', 'hwx', 'news', "it's", 'a.b-c_d~e']) {
      expect(asTopic(text) as string).toBe(text)
    }
  })
})

describe('a pattern', () => {
  const cases: [pattern: string, topics: string, others: string][] = [
    ['*', 'a', 'a:b'],
    ['**', 'a a:b a:b:c', ''],
    ['a:*', 'a:b a:%2A', 'a a:b:c b:a aa:b'],
    ['a:**', 'a a:b a:b:c', 'b aa ab:c'],
    ['a:*:c', 'a:b:c a:c:c', 'a:c a:b:b:c a:b:c:d'],
    ['a:**:c', 'a:c a:b:c a:b:b:c a:c:c', 'a:b a:c:d c'],
    ['**:c', 'c a:c a:b:c', 'c:a'],
    ['*:**', 'a a:b', ''],
    ['a.b:*', 'a.b:c', 'axb:c'],
  ]
  for (const [pattern, topics, others] of cases) {
    test(`${pattern} names ${topics}${others && `, not ${others}`}`, () => {
      for (const text of topics.split(' ')) {
        expect([text, matches(asPattern(pattern), asTopic(text))]).toEqual([text, true])
      }
      for (const text of others.split(' ').filter(Boolean)) {
        expect([text, matches(asPattern(pattern), asTopic(text))]).toEqual([text, false])
      }
    })
  }

  test('and the expression that pages are given say the same of any topic', () => {
    const part = fc.oneof(fc.constantFrom('a', 'b', '*', '**', "a.b(c)!~'"), hostile)
    const segment = (text: string) => (/^\*\*?$/.test(text) ? text : topic(text))
    fc.assert(
      fc.property(
        fc.array(fc.array(part, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
        fc.array(fc.oneof(fc.constantFrom('a', 'b', 'axb'), hostile), {
          minLength: 1,
          maxLength: 4,
        }),
        (patterns, names) => {
          const all = patterns.map((parts) => asPattern(parts.map(segment).join(':')))
          const one = topic(...names)
          const expected = all.some((pattern) => matches(pattern, one))
          expect(new RegExp(expressionOf(all)).test(one)).toBe(expected)
          expect(
            new RegExp(expressionOf([...all, one as string as (typeof all)[0]])).test(one),
          ).toBe(true)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('agrees with a regular expression made of it', () => {
    const part = fc.constantFrom('a', 'b', '*', '**')
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 5 }),
        fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 5 }),
        (parts, names) => {
          const source = parts.map((one) =>
            one === '**' ? '(?:\\w:)*' : one === '*' ? '\\w:' : `${one}:`,
          )
          const expected = new RegExp(`^${source.join('')}$`).test(`${names.join(':')}:`)
          expect(matches(asPattern(parts.join(':')), asTopic(names.join(':')))).toBe(expected)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
