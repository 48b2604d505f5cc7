/** The benchmark's browser scenarios run, and find every cell, text and row right. Figures are not looked at. */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { runBench } from '../support/bench'

setDefaultTimeout(60_000)

test.each([
  'browser --connections 20 --events 200 --seconds 1',
  'browser-cells --connections 5 --only headwater,headwater-htmx4',
  'text-page --events 200 --seconds 1',
  'log-lines --events 2000 --seconds 1',
])('bench %s', async (words) => {
  const text = await runBench(`${words} --runs 1 --dry`)
  expect(text).toMatch(/^\| headwater +\| +[\d.,]+ \|/m)
  expect(text).toMatch(/^\| headwater-htmx4 +\| +[\d.,]+ \|/m)
  expect(text).not.toContain('NaN')
})
