import { withFolder } from '../folder'
import { Server } from '../server'
import { Chromium } from './chromium'
import type { Tab } from './tab'

/** A server and a tab. */
export interface Served {
  server: Server
  chromium: Chromium
  tab: Tab
}

/** A server of its own and a tab in a browser of its own; both are ended afterwards. @param name one of `servers/` */
export function withTab<Result>(
  name: string,
  use: (served: Served) => Promise<Result>,
): Promise<Result> {
  return withFolder(async (folder) => {
    const server = await Server.start(name, { folder })
    try {
      const chromium = await Chromium.start(folder)
      try {
        return await use({ server, chromium, tab: await chromium.tab() })
      } finally {
        await chromium.end()
      }
    } finally {
      await server.end()
    }
  })
}

/** @throws Error when the page is not made live by what it is named after. */
export async function checkWay(server: Server, candidate: string, runtime: boolean): Promise<void> {
  const { GET, POST } = await server.order<{ GET: number; POST: number }>('asked')
  if ((runtime ? POST : GET) > 0 && (runtime ? GET : POST) === 0) return
  throw new Error(`${candidate} asked for its streams by ${GET} GET and ${POST} POST`)
}
