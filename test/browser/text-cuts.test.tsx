/** @jsxImportSource @kitajs/html */
/**
 * A streamed text whose connection is cut again and again at any byte, in Chromium: on stock htmx, and with the runtime.
 */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { textStream } from 'headwater'
import { TextStream } from 'headwater/components'
import { markdown, renderMarkdown } from 'headwater/markdown'
import { closeBrowser, newPage, until } from '../support/browser'
import { startCuttingProxy } from '../support/cutting-proxy'
import { type Major, startRuntimeSite } from '../support/runtime-site'

setDefaultTimeout(90_000)
afterAll(closeBrowser)

interface Way {
  htmx: Major
  runtime: boolean
  /** Whether the page has the script of streamed text. */
  script?: boolean
}

const ways: Way[] = [
  { htmx: 2, runtime: true },
  { htmx: 4, runtime: true },
  { htmx: 2, runtime: false },
  { htmx: 4, runtime: false },
  { htmx: 2, runtime: false, script: false },
  { htmx: 4, runtime: false, script: false },
]
const cuts = 200
const ownScript = /<script[^>]*\/text\.js"[^>]*><\/script>/
const document = await Bun.file(new URL('../../docs/design.md', import.meta.url)).text()
const words = [
  'word ',
  'ä',
  '漢字',
  '😀',
  '\n',
  '\t',
  '<b>&amp;</b> ',
  '  ',
  '"',
  "'",
  'data: x\n\n',
  '\r\n',
]

/** The same for the same seed. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff
    return state / 0x7fffffff
  }
}

describe.each(ways)(
  'htmx $htmx, runtime $runtime, script $script',
  ({ htmx, runtime, script = true }) => {
    test('D-09 D-13 cut at random bytes 200 times, and reloaded meanwhile, the text is the source, byte for byte', async () => {
      const head = (markup: string) => (script ? markup : markup.replace(ownScript, ''))
      const site = await startRuntimeSite(
        { htmx, runtime, head, limits: { retry: 5 } },
        ({ hub }) => ({
          '/': () => <TextStream stream={textStream(hub, 'answer')} id="answer" label="Answer" />,
        }),
      )
      const next = random(htmx * 2 + Number(runtime))
      const proxy = await startCuttingProxy(site.port, () =>
        proxy.cuts < cuts ? Math.floor(200 + next() * 1_500) : undefined,
      )
      const { page, context, seen } = await newPage()
      const second = await context.newPage()
      const shown = (of = page) => of.$eval('#answer [sse-swap]', (slot) => slot.textContent)
      let source = ''
      async function* tokens() {
        while (proxy.cuts < cuts) {
          for (let n = 0; n < 10; n++) {
            const token = `${words[Math.floor(next() * words.length)]}`
            source += token
            yield token
          }
          await Bun.sleep(4)
        }
      }
      await page.goto(`${proxy.url}/`)
      expect((await page.$$('script[src*="/text.js"]')).length).toBe(script ? 1 : 0)
      await second.goto(`${proxy.url}/`)
      const piped = textStream(site.hub, 'answer').pipe(tokens())
      let reloads = 0
      while (proxy.cuts < cuts) {
        const now = (await shown()) ?? ''
        // Whatever was cut, nothing is doubled, and nothing lost in between.
        expect(source.startsWith(now)).toBe(true)
        if (proxy.cuts > (reloads + 1) * 50) {
          reloads++
          await page.reload()
          expect(source.startsWith((await shown()) ?? '')).toBe(true)
        }
        await page.waitForTimeout(20)
      }
      await piped
      for (const one of [page, second]) {
        await until(async () => (await shown(one)) === source, {
          timeout: 15_000,
          what: 'all of it',
        })
        await until(async () => (await one.$$('[data-stream-active]')).length === 0)
      }
      expect(proxy.cuts).toBe(cuts)
      expect(reloads).toBe(3)
      expect(seen.violations).toEqual([])
      expect(seen.pageErrors).toEqual([])
      expect(site.errors).toEqual([])
      await context.close()
      await proxy.close()
      await site.close()
    })

    test('D-21 D-09 markdown that is cut 60 times is at its end what one pass makes of it', async () => {
      const head = (markup: string) => (script ? markup : markup.replace(ownScript, ''))
      const site = await startRuntimeSite(
        { htmx, runtime, head, limits: { retry: 5 } },
        ({ hub }) => ({
          '/': () => <TextStream stream={textStream(hub, 'doc', { format: markdown })} id="doc" />,
        }),
      )
      const next = random(htmx * 3 + Number(runtime))
      const most = 60
      const proxy = await startCuttingProxy(site.port, () =>
        proxy.cuts < most ? Math.floor(200 + next() * 3_000) : undefined,
      )
      const { page, context, seen } = await newPage()
      await page.goto(`${proxy.url}/`)
      let source = ''
      async function* tokens() {
        while (proxy.cuts < most) {
          for (let at = 0; at < document.length; ) {
            const token = document.slice(at, at + 1 + Math.floor(next() * 12))
            at += token.length
            source += token
            yield token
            if (next() < 0.2) await Bun.sleep(2)
          }
        }
      }
      const stream = textStream(site.hub, 'doc', { format: markdown })
      await stream.pipe(tokens())
      const wanted = await page.evaluate((html) => {
        const template = globalThis.document.createElement('template')
        template.innerHTML = html
        return template.innerHTML
      }, renderMarkdown(source))
      const shown = () => page.$eval('#doc [sse-swap]', (slot) => slot.innerHTML)
      await until(async () => (await shown()) === wanted, {
        timeout: 15_000,
        what: 'all of it',
      }).catch(() => {})
      expect(await shown()).toBe(wanted)
      expect((await stream.read()).html).toBe(renderMarkdown(source))
      expect(proxy.cuts).toBe(most)
      expect([...seen.violations, ...seen.pageErrors, ...site.errors]).toEqual([])
      await context.close()
      await proxy.close()
      await site.close()
    })
  },
)
