/**
 * Topics: the addresses of live things.
 *
 * A topic is segments joined by `:`, each percent-encoded, so that an entity id may be any text:
 * `topic('job', 'a b', 'progress')` is `job:a%20b:progress`. The same string is the event's name on the
 * wire and the value of `sse-swap`, therefore it holds no comma (htmx splits at commas), no white space
 * and no control character. A pattern is a topic with `*` (one segment) or `**` (any number).
 */

declare const brand: unique symbol

/** The address of a live thing, made by {@link topic} or checked by {@link asTopic}. */
export type Topic = string & { readonly [brand]: 'Topic' }

/** A topic that may hold `*` and `**`. Every topic is a pattern that matches itself. */
export type Pattern = string & { readonly [brand]: 'Topic' | 'Pattern' }

/** Names that browsers, htmx or Headwater give a meaning of their own. */
const reserved = new Set(['done', 'open', 'error', 'message'])
const longest = 1024

/**
 * Builds a topic out of plain texts.
 *
 * @throws TypeError when a segment is empty.
 * @example topic('job', 'a/b', 'progress') // 'job:a%2Fb:progress'
 */
export function topic(...segments: (string | number)[]): Topic {
  let text = ''
  for (const segment of segments) text += `${text && ':'}${encodeSegment(segment)}`
  return asTopic(text)
}

/**
 * Percent-encodes one segment; `*` too, so that an id can never be a pattern.
 *
 * @throws TypeError when it is empty.
 */
export function encodeSegment(segment: string | number): string {
  const plain = String(segment)
  // Most are: encoding would cost several times what looking does.
  if (/^[\w.-]+$/.test(plain)) return plain
  const text = plain.toWellFormed()
  if (text === '') throw new TypeError('Expected a segment of a topic, got an empty string')
  return encodeURIComponent(text).replaceAll('*', '%2A')
}

/** The plain texts that a topic was built from. */
export function segmentsOf(topic: Pattern): string[] {
  return topic.split(':').map(decodeURIComponent)
}

/**
 * Checks a topic that arrived as a plain string.
 *
 * @throws TypeError that says what is wrong with it.
 */
export function asTopic(text: string): Topic {
  if (isPattern(text)) throw new TypeError(`Expected a topic, got the pattern "${text}"`)
  return check(text) as Topic
}

/**
 * Checks a topic or pattern that arrived as a plain string.
 *
 * @throws TypeError that says what is wrong with it.
 */
export function asPattern(text: string): Pattern {
  return check(text) as Pattern
}

/** Whether any segment is `*` or `**`. */
export function isPattern(text: string): boolean {
  return text.includes('*')
}

/** Whether the topic is one that the pattern names. `**` stands for any number of segments, none too. */
export function matches(pattern: Pattern, topic: Topic): boolean {
  if (!isPattern(pattern)) return (pattern as string) === topic
  return matchFrom(pattern.split(':'), 0, topic.split(':'), 0)
}

function matchFrom(pattern: string[], p: number, segments: string[], s: number): boolean {
  for (; p < pattern.length; p++, s++) {
    const part = pattern[p]
    if (part === '**') {
      for (let rest = s; rest <= segments.length; rest++) {
        if (matchFrom(pattern, p + 1, segments, rest)) return true
      }
      return false
    }
    if (s >= segments.length || (part !== '*' && part !== segments[s])) return false
  }
  return s === segments.length
}

/** What {@link matches} says of some patterns, as the source of a regular expression. */
export function expressionOf(patterns: readonly Pattern[]): string {
  return `^(?:${patterns.map(alternativeOf).join('|')})$`
}

function alternativeOf(pattern: Pattern): string {
  const [first = '', ...more] = pattern.split(':')
  // Of nothing at all no colon is left.
  const [start, colon] =
    first === '**' ? [`(?:${one}(?::${one})*)?`, '(?:^|:)'] : [plain(first), ':']
  const rest = more.map((part) => (part === '**' ? `(?:${colon}${one})*` : colon + plain(part)))
  return start + rest.join('')
}

/** One segment. */
const one = '[^:]+'

function plain(segment: string): string {
  return segment === '*' ? one : segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function check(text: string): string {
  const fault = faultOf(text)
  if (fault) {
    const shown = JSON.stringify(typeof text === 'string' ? text.slice(0, 100) : text)
    throw new TypeError(`Expected a topic, got ${shown}: ${fault}`)
  }
  return text
}

function faultOf(text: unknown): string | undefined {
  if (typeof text !== 'string' || text === '') return 'it must be a text of one segment or more'
  if (text.length > longest) return `it is longer than ${longest} characters`
  if (reserved.has(text) || text.startsWith('hw:')) return 'that name is reserved'
  // Most topics are plain, and need no closer look.
  if (/^[\w.-]+(:[\w.-]+)*$/.test(text)) return undefined
  for (const segment of text.split(':')) {
    if (segment === '') return 'it has an empty segment'
    if (segment === '*' || segment === '**') continue
    if (segment.includes('*')) return '`*` stands for a whole segment'
    if (!isEncoded(segment)) {
      return `its segment ${JSON.stringify(segment)} is not percent-encoded; build it with topic(…)`
    }
  }
  return undefined
}

/** One spelling only: else two topics would mean the same entity. */
function isEncoded(segment: string): boolean {
  try {
    return encodeSegment(decodeURIComponent(segment)) === segment
  } catch {
    return false
  }
}
