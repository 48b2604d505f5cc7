/**
 * `bun run bench [--runs N] [--connections N] [--events N] [--bytes N]`: deliveries per second of one event a turn,
 * each candidate in a fresh process, the load in another, order alternated, medians and ratios to the floor.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    connections: { type: 'string', default: '1000' },
    events: { type: 'string', default: '400' },
    bytes: { type: 'string', default: '512' },
  },
})
const candidates = ['floor', 'headwater']
const connections = Number(values.connections)
const events = Number(values.events)

interface Result {
  perSecond: number
  p50: number
  p99: number
  kilobytes: number
}

/** A child that answers each line with a line. */
function talk(...command: string[]) {
  const child = Bun.spawn([process.execPath, ...command], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const reader = child.stdout.getReader()
  const decoder = new TextDecoder()
  let text = ''
  return {
    async line(): Promise<string> {
      for (let end = text.indexOf('\n'); ; end = text.indexOf('\n')) {
        if (end >= 0) {
          const line = text.slice(0, end)
          text = text.slice(end + 1)
          return line
        }
        const { value, done } = await reader.read()
        if (done) throw new Error(`${command.join(' ')} ended`)
        text += decoder.decode(value)
      }
    },
    say(words: string): void {
      child.stdin.write(`${words}\n`)
      child.stdin.flush()
    },
    async end(): Promise<void> {
      child.kill()
      await child.exited
    },
  }
}

async function run(candidate: string): Promise<Result> {
  const server = talk(`${import.meta.dir}/servers/${candidate}.ts`)
  const [port = '', path = ''] = (await server.line()).split(' ')
  const load = talk(`${import.meta.dir}/load.ts`, port, path, String(connections))
  await load.line()
  await Bun.sleep(500)
  load.say('clear')
  await load.line()
  const begin = performance.now()
  server.say(`turns ${events} ${values.bytes}`)
  const { rss } = JSON.parse(await server.line())
  let counted = 0
  let ages = { p50: 0, p99: 0 }
  const all = events * connections
  while (counted < all && performance.now() - begin < 60_000) {
    load.say('count')
    const part = JSON.parse(await load.line())
    counted += part.events
    if (part.events > all / 2) ages = part
    if (counted < all) await Bun.sleep(5)
  }
  const seconds = (performance.now() - begin) / 1_000
  await Promise.all([server.end(), load.end()])
  if (counted !== all) throw new Error(`${candidate} delivered ${counted} of ${all}`)
  return { perSecond: all / seconds, p50: ages.p50, p99: ages.p99, kilobytes: rss / 1_024 }
}

const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 1] ?? 0

const results = new Map<string, Result[]>(candidates.map((name) => [name, []]))
const ratios = new Map<string, number[]>(candidates.map((name) => [name, []]))
for (let round = 0; round < Number(values.runs); round++) {
  const order = round % 2 === 0 ? candidates : candidates.toReversed()
  const own = new Map<string, Result>()
  for (const name of order) own.set(name, await run(name))
  const floor = own.get('floor')?.perSecond ?? 1
  for (const [name, result] of own) {
    results.get(name)?.push(result)
    ratios.get(name)?.push(result.perSecond / floor)
  }
}

console.log(`${cpus().length} × ${cpus()[0]?.model}, Bun ${Bun.version}`)
console.log(`${events} events of ${values.bytes} B, one a turn, to ${connections} connections\n`)
console.log('candidate    deliveries/s   × floor   p50 ms   p99 ms   RSS MB')
for (const [name, all] of results) {
  const of = (pick: (result: Result) => number) => median(all.map(pick))
  console.log(
    [
      name.padEnd(12),
      Math.round(of((r) => r.perSecond))
        .toLocaleString('en')
        .padStart(12),
      median(ratios.get(name) ?? [])
        .toFixed(2)
        .padStart(9),
      of((r) => r.p50)
        .toFixed(1)
        .padStart(8),
      of((r) => r.p99)
        .toFixed(1)
        .padStart(8),
      (of((r) => r.kilobytes) / 1_024).toFixed(0).padStart(8),
    ].join(' '),
  )
}
