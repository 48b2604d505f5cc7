/**
 * Markdown's blocks: where each of the outermost begins, what it defines, and its HTML.
 *
 * CommonMark with GFM's tables, strikethrough, task lists and bare addresses, less raw HTML, which is text. Two rules
 * are ours: a link definition holds from its own block on, and what is too deep or too long is shown as text.
 */
import MarkdownIt, { type StateBlock, type Token } from 'markdown-it'
import type { Html } from './html'
import { isSafe, isSafeImage, languageClass, type MarkdownOptions, safe } from './markdown-safe'

/** Where a `[label]` leads. */
export interface Definition {
  href: string
  title: string
}

/** Definitions by their label, as markdown-it compares them. */
export type Definitions = Record<string, Definition>

/** An outermost block, or a definition. */
export interface Block {
  /** As markdown-it names the token that begins it: `paragraph_open`, `fence`, … */
  type: string
  /** What its kind is made by: for headings `#`, `-` or `=`. */
  markup: string
  /** The lines of the text from which and up to which it goes, counted from 0. */
  from: number
  to: number
  tokens: Token[]
  /** What it defines; the first definition of a label counts. */
  defines: Definitions
}

/** From so many levels on what is inside is text: a list has two, a quotation one. */
const deepest = 60

/** In UTF-16 units: a paragraph, heading or cell that is longer is text. */
const longest = 65_536

const parser = new MarkdownIt({ html: false, linkify: true, maxNesting: 100 })
parser.validateLink = (url) => isSafe(url)
// The blocks are parsed by `blocksOf`, of text that is normal already.
parser.core.ruler.disable(['normalize', 'block'])
parser.block.ruler.before('table', 'deep', deep)
parser.block.ruler.before('lheading', 'underline', underline, { alt: ['reference'] })
parser.linkify.add('ftp:', null).add('//', null).add('www.', { validate: host, normalize: www })
parser.renderer.rules.fence = fence

/** An empty set of definitions, without `constructor` and the like in it. */
export function noDefinitions(): Definitions {
  return Object.create(null)
}

/** The outermost blocks of a text in order. Its lines end with LF. */
export function blocksOf(source: string): Block[] {
  const references = noDefinitions()
  const tokens: Token[] = []
  parser.block.parse(source, parser, { references }, tokens)
  const blocks: Block[] = []
  let start = 0
  tokens.forEach((token, at) => {
    if (token.level > 0 || token.nesting > 0) return
    blocks.push(blockOf(tokens.slice(start, at + 1), references))
    start = at + 1
  })
  return blocks
}

/** The HTML of blocks, of which the definitions hold for all. Their tokens are used up. */
export function render(blocks: Block[], definitions: Definitions, options: MarkdownOptions): Html {
  const tokens = blocks.flatMap((block) => block.tokens)
  const env = { references: definitions }
  const state = new parser.core.State('', parser, env)
  state.tokens = tokens
  for (const [at, token] of tokens.entries()) prepare(token, tokens, at)
  parser.core.process(state)
  for (const token of tokens) if (token.children) finish(token, options)
  return safe(parser.renderer.render(tokens, parser.options, env), options)
}

function blockOf(tokens: Token[], references: Definitions): Block {
  const [{ type, markup, map } = { type: '', markup: '', map: null }] = tokens
  const [from, to] = map ?? [0, 0]
  const defines = noDefinitions()
  for (const { meta } of tokens) {
    const label = meta?.label
    const definition = typeof label === 'string' && references[label]
    if (definition) defines[label] = definition
  }
  return { type, markup, from, to, tokens, defines }
}

/** Before the inline parser: what it must not see, or not in this form. */
function prepare(token: Token, tokens: Token[], at: number): void {
  const aligned = token.attrGet('style')
  if (typeof aligned === 'string') token.attrs = [['align', aligned.replace('text-align:', '')]]
  if (token.type !== 'inline') return
  if (token.content.length > longest) {
    token.meta = { plain: token.content }
    token.content = ''
  }
  const task = /^\[([ xX])\](?=\s)/.exec(token.content)
  if (!task || tokens[at - 2]?.type !== 'list_item_open') return
  token.content = token.content.slice(3)
  token.meta = { isDone: task[1] !== ' ' }
}

