/**
 * Which source lacks an event, how long to wait, and the queue that never holds up a click.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { backoff } from '../../src/client/backoff'
import { slices } from '../../src/client/slices'
import { isBeyond, lacks, type Standing, settle } from '../../src/client/standing'

describe('the order of a connection', () => {
  test('compares numbers within an epoch, and takes another epoch for newer', () => {
    expect(isBeyond('E.10', 'E.9')).toBe(true)
    expect(isBeyond('E.9', 'E.9')).toBe(false)
    expect(isBeyond('E.9', 'E.10')).toBe(false)
    expect(isBeyond('F.1', 'E.10')).toBe(true)
    expect(isBeyond('E.1', undefined)).toBe(true)
  })

  test('an id beyond the position is for all that lack it, one behind it for those that came since', () => {
    const level: Standing = { cursor: 'E.1', joined: undefined }
    const ahead: Standing = { cursor: 'E.60', joined: undefined }
    const late: Standing = { cursor: 'E.20', joined: 'E.50' }
    const lacking = (id: string, position?: string) =>
      [level, ahead, late].map((one) => lacks(one, id, position))
    expect(lacking('E.20', 'E.50')).toEqual([false, false, false])
    expect(lacking('E.21', 'E.50')).toEqual([false, false, true])
    expect(lacking('E.50', 'E.50')).toEqual([false, false, true])
    expect(lacking('E.51', 'E.50')).toEqual([true, false, true])
    expect(lacking('E.61', 'E.60')).toEqual([true, true, true])
    // Once the stream is beyond the place where it came, it is as level as the others.
    expect(lacking('E.40', 'E.51')).toEqual([false, false, false])
  })

  test('the position is the cursor of who is level, never of who is behind or ahead', () => {
    const settled = (source: Standing, position?: string) => {
      settle(source, position)
      return source.cursor
    }
    expect(settled({ cursor: 'E.1', joined: undefined }, 'E.5')).toBe('E.5')
    expect(settled({ cursor: 'E.1', joined: 'E.5' }, 'E.5')).toBe('E.1')
    expect(settled({ cursor: 'E.9', joined: 'E.4' }, 'E.5')).toBe('E.9')
    expect(settled({ cursor: 'E.9', joined: undefined }, undefined)).toBe('E.9')
    expect(settled({ cursor: 'D.9', joined: 'E.4' }, 'E.5')).toBe('E.5')
  })

  test('over joins, goings back and cuts every source has each event of its own exactly once', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constant('event' as const) },
      { weight: 2, arbitrary: fc.constant('join' as const) },
      { weight: 1, arbitrary: fc.constant('cut' as const) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(fc.nat({ max: 30 })), (steps, at) => {
        const sources: (Standing & { from: number; got: number[] })[] = []
        let [position, head, sent]: [string | undefined, number, number] = [undefined, 0, 0]
        const give = (upTo: number) => {
          for (let n = sent + 1; n <= upTo; n++) {
            const before = position
            if (isBeyond(`E.${n}`, before)) position = `E.${n}`
            const takers = sources.filter((one) => lacks(one, `E.${n}`, before))
            for (const one of takers) {
              one.got.push(n)
              one.cursor = `E.${n}`
            }
          }
          sent = upTo
        }
        const number = (cursor = 'E.0') => Number(cursor.split('.')[1])
        for (const [i, what] of steps.entries()) {
          if (what === 'event') give(++head)
          else if (what === 'join') {
            const from = Math.min(at[i] ?? 0, head)
            sources.push({ cursor: `E.${from}`, joined: position, from, got: [] })
            // The server goes back, and some of it may be cut off.
            sent = Math.min(sent, from)
            give(Math.max(sent, head - ((at[i] ?? 0) % 3)))
          } else {
            for (const one of sources) settle(one, position)
            position = undefined
            for (const one of sources) one.joined = undefined
            sent = Math.min(head, ...sources.map(({ cursor }) => number(cursor)))
          }
        }
        give(head)
        for (const { from, got } of sources) {
          expect(got).toEqual(Array.from({ length: head - from }, (_, n) => from + 1 + n))
        }
      }),
      { numRuns: 1_000 },
    )
  })
})

test('the backoff lies between half a second and the base doubled with each attempt, 30 s at the most', () => {
  const between = (attempt: number, base: number) => {
    const all = Array.from({ length: 2_000 }, () => backoff(attempt, base))
    return [Math.min(...all), Math.max(...all)] as [number, number]
  }
  for (const [attempt, base, least, most] of [
    [0, 1_000, 500, 1_000],
    [3, 1_000, 500, 8_000],
    [60, 1_733, 500, 30_000],
    [0, 20, 20, 20],
    [2, 20, 20, 80],
  ] as const) {
    const [low, high] = between(attempt, base)
    expect(low).toBeGreaterThanOrEqual(least)
    expect(high).toBeLessThanOrEqual(most)
    expect(low).toBeLessThanOrEqual(least + (most - least) * 0.05)
    expect(high).toBeGreaterThanOrEqual(most - (most - least) * 0.05)
  }
})

describe('the queue', () => {
  const frame = 5
  const page = { hidden: false }
  beforeAll(() => {
    Object.assign(globalThis, {
      document: page,
      requestAnimationFrame: (draw: (now: number) => void) => setTimeout(draw, frame, 0),
    })
  })
  afterAll(() => {
    Reflect.deleteProperty(globalThis, 'document')
    Reflect.deleteProperty(globalThis, 'requestAnimationFrame')
  })

  test('is at once the first time, and then rests for three times as long as it took', async () => {
    const batches: number[][] = []
    const { push } = slices<number>((n) => {
      const end = performance.now() + 4
      while (performance.now() < end);
      batches.at(-1)?.push(n)
    })
    const began = performance.now()
    const timer = setInterval(() => {}, 1)
    batches.push([])
    const over = push([1])
    expect(batches[0]).toEqual([1])
    // What comes while it rests waits, and is one batch.
    for (let n = 2; n <= 4; n++) {
      await Promise.resolve()
      push([n])
    }
    expect(batches[0]).toEqual([1])
    await over
    clearInterval(timer)
    expect(batches[0]).toEqual([1, 2, 3, 4])
    expect(performance.now() - began).toBeGreaterThan(4 * 4 + 3 * 4 * 4)
  })

  test('does not rest in a page that is hidden', async () => {
    page.hidden = true
    const got: number[] = []
    const began = performance.now()
    await slices<number>((n) => got.push(n)).push([1, 2, 3])
    page.hidden = false
    expect(got).toEqual([1, 2, 3])
    expect(performance.now() - began).toBeLessThan(frame)
  })

  test('keeps the order, and lets other tasks in between slices', async () => {
    const got: number[] = []
    let tasks = 0
    const { push } = slices<number>((n) => {
      const end = performance.now() + 2
      while (performance.now() < end);
      got.push(n)
    })
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      tasks++
      port2.postMessage(0)
    }
    port2.postMessage(0)
    const over = push(Array.from({ length: 40 }, (_, n) => n))
    push([40, 41])
    await over
    port1.close()
    expect(got).toEqual(Array.from({ length: 42 }, (_, n) => n))
    expect(tasks).toBeGreaterThan(3)
  })

  test('waits for what is held, also when that fails', async () => {
    const said: string[] = []
    const fault = Promise.withResolvers<void>()
    const { push, hold } = slices<string>((word) => {
      said.push(word)
      if (word === 'slow') hold(fault.promise.catch(() => void said.push('over')))
    })
    const all = push(['slow', 'next'])
    await Bun.sleep(20)
    expect(said).toEqual(['slow'])
    fault.reject(new Error('of the test'))
    await all
    expect(said).toEqual(['slow', 'over', 'next'])
  })
})
