/**
 * The scripts that a page loads: as small as promised, and made of the sources that stand beside them.
 */
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from '../../scripts/build'
import { root } from '../../scripts/setup'
import { type AssetName, asset } from '../../src/assets'

/** What each may weigh at most, in bytes of gzip. */
const limits: [AssetName, number][] = [
  ['htmx.js', 17_000],
  ['sse.js', 1_100],
  ['htmx4.js', 13_500],
  ['sse4.js', 1_100],
  ['headwater.js', 4_096],
  ['status.js', 600],
  ['text.js', 2_048],
  ['log.js', 1_500],
  // Loaded where something is morphed, and only there.
  ['idiomorph.js', 4_900],
  ['morph.js', 1_100],
]

test.each(limits)('H-11 %s is at most %d bytes of gzip', (name, most) => {
  const { bytes } = asset(name) ?? expect.unreachable()
  const { byteLength } = Bun.gzipSync(bytes, { level: 9 })
  expect(byteLength).toBeLessThanOrEqual(most)
  // A limit far above what is there would hold nothing.
  expect(byteLength).toBeGreaterThan(most * 0.8)
})

test('dist/ is what the sources make', async () => {
  const made = await build()
  const dist = join(root, 'dist')
  expect(readdirSync(dist).sort()).toEqual(Object.keys(made).sort())
  const stale = Object.keys(made).filter(
    (name) => made[name] !== readFileSync(join(dist, name), 'utf8'),
  )
  expect(stale.map((name) => `${name} is not of these sources: run bun run build`)).toEqual([])
})

test('what is built evaluates no text and names no place outside of it', () => {
  for (const name of [
    'headwater.js',
    'sse4.js',
    'status.js',
    'log.js',
    'text.js',
    'idiomorph.js',
    'morph.js',
  ] as const) {
    const text = String(asset(name)?.bytes)
    expect(text).not.toMatch(/\beval\(|\bFunction\(|https?:\/\/(?!www\.w3\.org\/)|sourceMappingURL/)
    expect(text).not.toContain(root)
  }
})