/** After the inline parser. */
function finish(token: Token, { images = false }: MarkdownOptions): void {
  const children: Token[] = []
  if (token.meta) children.push(beside(token.meta))
  let inLink = 0
  for (const child of token.children ?? []) {
    if (child.type === 'link_open') inLink++
    if (child.type === 'link_close') inLink--
    if (child.type === 'image') children.push(...image(child, images, inLink > 0))
    else children.push(child)
  }
  token.children = children
}

/** An image that is not to be loaded is a link to it; in a link, and where it leads nowhere, its words. */
function image(token: Token, isShown: boolean, isInLink: boolean): Token[] {
  const src = String(token.attrGet('src') ?? '')
  if (isShown && isSafeImage(src)) return [token]
  const alt = parser.renderer.renderInlineAsText(token.children ?? [], parser.options, {})
  const text = words(alt || src)
  if (isInLink || !isSafeImage(src)) return [text]
  const open = made('link_open', 'a', 1)
  open.attrs = [['href', src]]
  const title = token.attrGet('title')
  if (title) open.attrs.push(['title', title])
  return [open, text, made('link_close', 'a', -1)]
}

/** What {@link prepare} kept from the inline parser. */
function beside({ plain, isDone }: Record<string, unknown>): Token {
  if (typeof plain === 'string') return words(plain)
  return checkbox(isDone === true)
}

function checkbox(isDone: boolean): Token {
  const token = made('task', 'input', 0)
  token.attrs = [['type', 'checkbox']]
  if (isDone) token.attrs.push(['checked', ''])
  return token
}

function words(content: string): Token {
  const token = made('text', '', 0)
  token.content = content
  return token
}

function made(type: string, tag: string, nesting: -1 | 0 | 1): Token {
  return new MarkdownIt.Token(type, tag, nesting)
}

function fence(tokens: Token[], at: number): Html {
  const { info = '', content = '' } = tokens[at] ?? {}
  const [name = ''] = parser.utils.unescapeAll(info).trim().split(/\s/)
  const named = `language-${name}`
  const known = languageClass.test(named) ? ` class="${named}"` : ''
  return `<pre><code${known}>${parser.utils.escapeHtml(content)}</code></pre>\n`
}

/**
 * A block rule that ends the nesting. markdown-it has a limit too, but leaves out what is deeper, and with it
 * everything up to the end of the text.
 */
function deep(state: StateBlock, from: number, end: number, isSilent: boolean): boolean {
  if (state.level < deepest || isSilent) return false
  let to = from + 1
  while (to < end && !state.isEmpty(to) && belongs(state, to)) to++
  state.push('paragraph_open', 'p', 1).map = [from, to]
  const inline = state.push('inline', '', 0)
  inline.content = state.getLines(from, to, state.blkIndent, false).trim()
  inline.children = []
  state.push('paragraph_close', 'p', -1)
  state.line = to
  return true
}

/**
 * A block rule that ends definitions only: the line below a heading is no part of one, as in the reference parsers.
 * Otherwise a heading that was shown could still become a definition.
 */
function underline(state: StateBlock, line: number, _end: number, isSilent: boolean): boolean {
  if (!isSilent || state.parentType !== 'reference') return false
  return /^(?:=+|-+)[ \t]*$/.test(
    state.getLines(line, line + 1, state.blkIndent, false).trimStart(),
  )
}

/** Whether a line stands in the innermost block; below 0 it only goes on lazily. */
function belongs(state: StateBlock, line: number): boolean {
  const indent = state.sCount[line] ?? 0
  return indent < 0 || indent >= state.blkIndent
}

/** The length of a host and path behind `www.`, 0 if there is none. */
function host(text: string, at: number): number {
  const pattern = parser.linkify.re.get_relative_proto_validator()
  pattern.lastIndex = at
  return pattern.exec(text)?.[0].length ?? 0
}

function www(match: { url: string }): void {
  match.url = `http://${match.url}`
}
