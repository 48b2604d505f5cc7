/**
 * Markdown that grows, such as a model's answer: blocks that are complete are given once, the open one anew, and the
 * line that is being written is text.
 *
 * ```ts
 * textStream(hub, 'chat:1:answer', { format: markdown })
 * textStream(hub, 'chat:1:answer', { format: () => markdown({ images: true }) })
 * ```
 *
 * However a text is cut into pieces, its HTML is the same, byte for byte. A block is therefore closed only when nothing
 * that may follow changes it: a list that could go on stays open, and so does a paragraph until its blank line, which
 * may become a heading (`===`), a table or a definition. And a definition (`[label]: address`) holds for its own block
 * and what comes after it, never for what was shown before; in CommonMark it holds everywhere.
 *
 * What the parser is given again and again, and what is sent again, is at most some thirty times the text, in a list of
 * any length and however finely it is cut: `#isDue`.
 */
import type { Blocks, Change } from './format'
import { text as escaped, type Html } from './html'
import { Normal } from './markdown-normal'
import { openFence, openFrom } from './markdown-open'
import { type Block, blocksOf, type Definitions, noDefinitions, render } from './markdown-parse'
import type { MarkdownOptions } from './markdown-safe'

export type { MarkdownOptions }

/** Markdown for `textStream`: pass it as `format`, or call it with options. */
export function markdown(options: MarkdownOptions = {}): Blocks {
  return new Growing(options)
}

/** The HTML of a whole text, the same as what is left when it was streamed. */
export function renderMarkdown(text: string, options: MarkdownOptions = {}): Html {
  const blocks = markdown(options)
  return blocks.push(text).closed + blocks.end()
}

/** In UTF-16 units of text and HTML: so much work on a block is free … */
const free = 65_536

/** … and so much comes with each unit of its text. */
const each = 32

/** In UTF-16 units: a longer line is shown even if it could become the end of a code block. */
const longestEnd = 80

class Growing implements Blocks {
  readonly #options: MarkdownOptions
  readonly #definitions: Definitions = noDefinitions()
  readonly #normal = new Normal()
  /** Full lines, from the beginning of the open block on. */
  #lines = ''
  /** The unfinished line. */
  #line = ''
  /** How much of the unfinished line was given. */
  #given = 0
  /** Whether an open block was given, which has a place to grow. */
  #isShown = false
  /** What a line of the open code block begins with, if one is open: its lines need no parser. */
  #fence = ''
  /** What the open block has cost, all in all and the last time. */
  #spent = 0
  #last = 0

  constructor(options: MarkdownOptions) {
    this.#options = options
  }

