/**
 * `bun bench/browser/look.ts <candidate> <updates a second>`: where the time goes in a page of the scenario `browser`,
 * by a trace and by a CPU profile, an update.
 */
import { withPage } from './live-page'
import { heads } from './page'
import { selfTimes } from './profile'
import { ownTimes } from './trace'

const [candidate = 'stock', rate = '2000'] = process.argv.slice(2)
const perSecond = Number(rate)
/** Of each look. */
const seconds = 4

if (!Object.hasOwn(heads, candidate) || !(perSecond > 0)) {
  console.error(`Expected ${Object.keys(heads).join(', ')} and a number, got ${candidate} ${rate}`)
  process.exit(2)
}

await withPage({ candidate, rows: 1_000, within: 20_000 }, async ({ tab, server, look }) => {
  const updating = async <Seen>(see: (meanwhile: () => Promise<void>) => Promise<Seen>) => {
    const updated = server.order('update', { perSecond, seconds: seconds + 2 })
    await Bun.sleep(1_000)
    const seen = await see(() => Bun.sleep(seconds * 1_000))
    await updated
    return seen
  }
  const traced = ownTimes(await updating((meanwhile) => tab.trace(meanwhile)))
  const profiled = selfTimes(await updating((meanwhile) => tab.profile(meanwhile)))
  await Bun.sleep(1_000)
  const { wrong } = await look()
  console.log(`${candidate}, ${perSecond} updates/s, ${wrong.length} cells wrong a second later`)
  console.log('\nOn the main thread, without what is inside:')
  for (const { name, time, count } of traced.slice(0, 20)) console.log(line(name, time, count))
  console.log('\nFunctions, without those that they call:')
  for (const { name, time } of profiled.slice(0, 40)) console.log(line(name, time))
})

function line(name: string, time: number, count?: number): string {
  const each = ((time * 1_000) / (perSecond * seconds)).toFixed(1).padStart(9)
  const share = (time / (seconds * 10)).toFixed(1).padStart(5)
  return `${each} µs ${share} % ${count === undefined ? '' : `× ${count} `}${name}`
}
