/** The headers that a page gives all its requests: what `hx-headers` says on `<body>`, but for what takes `eval`. */
export function headersOf(): Record<string, string> {
  const headers = {}
  for (const name of ['hx-headers', 'hx-headers:inherited']) {
    try {
      Object.assign(headers, JSON.parse(`${document.body.getAttribute(name)}`))
    } catch {
      // `js:…`
    }
  }
  return headers
}
