/** The benchmark's browser scenarios run, and find every cell right. Figures are not looked at. */
import { expect, setDefaultTimeout, test } from 'bun:test'

setDefaultTimeout(60_000)

test.each([
  'browser --connections 20 --events 200 --seconds 1',
  'browser-cells --connections 5 --only headwater,headwater-htmx4',
])('bench %s', async (words) => {
  const command = ['bench/main.ts', ...words.split(' '), '--runs', '1', '--dry']
  const child = Bun.spawn([process.execPath, ...command], {
    cwd: `${import.meta.dir}/../..`,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [text, problems] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  expect(problems).not.toContain('failed')
  expect(text).toMatch(/^\| headwater +\| +[\d.,]+ \|/m)
  expect(text).toMatch(/^\| headwater-htmx4 +\| +[\d.,]+ \|/m)
  expect(text).not.toContain('NaN')
  expect(await child.exited).toBe(0)
})
