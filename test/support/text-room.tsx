/** @jsxImportSource @kitajs/html */
/**
 * A page with streamed texts, and the events of the DOM that they cause.
 *
 * ```ts
 * await using room = await openTextRoom({ htmx: 4 }, ({ hub }) => <TextStream stream={textStream(hub, 'a')} />)
 * const tab = await room.openTab()
 * textStream(room.hub, 'a').text('hello')
 * await until(async () => (await tab.content('a')) === 'hello')
 * ```
 */
import { type Hub, type TextOptions, type TextStream, textStream } from '../../src'
import { until } from './browser'
import type { Tab } from './runtime-page'
import { openRoom, type Room } from './runtime-room'
import type { Routes, RuntimeSiteOptions } from './runtime-site'

/** An event of a text, as a page heard it. */
export interface Heard {
  name: string
  /** What it says, without the topic. */
  detail: Record<string, unknown>
  stream: string
  /** The id of its element. */
  id: string
  /** Whether the element was in the document. */
  isThere: boolean
}

/** A tab that shows texts. */
export interface TextTab extends Tab {
  /** The HTML of the slot of a topic. */
  content(topic: string): Promise<string>
  /** The text of that slot, character for character. */
  shown(topic: string): Promise<string>
  /** The attributes of its root, and what stands in its state and status. */
  stands(
    topic: string,
  ): Promise<{ isActive: boolean; isBusy: boolean; state: string; said: string }>
  /** The events so far, oldest first. */
  heard(): Promise<Heard[]>
}

/** An open room. */
export interface TextRoom extends Room {
  hub: Hub
  text(topic: string, options?: TextOptions): TextStream
  /** Opens a tab, and waits until so many connections are followed. */
  openTab(path?: string, connections?: number): Promise<TextTab>
}

/** For boxes that scroll. */
const css = `
.scrolls { width: 400px; height: 200px; overflow: auto; font: 16px/20px monospace }
.unanchored { overflow-anchor: none }
ol.scrolls > li { height: 20px; list-style: none } ol.scrolls > li.high { height: 60px }`

/** Opens one whose page shows `content`. */
export async function openTextRoom(
  options: RuntimeSiteOptions,
  content: (site: { hub: Hub }) => JSX.Element,
  more: Routes = {},
): Promise<TextRoom> {
  const head = (own: string) => {
    const markup = `${own}<link rel="stylesheet" href="/text.css">`
    return options.head?.(markup) ?? markup
  }
  const room = await openRoom({ ...options, head }, (site) => ({
    '/': () => content(site),
    '/text.css': async () => new Response(css, { headers: { 'content-type': 'text/css' } }),
    ...more,
  }))
  const { hub } = room.site
  await room.profile.context.addInitScript(listen)
  return {
    ...room,
    hub,
    text: (topic, options) => textStream(hub, topic, options),
    async openTab(path = '/', connections = 1) {
      const before = hub.stats().active
      const tab = await room.open(path)
      const isLive = async () =>
        options.runtime === false
          ? hub.stats().active >= before + connections
          : (await tab.told('headwater:open')).length >= connections
      await until(isLive, { timeout: 10_000, what: `${connections} connections` })
      return textTab(tab)
    },
    [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
  }
}

function textTab(tab: Tab): TextTab {
  const { page } = tab
  const slot = (topic: string) => `[data-stream="${topic}"] [sse-swap="${topic}"]`
  return {
    ...tab,
    content: (topic) => page.$eval(slot(topic), (element) => element.innerHTML),
    shown: (topic) => page.$eval(slot(topic), (element) => element.textContent ?? ''),
    stands: (topic) =>
      page.$eval(`[data-stream="${topic}"]`, (root) => ({
        isActive: root.hasAttribute('data-stream-active'),
        isBusy: root.getAttribute('aria-busy') === 'true',
        state: root.querySelector('.hw-text-state')?.innerHTML ?? '',
        said: root.querySelector('[role=status]')?.textContent ?? '',
      })),
    heard: () => page.evaluate(() => (window as unknown as { heard: Heard[] }).heard),
  }
}

/** Runs in each page, before its own scripts. */
function listen(): void {
  const heard: Heard[] = []
  Object.assign(window, { heard })
  for (const name of ['start', 'text', 'update', 'error', 'done', 'remove']) {
    document.addEventListener(`stream:${name}`, (event) => {
      const { target, detail } = event as CustomEvent<Record<string, string>>
      const { stream = '', ...rest } = detail
      const element = target as Element
      heard.push({ name, detail: rest, stream, id: element.id, isThere: element.isConnected })
    })
  }
}
