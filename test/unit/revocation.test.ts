/**
 * Whether two patterns name a topic that is the same: what is revoked is compared with what is followed by it.
 */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { overlap } from '../../src/revocation'
import { asPattern, asTopic, matches, type Topic } from '../../src/topic'

/** All topics of up to six segments out of `a`, `b` and `c`. */
const topics: Topic[] = []
let longest = ['a', 'b', 'c']
for (let length = 1; length <= 6; length++) {
  topics.push(...longest.map(asTopic))
  longest = longest.flatMap((topic) => ['a', 'b', 'c'].map((segment) => `${topic}:${segment}`))
}

test('H-10 patterns overlap exactly where some topic is named by both', () => {
  const part = fc.constantFrom('a', 'b', '*', '**')
  const pattern = fc
    .array(part, { minLength: 1, maxLength: 3 })
    .map((parts) => asPattern(parts.join(':')))
  fc.assert(
    fc.property(pattern, pattern, (one, other) => {
      const common = topics.find((topic) => matches(one, topic) && matches(other, topic))
      expect([one, other, overlap(one, other)]).toEqual([one, other, common !== undefined])
    }),
    { seed: 7, numRuns: 500 },
  )
})

test('H-10 a pattern of hundreds of ** costs no more than its length allows', () => {
  const deep = asPattern(Array(250).fill('**:a').join(':').slice(0, 1_000).replace(/:$/, ''))
  const other = asPattern(deep.replaceAll('a', 'b'))
  const began = performance.now()
  expect(overlap(deep, asPattern(`${other.slice(0, -5)}:c`))).toBe(false)
  expect(overlap(deep, asPattern('**'))).toBe(true)
  expect(performance.now() - began).toBeLessThan(500)
})
