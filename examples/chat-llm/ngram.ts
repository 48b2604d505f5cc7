/**
 * A model that goes on with the words that have followed its last ones in the texts it was given. It knows nothing,
 * but it really generates: nothing in it is a sentence that somebody has prepared.
 */

/** How a text is written. */
export interface WriteOptions {
  /** As `Math.random`, which it is by default. */
  random?: () => number
  /** Above 0; below 1 what is usual becomes more so. @default 0.9 */
  temperature?: number
  /** Words after which no new block begins. @default 120 */
  length?: number
}

type Kind = 'text' | 'list' | 'heading' | 'code'

const end = '\n\n'

/** A block of so many words ends with its sentence, one of twice as many at once. */
const longest = 160

/** How often the longest context is passed over where it leaves no choice: without that, whole sentences would be copied. */
const drift = 0.3

const marks: Record<Kind, [before: string, after: string]> = {
  text: ['', ''],
  list: ['- ', ''],
  heading: ['### ', ''],
  code: ['```ts\n', '\n```'],
}

/** Words of a question that do not say what it is about. */
const asking = new Set(
  'what when where which who why how does did can could with this that the and are'.split(' '),
)

/** Code, and what is bold or slanted, is one word each, so that none is left open. */
const word =
  /`[^`\n]+`|\*\*[^*\n]+\*\*|(?<!\w)_[^_\n]+_|[\p{L}\p{N}]+(?:['’.-][\p{L}\p{N}]+)*|\n(?:- )?|\s|[^\s\p{L}\p{N}]/gu

/** An n-gram model of words, with back-off: where a context is unknown, the next shorter one decides. */
export class Ngram {
  readonly #order: number
  /** By context, how often which word came next. */
  readonly #next = new Map<string, Map<string, number>>()
  /** The beginnings of sentences up to a word, by that word in small letters. */
  readonly #ways = new Map<string, string[][]>()

  /** @param order how many words, spaces too, decide the next one @default 6 */
  constructor(markdown: string, order = 6) {
    this.#order = order
    let before: string = end
    for (const [kind, words] of blocksOf(markdown)) {
      this.#count(before, kind)
      before = kind
      const all = [kind, ...words, end]
      for (let at = 1; at < all.length; at++) {
        for (let from = Math.max(0, at - order); from < at; from++) {
          this.#count(kind + all.slice(from, at).join('\0'), all[at] as string)
        }
      }
      if (kind === 'text') this.#note(words)
    }
  }

  /** Writes markdown, a word or a space at a time, and begins with a rare word of the question if it knows one. */
  *write(question: string, options: WriteOptions = {}): Generator<string> {
    const { random = Math.random, temperature = 0.9, length = 120 } = options
    let kind: Kind = 'text'
    let last = ':'
    for (let count = 0, block = 0; block < 12 && (count < length || last === ':'); block++) {
      if (block > 0) {
        const following = this.#pick([kind], '', random, temperature)
        if (following === end) return
        kind = following as Kind
      }
      const [opening, closing] = marks[kind]
      yield block > 0 ? end + opening : opening
      const words: string[] = [kind, ...(block > 0 ? [] : this.#begin(question, random))]
      yield* words.slice(1)
      while (words.length < 2 * longest && !(words.length > longest && words.at(-1) === '.')) {
        const next = this.#pick(words, kind, random, temperature)
        if (next === end) break
        words.push(next)
        yield next
      }
      yield closing
      count += words.length
      last = words.at(-1) ?? end
    }
  }

  /** A way to the rarest word of the question. */
  #begin(question: string, random: () => number): string[] {
    const ways = (question.toLowerCase().match(word) ?? [])
      .filter((one) => !asking.has(one))
      .map((one) => this.#ways.get(one) ?? [])
      .filter(({ length }) => length > 0)
      .sort((a, b) => a.length - b.length)
    return ways[0]?.[Math.floor(random() * ways[0].length)] ?? []
  }

  #pick(words: readonly string[], kind: string, random: () => number, heat: number): string {
    for (let n = Math.min(this.#order, words.length); n > 0; n--) {
      const found = this.#next.get(kind + words.slice(-n).join('\0'))
      if (!found || (found.size === 1 && n > 2 && random() < drift)) continue
      const all = [...found].map(([next, count]) => [next, count ** (1 / heat)] as const)
      let rest = random() * all.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [next, weight] of all) {
        rest -= weight
        if (rest < 0) return next
      }
    }
    return end
  }

  #count(context: string, next: string): void {
    const counts = this.#next.get(context) ?? new Map<string, number>()
    this.#next.set(context, counts.set(next, (counts.get(next) ?? 0) + 1))
  }

  #note(words: readonly string[]): void {
    let from = 0
    for (const [at, one] of words.entries()) {
      if (/^[.!?]$/.test(one)) from = at + 2
      if (!/^\p{L}{3}/u.test(one)) continue
      const ways = this.#ways.get(one.toLowerCase()) ?? []
      ways.push(words.slice(from, at + 1))
      this.#ways.set(one.toLowerCase(), ways)
    }
  }
}

/** Paragraphs, lists, headings and code; tables and pictures would only come out broken. */
function* blocksOf(markdown: string): Generator<[Kind, string[]]> {
  for (const [whole, fenced] of markdown.matchAll(
    /^```\w*\n([\s\S]*?)\n```$|^(?!```)[^\n]+(?:\n(?!```)[^\n]+)*/gm,
  )) {
    if (fenced !== undefined) yield ['code', fenced.match(word) ?? []]
    else if (!/^(\||!|<|\d)/.test(whole)) {
      const kind = whole.startsWith('#') ? 'heading' : whole.startsWith('- ') ? 'list' : 'text'
      const plain = whole
        .replace(/^(#+|-) /, '')
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .replace(/\n(?!- )\s*/g, ' ')
      yield [kind, plain.match(word) ?? []]
    }
  }
}
