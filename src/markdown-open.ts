/**
 * Which of a text's outermost blocks something that follows could still change.
 */
import type { Block } from './markdown-parse'

/** The place of the first block that is open, or how many there are. All lines of the text are full ones. */
export function openFrom(blocks: Block[], source: string): number {
  const lines = source.split('\n')
  const isEnded = isBlank(lines.at(-2) ?? '')
  const last = blocks.at(-1)
  const open = last && !isFinal(last, lines, isEnded) ? blocks.length - 1 : blocks.length
  return isEnded ? open : Math.min(open, untitled(blocks, lines))
}

/**
 * What begins a code block between fences of which the second has not come; '' of any other block. With bars in it, its
 * first line can still become the head of a table.
 */
export function openFence(block: Block): string {
  return isOpenFence(block) && !block.tokens[0]?.info.includes('|') ? block.markup : ''
}

function isOpenFence({ type, from, to, tokens }: Block): boolean {
  const lines = tokens[0]?.content.split('\n').length ?? 0
  return type === 'fence' && to - from < lines + 1
}

/** @param isEnded whether a blank line follows */
function isFinal(block: Block, lines: string[], isEnded: boolean): boolean {
  switch (block.type) {
    // With bars in it, the line behind it can make it the head of a table.
    case 'heading_open':
      return isEnded || !lines[block.from]?.includes('|')
    case 'hr':
      return true
    case 'fence':
      return !isOpenFence(block)
    // A list and indented code go on behind blank lines.
    case 'bullet_list_open':
    case 'ordered_list_open':
    case 'code_block':
      return false
    default:
      return isEnded
  }
}

/**
 * The place of the first block that ends in a definition which may still get a title. A title may begin in the next
 * line, even outside of a quotation or list, and end many lines later; until then it looks like a paragraph.
 */
function untitled(blocks: Block[], lines: string[]): number {
  let first = blocks.length
  for (let at = blocks.length - 1; at >= 0; at--) {
    const block = blocks[at]
    const next = blocks[at + 1]
    if (!block || (next && next.from !== block.to)) break
    const isDefinition = block.type === 'reference_definition'
    if (endsInDefinition(block) && (!next || mayBeginTitle(lines[block.to]))) first = at
    if (!isDefinition && block.type !== 'paragraph_open') break
  }
  return first
}

function endsInDefinition({ tokens }: Block): boolean {
  return tokens.findLast((token) => token.nesting >= 0)?.type === 'reference_definition'
}

function mayBeginTitle(line = ''): boolean {
  return /^[ \t]*["'(]/.test(line)
}

function isBlank(line: string): boolean {
  return /^[ \t]*$/.test(line)
}
