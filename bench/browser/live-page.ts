import { compare, shows } from './in-page'
import { heads } from './page'
import { checkWay, type Served, withTab } from './with-tab'

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
export interface LivePage extends Served {
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
  return withTab('headwater-page', async (served) => {
    const { server, tab } = served
    await server.order('rows', { rows })
    const url = `http://127.0.0.1:${server.port}/${candidate}?${own ? 'own' : ''}`
    await tab.open(`${url}&late`)
    const id = String(rows - 1)
    const { note } = await server.order<{ note: string }>('job', { id })
    const live = await tab.run(shows, `${id}-note`, note, within)
    await checkWay(server, candidate, heads[candidate as keyof typeof heads].runtime)
    const look = async () => tab.run(compare, await (await fetch(url)).text())
    return await use({ ...served, live, look })
  })
}
