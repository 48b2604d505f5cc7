/**
 * The README's program as a process of its own, in Chromium: cut, killed, started again.
 */
import { Database } from 'bun:sqlite'
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closeBrowser, newPage, until } from '../support/browser'
import { startProxy } from '../support/proxy'

setDefaultTimeout(60_000)

const folder = mkdtempSync(join(tmpdir(), 'hello-'))
const database = join(folder, 'hello.db')
const program = join(import.meta.dir, '../../examples/hello/main.tsx')

afterAll(async () => {
  await closeBrowser()
  rmSync(folder, { recursive: true, force: true })
})

async function start(port: number) {
  const child = Bun.spawn([process.execPath, program], {
    env: { ...process.env, DATABASE: database, PORT: String(port) },
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const { value } = await child.stdout.getReader().read()
  const address = new TextDecoder().decode(value).match(/http:\/\/localhost:(\d+)/)
  if (!address) throw new Error('The program printed no address')
  return { child, port: Number(address[1]) }
}

test('H-08 hello: a cut socket, a killed and restarted server lose and double no tick', async () => {
  let { child, port } = await start(0)
  const proxy = await startProxy(port)
  try {
    const { page, seen } = await newPage()
    await page.goto(`http://127.0.0.1:${proxy.port}/`)
    const shown = () => page.$$eval('ol > li', (all) => all.map((li) => li.textContent))
    const ticks = async (count: number) => {
      const first = (await shown()).length
      await until(async () => (await shown()).length >= first + count, { timeout: 20_000 })
    }
    await ticks(2)
    proxy.cut()
    await ticks(2)
    child.kill('SIGKILL')
    await child.exited
    ;({ child, port } = await start(port))
    await ticks(2)
    proxy.cut()
    await ticks(1)
    const seenTicks = await shown()
    expect(seenTicks).toEqual(seenTicks.map((_, i) => `Tick ${i + 1}`))
    const kept = new Database(database, { readonly: true })
      .query<{ key: string }, []>(
        "select key from hw_event where topic = 'clock:hall:ticks' order by seq",
      )
      .all()
    expect(kept.slice(0, seenTicks.length).map(({ key }) => `Tick ${key}`)).toEqual(
      seenTicks as string[],
    )
    // The number above the list is the newest tick's.
    await until(async () => `Tick ${await page.textContent('h1')}` === (await shown()).at(-1))
    expect(seen.pageErrors).toEqual([])
    expect(seen.violations).toEqual([])
  } finally {
    child.kill('SIGKILL')
    await proxy.close()
  }
})

test('H-08 hello: a port that is taken is not shared', async () => {
  const { child, port } = await start(0)
  try {
    const second = Bun.spawn([process.execPath, program], {
      env: { ...process.env, DATABASE: join(folder, 'second.db'), PORT: String(port) },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 10_000,
    })
    expect(await new Response(second.stderr).text()).toContain(`Is port ${port} in use?`)
    expect(await second.exited).toBe(1)
  } finally {
    child.kill('SIGKILL')
  }
})
