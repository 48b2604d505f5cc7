/**
 * Limits: what a hub is given counts, or is refused; nothing that is no limit lets everybody in.
 */
import { describe, expect, test } from 'bun:test'
import { Hub } from 'headwater'
import { defaults, type Limits, limitsOf } from '../../src/limits'

const names = Object.keys(defaults) as (keyof Limits)[]

describe('H-10 limits', () => {
  test('are the defaults where nothing, or undefined, is given', () => {
    const nothing = Object.fromEntries(names.map((name) => [name, undefined]))
    expect(limitsOf()).toEqual(defaults)
    expect(limitsOf(nothing)).toEqual(defaults)
    expect(limitsOf({ topics: 7, retry: [5, 5] })).toEqual({
      ...defaults,
      topics: 7,
      retry: [5, 5],
    })
  })

  for (const name of names) {
    test(`${name} that is no number in its range is a TypeError`, () => {
      const none = name === 'pace' || name === 'grace' ? [] : [0]
      const bad: unknown[] = [
        ...none,
        Number.NaN,
        -1,
        Number.POSITIVE_INFINITY,
        '5',
        null,
        {},
        2 ** 60,
      ]
      for (const value of bad) {
        expect(() => new Hub({ limits: { [name]: value } })).toThrow(
          new RegExp(
            `^Expected as limits\\.${name} (milliseconds|a whole number) from [01] to \\d+`,
          ),
        )
      }
      expect(limitsOf({ [name]: 1 })[name]).toBe(1)
    })
  }

  test('retry is a number or a pair of them, in their order', () => {
    for (const bad of [[3], [], [1, 2, 3], [2, 1], [Number.NaN, 1], [1, '2'], [0, 1]]) {
      expect(() => limitsOf({ retry: bad })).toThrow(/^Expected as limits\.retry .*, or a pair/)
    }
    expect(limitsOf({ retry: [1, 2.5] }).retry).toEqual([1, 2.5])
  })

  test('of a number are whole, of a time not longer than a timer waits', () => {
    expect(() => limitsOf({ replay: 1.5 })).toThrow(
      'a whole number from 1 to 9007199254740991, got 1.5',
    )
    expect(limitsOf({ heartbeat: 0.5 + 1, pace: 0, grace: 0 })).toMatchObject({
      heartbeat: 1.5,
      pace: 0,
    })
    expect(() => limitsOf({ heartbeat: 2 ** 31 })).toThrow(/to 2147483647, got 2147483648$/)
    expect(limitsOf({ expires: 2 ** 40 }).expires).toBe(2 ** 40)
  })
})
