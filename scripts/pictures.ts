/**
 * `bun run pictures`: takes the pictures of `docs/pictures/` anew; `bun run pictures jobs session`: those of these pages.
 *
 * A page more is an entry more in the list: its name, what starts it, and, unless light, dark and narrow as it opens will
 * do, what is done with it. A scene that fails is said, and the others are taken all the same.
 */
import { chromium } from 'playwright-core'
import { chats } from './pictures/chat'
import { jobs } from './pictures/jobs'
import { logs } from './pictures/logs'
import { session } from './pictures/session'
import { play, type Scene } from './pictures/stage'
import { ensureChromium, ensureDependencies } from './setup'

const scenes: Scene[] = [...jobs, ...session, ...logs, ...chats]

ensureDependencies()
const executablePath = ensureChromium()
if (!executablePath) process.exit(1)

const names = process.argv.slice(2)
const chosen = scenes.filter(
  ({ name }) =>
    names.length === 0 || names.some((one) => name === one || name.startsWith(`${one}-`)),
)
if (chosen.length === 0) {
  console.error(
    `Expected some of ${scenes.map(({ name }) => name).join(', ')}, got ${names.join(', ')}`,
  )
  process.exit(2)
}

let failed = 0
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
for (const scene of chosen) {
  await play(browser, scene).catch((error: unknown) => {
    failed++
    console.error(`${scene.name}: ${error instanceof Error ? error.message : error}`)
  })
}
await browser.close()
process.exit(failed > 0 ? 1 : 0)
