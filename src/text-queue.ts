import { beginning, halved } from './halves'
import type { Html } from './html'
import { escapeText, type TextMode } from './text-wire'

/** Text on its way to one place. */
export interface Queued {
  mode: TextMode
  text: string
  /** It, escaped. */
  html: Html
}

/** Characters of a part at the most. */
const longest = 64 * 1024
/** Characters that one may become when it is escaped. */
const widest = 6

/** Text that waits, joined by concatenation, in its order. */
export class TextQueue {
  #waiting: Queued[] = []
  /** The first half of a character that was cut in two. */
  #half = ''
  #size = 0

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /**
   * Adds text; the first half of a character at its end waits for the other one.
   *
   * @param mayTake throws if so many escaped characters are too many; then nothing is added
   */
  add(value: string, mode: TextMode, mayTake: (size: number) => void): void {
    const isAll = mode === 'replace'
    const [text, half] =
      mode === 'prepend' ? [value, this.#half] : halved(isAll ? value : this.#half + value)
    const html = escapeText(text)
    mayTake((isAll ? 0 : this.#size) + html.length)
    if (isAll) this.clear()
    this.#half = half
    if (text !== '' || isAll) this.#push({ mode, text, html })
  }

  /** No other half will come. */
  settle(): void {
    const text = this.#half
    this.#half = ''
    if (text) this.#push({ mode: 'append', text, html: escapeText(text) })
  }

  /** Forgets what waits. */
  clear(): void {
    this.#waiting = []
    this.#half = ''
    this.#size = 0
  }

  /**
   * Takes what waits, in parts, none of which ends in half a character.
   *
   * @param limit characters that a part may have at the most, escaped
   */
  take(limit: number): Queued[] {
    const taken = this.#waiting
    this.#waiting = []
    this.#size = 0
    return taken.flatMap((one) => partsOf(one, limit))
  }

  #push(one: Queued): void {
    this.#size += one.html.length
    const last = this.#waiting.at(-1)
    if (last?.mode === one.mode && one.mode === 'prepend') {
      last.text = one.text + last.text
      last.html = one.html + last.html
    } else if (
      last &&
      (last.mode === one.mode || (last.mode === 'replace' && one.mode === 'append'))
    ) {
      last.text += one.text
      last.html += one.html
    } else this.#waiting.push(one)
  }
}

function partsOf(one: Queued, limit: number): Queued[] {
  const most = Math.max(2, Math.min(longest, Math.floor(limit / widest) - 500))
  if (one.text.length <= most) return [one]
  const parts: Queued[] = []
  for (let rest = one.text; rest !== ''; ) {
    const text = beginning(rest, most)
    const isFirst = parts.length === 0
    const mode = isFirst || one.mode !== 'replace' ? one.mode : 'append'
    parts.push({ mode, text, html: escapeText(text) })
    rest = rest.slice(text.length)
  }
  // Each goes before the one that was sent before it.
  return one.mode === 'prepend' ? parts.reverse() : parts
}
