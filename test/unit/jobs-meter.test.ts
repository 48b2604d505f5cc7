import { expect, test } from 'bun:test'
import { Meter } from '../../examples/jobs/meter'
import { Pace } from '../../examples/jobs/pace'

test('the rate is that of the last three seconds, and falls to 0 when nothing moves', () => {
  const meter = new Meter()
  expect(meter.rate).toBe(0)
  meter.add(0, 0)
  expect(meter.rate).toBe(0)
  for (let at = 100; at <= 10_000; at += 100) meter.add(at, at * 5)
  expect(meter.rate).toBe(5000)
  expect(meter.span).toBe(3000)
  for (let at = 10_100; at <= 11_500; at += 100) meter.add(at, 50_000)
  expect(meter.rate).toBe(2500)
  for (let at = 11_600; at <= 13_100; at += 100) meter.add(at, 50_000)
  expect(meter.rate).toBe(0)
})

test('bytes of a file that was given up do not make a rate below 0', () => {
  const meter = new Meter()
  meter.add(0, 1000)
  meter.add(100, 0)
  expect(meter.rate).toBe(0)
})

test('the pace is kept per key, and the last call is never lost', async () => {
  const calls: { key: string; at: number; value: number }[] = []
  let value = 0
  const last = Promise.withResolvers<void>()
  const pace = new Pace(20, (key) => {
    calls.push({ key, at: performance.now(), value })
    if (value === 50 && key === 'a') last.resolve()
  })
  for (value = 1; value < 50; value++) {
    pace.soon('a')
    pace.soon('b')
    await Bun.sleep(1)
  }
  pace.soon('a')
  await last.promise
  const ofA = calls.filter(({ key }) => key === 'a')
  expect(ofA.at(-1)?.value).toBe(50)
  const gaps = ofA.slice(1).map(({ at }, i) => at - (ofA[i]?.at ?? 0))
  expect(Math.min(...gaps)).toBeGreaterThan(18)
  expect(ofA.length).toBeLessThan(20)
  pace.flush()
})
