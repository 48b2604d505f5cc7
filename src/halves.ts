/** Characters that are two code units, of text that comes in pieces. */

/** A text without the first half of a character at its end, and that half. */
export function halved(text: string): [text: string, half: string] {
  return endsInHalf(text) ? [text.slice(0, -1), text.slice(-1)] : [text, '']
}

/** The beginning of a text: so many code units, or one less where that would cut a character in two. */
export function beginning(text: string, length: number): string {
  const own = text.slice(0, length)
  return length < text.length ? halved(own)[0] : own
}

function endsInHalf(text: string): boolean {
  const last = text.charCodeAt(text.length - 1)
  return last >= 0xd800 && last <= 0xdbff
}
