import type { Entry, Ledger } from './ledger'
import { nameOf } from './ledger'
import type { Complaint, Line, Reader } from './reader'
import { isWhole, shownOf, type Theme } from './themes'

/** Whether the reader's page shows what it should. */
export function isUpToDate(reader: Reader, ledger: Ledger): boolean {
  return reader.page !== undefined && onPage(reader, ledger).length === 0
}

/** What is wrong with a reader's page and with each of its lines. */
export function verify(reader: Reader, ledger: Ledger): Complaint[] {
  const pages = onPage(reader, ledger)
  const known = new Set(pages.flatMap(({ topic, names }) => names.map((name) => topic + name)))
  const lines = reader.lines.flatMap((line) =>
    reader.themes.flatMap((theme) => inLine(line, theme, ledger.order(theme.topic))),
  )
  // What is not on the page was lost by a line, and counts once.
  const only = lines.filter(({ topic, names }) => names.some((name) => !known.has(topic + name)))
  return [...reader.complaints, ...pages, ...only]
}

/** The page, as it stands: the events of each log in order to the newest, and the newest value of each state. */
function onPage(reader: Reader, ledger: Ledger): Complaint[] {
  const trail = reader.lines.at(-1)?.trail ?? []
  const found: Complaint[] = []
  const complain = (topic: string, names: string[], what: string) =>
    found.push({ kind: 'lost', topic, names, what, trail })
  for (const theme of reader.themes) {
    const { topic } = theme
    if (theme.kind === 'state') {
      for (const [place, entry] of ledger.states()) {
        const shown = reader.page?.states.get(place)
        if (!place.startsWith(`${topic} `) || shown === entry.name) continue
        complain(topic, [nameOf(entry)], `the page shows ${shown} for "${place}"`)
      }
      continue
    }
    const order = ledger.order(topic)
    const shown = [...(reader.page?.logs.get(topic) ?? [])]
    const all = isWhole(theme) && !reader.bare
    const least = all ? order.length : Math.min(order.length, shownOf(theme))
    const expected = order.slice(order.length - Math.max(shown.length, least))
    const set = reader.page?.logs.get(topic)
    const missing = expected.filter(({ name }) => !set?.has(name))
    if (missing.length > 0) complain(topic, missing.map(nameOf), 'not on the page')
    else if (shown.some((name, i) => name !== expected[i]?.name)) {
      const strange = shown.filter((name, i) => name !== expected[i]?.name)
      complain(topic, strange, 'on the page, but not in its place')
    }
  }
  return found
}

/** Up to its cursor, a line has brought everything after the `since` that it began at, or the snapshot. */
function inLine(line: Line, theme: Theme, order: readonly Entry[]): Complaint[] {
  const { cursor, since, trail } = line
  if (theme.kind === 'state' || cursor === undefined) return []
  const { topic } = theme
  const { reset, names } = line.topics.get(topic) ?? { reset: undefined, names: new Set<string>() }
  const found: Complaint[] = []
  const complain = (of: string[], what: string) =>
    found.push({ kind: 'lost', topic, names: of, what, trail })
  const known = new Set(order.map(({ name }) => name))
  const unknown = [...names].filter((name) => !known.has(name))
  if (unknown.length > 0) complain(unknown, 'sent, but never in the log')
  let from = order.findIndex(({ seq }) => seq > (since ?? 0))
  if (reset !== undefined) {
    from = order.findIndex(({ name }) => names.has(name))
    const before = order.filter(({ seq }, i) => seq <= cursor && i < from + reset).length
    const least = Math.min(shownOf(theme), before)
    if (reset < least) complain([`${reset} items`], `in the snapshot, of ${least}`)
  }
  if (from < 0) return found
  const missing = order.filter(({ seq, name }, i) => i >= from && seq <= cursor && !names.has(name))
  if (missing.length > 0) {
    const begin = reset === undefined ? `since ${since ?? 'the beginning'}` : 'since its snapshot'
    complain(missing.map(nameOf), `never sent, ${begin}, up to the Last-Event-ID ${cursor}`)
  }
  return found
}
