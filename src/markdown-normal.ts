import { halved } from './halves'

/**
 * Text as the parser wants it, however it is cut: lines end with LF, and there is no NUL and no half of a character.
 */
export class Normal {
  /** The first half of a character, which waits for the other. */
  #half = ''
  #isAfterReturn = false

  /** The next piece of the text. */
  take(text: string): string {
    const [piece, half] = halved(this.#half + text)
    this.#half = half
    if (piece === '') return ''
    // CR and LF are one end of line; it was given at the CR.
    const skipped = this.#isAfterReturn && piece.startsWith('\n') ? 1 : 0
    this.#isAfterReturn = piece.endsWith('\r')
    return normal(piece.slice(skipped))
  }

  /** What still waits: the text is over. */
  end(): string {
    const rest = normal(this.#half)
    this.#half = ''
    return rest
  }
}

function normal(text: string): string {
  return text.replace(/\r\n?/g, '\n').replaceAll('\0', '\uFFFD').toWellFormed()
}