  push(text: string): Change {
    const added = this.#normal.take(text)
    const cut = added.lastIndexOf('\n') + 1
    if (cut === 0) return this.#more(added)
    const lines = this.#line + added.slice(0, cut)
    const unseen = lines.slice(this.#given)
    this.#lines += lines
    this.#line = added.slice(cut)
    this.#given = 0
    const isDue = this.#fence ? endOf(this.#fence).test(lines) : this.#isDue()
    return isDue ? this.#parse() : this.#grow(unseen)
  }

  end(): Html {
    const blocks = blocksOf(this.#lines + this.#line + this.#normal.end())
    this.#lines = ''
    this.#line = ''
    return this.#close(blocks)
  }

  /** More of the unfinished line. */
  #more(text: string): Change {
    this.#line += text
    if (this.#line === '' || this.#isShown) return this.#grow('')
    return { closed: '', open: this.#open([]) }
  }

  /** Lets the open block grow by lines, and by what of the unfinished one was not given yet. */
  #grow(lines: string): Change {
    const grow = lines + this.#rest()
    return grow === '' ? { closed: '' } : { closed: '', grow }
  }

  /** Closes what is complete, and shows the rest anew. */
  #parse(): Change {
    const blocks = blocksOf(this.#lines)
    const at = openFrom(blocks, this.#lines)
    const open = blocks.slice(at)
    const closed = this.#close(blocks.slice(0, at))
    if (at > 0 || blocks.length === 0) {
      this.#lines = open[0] ? linesFrom(this.#lines, open[0].from) : ''
      this.#spent = 0
    }
    const wasShown = this.#isShown
    const html = this.#open(open)
    this.#last = this.#lines.length + html.length
    this.#spent += this.#last
    return html === '' && !wasShown ? { closed } : { closed, open: html }
  }

  /** A definition holds from the block on that it stands in. */
  #close(blocks: Block[]): Html {
    let html = ''
    let alike: Block[] = []
    for (const block of blocks) {
      const labels = Object.keys(block.defines)
      if (labels.length > 0) {
        html += this.#render(alike, this.#definitions)
        alike = []
      }
      for (const label of labels) define(this.#definitions, label, block)
      alike.push(block)
    }
    return html + this.#render(alike, this.#definitions)
  }

  /** What may still change, and the unfinished line behind it or in it. */
  #open(blocks: Block[]): Html {
    const last = blocks.at(-1)
    this.#fence = last && this.#lines.startsWith(last.markup) ? openFence(last) : ''
    this.#isShown = last !== undefined || this.#line !== ''
    if (!this.#isShown) return ''
    this.#given = 0
    const line = escaped(this.#rest())
    if (!last) return `<p>${growing(line)}</p>`
    const html = this.#render(blocks, this.#definitionsIn(blocks))
    if (this.#fence) return inside(html, line)
    if (last.type !== 'paragraph_open') return html + growing(line)
    return `${html.slice(0, -paragraphEnd.length)}\n${growing(line)}${paragraphEnd}`
  }

  /** What of the unfinished line was not given yet, unless it may be the end of a code block. */
  #rest(): string {
    if (this.#fence && mayEnd(this.#line, this.#fence)) return ''
    const rest = this.#line.slice(this.#given)
    this.#given = this.#line.length
    return rest
  }

  /** Those that may still change hold in the open blocks only. */
  #definitionsIn(blocks: Block[]): Definitions {
    const all: Definitions = Object.create(this.#definitions)
    for (const block of blocks)
      for (const label of Object.keys(block.defines)) define(all, label, block)
    return all
  }

  #render(blocks: Block[], definitions: Definitions): Html {
    return blocks.length > 0 ? render(blocks, definitions, this.#options) : ''
  }

  /**
   * Whether the open block is worth being parsed and sent again. A long list would otherwise cost the square of its
   * length; so its lines are text for a while, the longer the less it grew.
   */
  #isDue(): boolean {
    return this.#spent + this.#last <= free + each * this.#lines.length
  }
}

const paragraphEnd = '</p>\n'

const codeEnd = '</code></pre>\n'

function growing(content: Html): Html {
  return `<span class="hw-grows">${content}</span>`
}

/** A code block of which all grows. */
function inside(html: Html, line: Html): Html {
  const start = html.indexOf('>', html.indexOf('<code')) + 1
  return html.slice(0, start) + growing(html.slice(start, -codeEnd.length) + line) + codeEnd
}

/** The first definition of a label counts. */
function define(definitions: Definitions, label: string, { defines }: Block): void {
  const definition = defines[label]
  if (definition) definitions[label] ??= definition
}

/** What a line looks like that ends a code block, which was begun by these characters. */
function endOf(fence: string): RegExp {
  return new RegExp(`^ {0,3}${fence}${fence[0]}*[ \\t]*$`, 'm')
}

function mayEnd(line: string, fence: string): boolean {
  if (line.length > longestEnd) return false
  return new RegExp(`^ {0,3}${fence[0]}*[ \\t]*$`).test(line)
}

function linesFrom(text: string, line: number): string {
  let at = 0
  for (let n = 0; n < line; n++) at = text.indexOf('\n', at) + 1
  return text.slice(at)
}
