/** The headers that a page gives all its requests. */
import { attribute } from './attribute'

/** What `hx-headers` says on `<html>` and `<body>`; what is computed there is left out, for that takes `eval`. */
export function headersOf(): Record<string, string> {
  const headers = {}
  for (const element of [document.documentElement, document.body]) {
    for (const name of ['hx-headers', 'hx-headers:inherited']) {
      try {
        Object.assign(headers, JSON.parse(`${attribute(element, name)}`))
      } catch {
        // `js:…`
      }
    }
  }
  return headers
}
