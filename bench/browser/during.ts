import { frames, watchFrames } from './in-page'
import type { Work } from './tab'
import type { Served } from './with-tab'

/** Milliseconds from frame to frame. */
const usual = 1_000 / 60

/** What the page does in so many seconds: shares of one core in percent, and frames. */
export async function during({ chromium, tab }: Omit<Served, 'server'>, seconds: number) {
  await tab.run(watchFrames)
  const cpu = await chromium.cpu()
  const before = await tab.work()
  await Bun.sleep(seconds * 1_000)
  const after = await tab.work()
  const used = (await chromium.cpu()) - cpu
  const gaps = await tab.run(frames)
  const share = (time: number) => (time / (after.at - before.at)) * 100
  const of = (name: keyof Work) => share(after[name] - before[name])
  const [script, style, layout] = [of('script'), of('style'), of('layout')]
  return {
    thread: of('thread'),
    script,
    style,
    layout,
    other: of('task') - script - style - layout,
    process: of('process'),
    browser: share(used),
    dropped: (dropped(gaps) / gaps.reduce((sum, gap) => sum + gap, 0)) * 1_000,
    longest: Math.max(...gaps),
  }
}

/** How many frames did not come in their time, by the milliseconds between those that did. */
export function dropped(gaps: readonly number[]): number {
  return gaps
    .filter((gap) => gap > 1.5 * usual)
    .reduce((sum, gap) => sum + Math.round(gap / usual) - 1, 0)
}

/** The columns of what a main thread did. */
export const threadColumns = [
  { name: 'main thread %', figure: 'thread', digits: 1 },
  { name: 'script %', figure: 'script', digits: 1 },
  { name: 'style %', figure: 'style', digits: 1 },
  { name: 'layout %', figure: 'layout', digits: 1 },
  { name: 'other %', figure: 'other', digits: 1 },
]
