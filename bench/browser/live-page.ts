import { withFolder } from '../folder'
import { Server } from '../server'
import { Chromium } from './chromium'
import { compare, shows } from './in-page'
import { heads } from './page'
import type { Tab } from './tab'

/** Which page. */
export interface Shown {
  /** One of `heads` in `page.tsx`. */
  candidate: string
  rows: number
  /** Whether each cell has an `sse-connect` of its own. @default false */
  own?: boolean
  /** Its cells are waited for so many milliseconds. */
  within: number
}

/** A page of jobs in a browser of its own. */
export interface LivePage {
  chromium: Chromium
  tab: Tab
  server: Server
  /** After how many milliseconds the last cell showed what was published after the page was rendered; never is Infinity. */
  live: number
  /** How many cells the page has, and which of them are not right. */
  look(): Promise<{ cells: number; wrong: string[] }>
}

/** Opens it with a server of its own; both are ended afterwards. */
export function withPage<Result>(
  { candidate, rows, own = false, within }: Shown,
  use: (page: LivePage) => Promise<Result>,
): Promise<Result> {
  return withFolder(async (folder) => {
    const server = await Server.start('headwater-page', { folder })
    try {
      const chromium = await Chromium.start(folder)
      try {
        await server.order('rows', { rows })
        const url = `http://127.0.0.1:${server.port}/${candidate}?${own ? 'own' : ''}`
        const tab = await chromium.tab()
        await tab.open(`${url}&late`)
        const id = String(rows - 1)
        const { note } = await server.order<{ note: string }>('job', { id })
        const live = await tab.run(shows, `${id}-note`, note, within)
        await check(server, candidate)
        const look = async () => tab.run(compare, await (await fetch(url)).text())
        return await use({ chromium, tab, server, live, look })
      } finally {
        await chromium.end()
      }
    } finally {
      await server.end()
    }
  })
}

/** @throws Error when the page is not made live by what it is named after. */
async function check(server: Server, candidate: string): Promise<void> {
  const { GET, POST } = await server.order<{ GET: number; POST: number }>('asked')
  const { runtime } = heads[candidate as keyof typeof heads]
  if ((runtime ? POST : GET) > 0 && (runtime ? GET : POST) === 0) return
  throw new Error(`${candidate} asked for its streams by ${GET} GET and ${POST} POST`)
}
