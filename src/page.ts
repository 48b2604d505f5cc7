import { AsyncLocalStorage } from 'node:async_hooks'
import type { EventId } from './wire'

/** What holds for everything that is rendered for one request. */
export interface Page {
  /** The head before the page's data was read: streams begin here, so nothing falls in between. */
  cursor: EventId
  /** Whom the page is for. */
  viewer: string | undefined
  /** Whether an address was made, so that the page must not be kept by a cache. */
  addressed: boolean
}

/** The page that is being rendered, apart for each concurrent request. */
export const pages = new AsyncLocalStorage<Map<object, Page>>()

/** The page of this hub, if one is being rendered. */
export function currentPage(hub: object): Page | undefined {
  return pages.getStore()?.get(hub)
}
