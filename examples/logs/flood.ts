/**
 * A program that prints 100,000 lines in 10 s, in the colours of a terminal. The variables LINES_COUNT and
 * LINES_SECONDS say otherwise.
 */
const count = Number(process.env.LINES_COUNT ?? 100_000)
const seconds = Number(process.env.LINES_SECONDS ?? 10)

const levels = [
  ...Array<string>(12).fill('\x1b[32mINFO\x1b[0m '),
  ...Array<string>(5).fill('\x1b[2mDEBUG\x1b[0m'),
  '\x1b[33mWARN\x1b[0m ',
  '\x1b[1;31mERROR\x1b[0m',
]
const words = ['took', 'in', 'a request of', 'a reader of', 'a part of', 'what was left of']

const began = performance.now()
for (let n = 0; n < count; ) {
  const due = Math.min(count, Math.ceil(((performance.now() - began) / (seconds * 1_000)) * count))
  let text = ''
  for (; n < due; n++) {
    const level = levels[(n * 7) % levels.length]
    const word = words[n % words.length]
    text += `\x1b[36m${new Date().toISOString()}\x1b[0m ${level} ${word} \x1b[35m#${n + 1}\x1b[0m ${(n * 31) % 997} ms\n`
  }
  await Bun.write(Bun.stdout, text)
  await Bun.sleep(5)
}

export {}
