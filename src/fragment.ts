/**
 * The top level of an HTML string, by offsets: where a root begins, what it is called and where an
 * attribute fits. It reads tags as the browser's tokenizer does (quotes, comments, void and raw-text
 * elements) and builds no tree: every element but a void one has its end tag, as JSX writes it.
 */
import type { Html } from './html'

/** One root: an element, or with tag '' what stands between elements (text and comments). */
export interface Root {
  /** In lower case. */
  tag: string
  /** The value of its `id`, entities decoded. */
  id: string | undefined
  start: number
  end: number
  /** Right after the tag's name: an attribute put here wins over one of the same name. */
  insertAt: number
  /** The inner HTML is `html.slice(innerStart, innerEnd)`. */
  innerStart: number
  innerEnd: number
}

const mark =
  /<(?:!--(?:-?>|[\s\S]*?(?:--!?>|$))|[!?][^>]*>?|\/(?![a-z])[^>]*>?|(\/?)([a-z][^\s/>]*))/gi
const attribute =
  /[\s/]*(?:([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)(?:"|$)|'([^']*)(?:'|$)|([^\s>"'][^\s>]*))?)?)?/y
const voids = /^(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)$/
const raw = /^(?:script|style|textarea|title|xmp|iframe|noembed|noframes)$/
const svg =
  /^(?:animate(?:motion|transform)?|circle|clippath|defs|desc|ellipse|fe[a-z]+|filter|foreignobject|g|image|line|(?:linear|radial)gradient|marker|mask|metadata|mpath|path|pattern|poly(?:gon|line)|rect|set|stop|switch|symbol|text|textpath|tspan|use|view)$/

/** Whether a tag is a part of a drawing, which is parsed as such only inside `<svg>`. */
export function isSvgPart(tag: string): boolean {
  return svg.test(tag)
}

/** The roots in order; the slices from `start` to `end`, joined, are the whole string. */
export function roots(html: Html): Root[] {
  const found: Root[] = []
  const open: string[] = []
  let root: Root | undefined
  let done = 0
  mark.lastIndex = 0
  for (let match = mark.exec(html); match; match = mark.exec(html)) {
    const tag = match[2]?.toLowerCase()
    if (!tag) continue
    const start = match.index
    const insertAt = mark.lastIndex
    const { id, end, closed } = attributesOf(html, insertAt)
    mark.lastIndex = end
    if (match[1]) {
      const depth = open.lastIndexOf(tag)
      if (depth >= 0) open.length = depth
    } else {
      if (!root && start > done) found.push(textRoot(done, start))
      root ??= { tag, id, start, end, insertAt, innerStart: end, innerEnd: end }
      const empty = voids.test(tag) || (closed && (isSvgPart(tag) || /^(?:svg|math)$/.test(tag)))
      if (!empty) open.push(tag)
      if (raw.test(tag)) mark.lastIndex = endOfRaw(html, tag, end)
    }
    if (!root || open.length > 0) continue
    found.push({ ...root, end, innerEnd: match[1] ? start : end })
    root = undefined
    done = end
  }
  if (root) found.push({ ...root, end: html.length, innerEnd: html.length })
  else if (done < html.length) found.push(textRoot(done, html.length))
  return found
}

/** The only root element, or undefined when there is none, another one, or text beside it. */
export function rootOf(html: Html): Root | undefined {
  const full = roots(html).filter((root) => !isBlank(root, html))
  return full.length === 1 && full[0]?.tag ? full[0] : undefined
}

/** Whether a root is nothing but white space and comments. */
export function isBlank(root: Root, html: Html): boolean {
  if (root.tag) return false
  return (
    html
      .slice(root.start, root.end)
      .replace(/<!--[\s\S]*?(?:-->|$)/g, '')
      .trim() === ''
  )
}

function attributesOf(html: Html, from: number) {
  let id: string | undefined
  attribute.lastIndex = from
  for (;;) {
    const [all, name, double, single, bare] = attribute.exec(html) ?? ['']
    const end = Math.min(attribute.lastIndex + 1, html.length)
    if (name === undefined) return { id, end, closed: all.endsWith('/') }
    if (name.toLowerCase() === 'id') id ??= decode(double ?? single ?? bare ?? '')
  }
}

function endOfRaw(html: Html, tag: string, from: number): number {
  const rest = html.slice(from).search(new RegExp(`</${tag}[\\s/>]`, 'i'))
  return rest < 0 ? html.length : from + rest
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decode(value: string): string {
  return value.replace(
    /&(?:#x([\da-f]+)|#(\d+)|(amp|lt|gt|quot|apos));/gi,
    (_, hex, decimal, name) =>
      name
        ? (entities[name.toLowerCase()] ?? '')
        : point(hex ? Number.parseInt(hex, 16) : +decimal),
  )
}

function point(code: number): string {
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '\uFFFD'
}

function textRoot(start: number, end: number): Root {
  return { tag: '', id: undefined, start, end, insertAt: start, innerStart: start, innerEnd: end }
}
