import { describe, expect, test } from 'bun:test'
import { Trace } from '../../examples/jobs/trace'

describe('the speed of a job over its whole time', () => {
  test('a point each quarter of a second', () => {
    const trace = new Trace(0)
    for (let at = 50; at <= 1000; at += 50) trace.add(at, at * 10)
    expect(trace.points).toEqual([10_000, 10_000, 10_000, 10_000])
  })

  test('it is another array when there is something new, and the same when not', () => {
    const trace = new Trace(0)
    trace.add(250, 100)
    const before = trace.points
    trace.add(300, 200)
    expect(trace.points).toBe(before)
    trace.add(500, 200)
    expect(trace.points).not.toBe(before)
    expect(trace.points).toEqual([400, 400])
  })

  test('of a job of any length there are 40 points at most, and they cover all of it', () => {
    const trace = new Trace(0)
    // An hour: half of it slow, half of it fast.
    let bytes = 0
    for (let at = 30; at <= 3_600_000; at += 30) {
      bytes += at <= 1_800_000 ? 300 : 900
      trace.add(at, bytes)
      expect(trace.points.length).toBeLessThanOrEqual(40)
    }
    const { length } = trace.points
    expect(length).toBeGreaterThan(20)
    const slow = trace.points.filter((rate) => rate < 20_000).length
    expect(Math.abs(slow / length - 0.5)).toBeLessThan(0.1)
    expect(trace.points[0]).toBe(10_000)
    expect(trace.points.at(-1)).toBe(30_000)
  })

  test('a time without news is as long in it as it was', () => {
    const trace = new Trace(0)
    trace.add(250, 1000)
    trace.add(1250, 1000)
    expect(trace.points).toEqual([4000, 0, 0, 0, 0])
    trace.add(86_400_000, 1000)
    expect(trace.points.length).toBeLessThanOrEqual(40)
  })

  test('a job shorter than a point has one all the same; what is given up is no speed below 0', () => {
    const short = new Trace(0)
    short.end(100, 5000)
    expect(short.points).toEqual([50_000])
    const back = new Trace(0)
    back.add(250, 1000)
    back.add(500, 0)
    expect(back.points).toEqual([4000, 0])
  })

  test('it goes on from what is kept, in steps as long as those', () => {
    const trace = new Trace(5000, { points: [1, 2, 3, 4], span: 4000 })
    trace.add(5500, 0)
    expect(trace.points).toEqual([1, 2, 3, 4])
    trace.add(6000, 1000)
    expect(trace.points).toEqual([1, 2, 3, 4, 1000])
  })
})
