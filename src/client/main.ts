/**
 * The script of a page, and of the worker that its pages share.
 */
import { useHtmx } from './htmx'
import { startPage } from './page'
import type { Htmx } from './swap'
import { serve } from './worker'

if (self.document) live(document.currentScript as HTMLScriptElement)
else serve(JSON.parse(self.name)[0])

function live({ src, dataset }: HTMLScriptElement): void {
  const path = src.match(/\/\/[^/]+(.*)\/-\//)?.[1] ?? dataset.path ?? '/stream'
  startPage({ url: src, path, name: JSON.stringify([path, dataset.viewer]) })
  // Before htmx looks at the page, in whatever order the scripts stand.
  begin()
  if (!('htmx' in window)) document.addEventListener('DOMContentLoaded', begin)
}

function begin(): void {
  if ('htmx' in window) useHtmx(window.htmx as Htmx)
}
