import { AsyncLocalStorage } from 'node:async_hooks'
import type { EventId } from './wire'

/** What holds for everything that is rendered for one request. */
export interface Page {
  /** The head before the page's data was read: streams begin here, so nothing falls in between. */
  cursor: EventId
  /** Whom the page is for. */
  viewer: string | undefined
  /** Why that could not be said. */
  fault?: unknown
  /** Whether an address was made, so that the page must not be kept by a cache. */
  addressed: boolean
}

/** The page that is being rendered, apart for each concurrent request. */
export const pages = new AsyncLocalStorage<Map<object, Page>>()

/** Runs what is for many readers: the addresses it makes are not one viewer's, and have no page's cursor. */
export function outsidePages<T>(run: () => T): T {
  return pages.run(nowhere, run)
}

const nowhere: Map<object, Page> = new Map()

/** The page of this hub, if one is being rendered. */
export function currentPage(hub: object): Page | undefined {
  return pages.getStore()?.get(hub)
}
