/** Texts of tokens, the same each time: with what must be escaped, what is no ASCII, and ends of lines. */

const words = [
  'The',
  ' log',
  ' is',
  ' numbered',
  ',',
  ' and',
  ' what',
  ' comes',
  ' <b>',
  ' &',
  ' "later"',
  ' naïve',
  ' 🌊',
  ' 日本',
  ' token',
  'ized',
  '.',
  '\n',
  ' in',
  ' order',
  ' to',
  ' be',
  ' read',
]

/** One token of a text, from 0 on. */
export function tokenOf(text: number, n: number): string {
  // So that no two parts of it are the same.
  if (n % 8 === 7) return ` ${n}`
  return words[(text * 5 + n * 7 + Math.floor(n / words.length)) % words.length] as string
}

/** The first so many tokens of a text. */
export function textOf(text: number, tokens: number): string {
  return Array.from({ length: tokens }, (_, n) => tokenOf(text, n)).join('')
}

/** The topic of a text. */
export function chatOf(text: number): string {
  return `chat:${text}`
}
