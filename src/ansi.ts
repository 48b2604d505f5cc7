/**
 * What a program prints for a terminal, as HTML: colours become classes, and everything else of a terminal is removed.
 *
 * The parser knows the sequences of colours only, so the others are taken out first: it would stop at them.
 */
import {
  type Color,
  createAnsiSequenceParser,
  createColorPalette,
  type DecorationType,
  namedColors,
  type ParseToken,
} from 'ansi-sequence-parser'
import { beginning } from './halves'
import type { Html } from './html'
import { escapeText } from './text-wire'

/** A line as it is shown. */
export interface Shown {
  html: Html
  /** Its text alone, as much as is shown. */
  text: string
  /** How many characters behind it are not shown. */
  cut: number
}

/** What is shown of a line, in bytes of HTML: one of megabytes would stop the page. */
const most = 4_096
/** What is looked at of a line, in characters. */
const farthest = 64 * 1_024

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: they are what is looked for
/**
 * Strings to the terminal (a title, a link's address), which end with BEL or ST. Without an end the text stays; none
 * reaches over the beginning of another, or many without an end would each be looked through to the end of the line.
 */
const strings =
  /(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)/g
/** Sequences with parameters; those of colours end with `m`. */
const controls = /(?:\x1b\[|\x9b)([0-?]*)([ -/]*)([@-~]?)/g
/** Two characters and a little more, such as the choice of a character set; a bare ESC too. */
const escapes = /\x1b(?!\[)(?:[ -/]*[0-~])?/g
const colours = /\x1b\[[\d;]*m/g
/** All others but the tab, and ESC, which only colours have kept. */
const noise = /[\0-\x08\n-\x1a\x1c-\x1f\x7f-\x9f]/g
const special = /[\0-\x08\n-\x1f\x7f-\x9f]/
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: they are what is looked for

const classes: Partial<Record<DecorationType, string>> = {
  bold: 'hw-bold',
  dim: 'hw-dim',
  italic: 'hw-italic',
  underline: 'hw-underline',
  strikethrough: 'hw-strike',
}

/**
 * Shows the lines of one log, one after the other: a colour holds until it is changed, over the ends of lines too.
 * Of a line 4 KB of HTML are shown. Its colours count for the next line also behind that, up to 64 KB; in a longer line
 * all end there.
 *
 * @example const show = ansi(); show('\x1b[31mred').html // <span class="hw-fg-red">red</span>
 */
export function ansi(): (line: string) => Shown {
  const parser = createAnsiSequenceParser()
  let isPlain = true
  return (line) => {
    const near = beginning(line, farthest)
    const far = line.length - near.length
    if (isPlain && !special.test(near)) return fit([{ value: near, names: [] }], far)
    const parts = parser.parse(coloursOnly(near)).map(partOf)
    if (far > 0) parser.parse('\x1b[0m')
    // The parser does not say how it stands. At the end of something that is not shown, it does.
    isPlain = parser.parse(' ').every((token) => classesOf(token).length === 0)
    return fit(parts, far)
  }
}

/** Text of one look, and the classes of that. */
interface Part {
  value: string
  names: string[]
}

/**
 * As much of a line as may be shown.
 *
 * @param far characters behind these parts
 */
function fit(parts: readonly Part[], far: number): Shown {
  const shown = { html: '', text: '', cut: far }
  let room = most
  for (const { value, names } of parts) {
    const [start, end] =
      names.length === 0 ? ['', ''] : [`<span class="${names.join(' ')}">`, '</span>']
    const { html, length } = fitting(value, room - start.length - end.length)
    shown.cut += value.length - length
    if (length > 0) shown.html += start + html + end
    shown.text += value.slice(0, length)
    // Behind what was cut nothing is shown, though it may be shorter.
    room = length < value.length ? 0 : room - Buffer.byteLength(start + html + end)
  }
  return shown
}

const bytes = new Uint8Array(most)
const encoder = new TextEncoder()
/** Bytes that a code unit may have. */
const widest = 3

/** As much of a text as has so many bytes when it is escaped, in whole characters, and how many of its code units. */
function fitting(text: string, room: number): { html: Html; length: number } {
  if (room <= 0) return { html: '', length: 0 }
  // None is shorter for being escaped.
  const all = escapeText(text.slice(0, room + 1))
  if (all.length * widest <= room) return { html: all, length: text.length }
  // It stops at the last whole character.
  const { read } = encoder.encodeInto(all, bytes.subarray(0, room))
  if (read === all.length) return { html: all, length: text.length }
  // What of an entity is left then has no end.
  const html = all.slice(0, read).replace(/&[^;]*$/, '')
  return { html, length: html.replace(/&[^;]*;/g, '&').length }
}

/** A line without what is not to be seen: what was overwritten, and all sequences but those of colours. */
function coloursOnly(line: string): string {
  const whole = line.endsWith('\r') ? line.slice(0, -1) : line
  const cleaned = whole
    .replace(strings, '')
    .replace(controls, (_, parameters: string, between: string, end: string) =>
      end === 'm' && between === '' && /^[\d;:]*$/.test(parameters) ? sgr(parameters) : '',
    )
    .replace(escapes, '')
  const at = cleaned.lastIndexOf('\r')
  // What is overwritten may have set the colour of what is not.
  const before = at < 0 ? '' : (cleaned.slice(0, at).match(colours) ?? []).join('')
  return before + cleaned.slice(at + 1).replace(noise, '')
}

/** The code for the colour of an underline, which is not shown; its arguments are none to the parser. */
const underline = 58

/** As the parser reads it: a reset has its 0, and is alone, since of one sequence it takes the resets first. */
function sgr(parameters: string): string {
  const codes = parameters
    .replace(/([34]8):2:\d*:(\d+):(\d+):(\d+)/g, '$1;2;$2;$3;$4')
    .replace(
      /([34]8):([25]):([\d:]+)/g,
      (_, kind, of, rest) => `${kind};${of};${rest.replaceAll(':', ';')}`,
    )
    .replace(/\b58:[\d:]*/g, '59')
    .replace(/\b4:0/g, '24')
    .replace(/:\d*/g, '')
    .split(';')
  let sequences = ''
  for (let i = 0; i < codes.length; ) {
    const code = Number(codes[i])
    const of = [38, 48, underline].includes(code) ? Number(codes[i + 1]) : 0
    const length = of === 2 ? 5 : of === 5 ? 3 : 1
    if (code !== underline) sequences += `\x1b[${codes.slice(i, i + length).join(';') || '0'}m`
    i += length
  }
  return sequences
}

function partOf(token: ParseToken): Part {
  return { value: token.value, names: classesOf(token) }
}

function classesOf({ foreground, background, decorations }: ParseToken): string[] {
  const isReverse = decorations.has('reverse')
  const [ink, ground] = isReverse ? [background, foreground] : [foreground, background]
  const names = [...decorations].flatMap((decoration) => classes[decoration] ?? [])
  if (ink) names.push(`hw-fg-${nameOf(ink)}`)
  if (ground) names.push(`hw-bg-${nameOf(ground)}`)
  if (isReverse && !ink && !ground) names.push('hw-reverse')
  return names
}

const palette = createColorPalette()
const known = namedColors.map((name) => ({
  name: name.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`),
  rgb: rgbOf({ type: 'named', name }),
}))

/** The name of a colour; of the many others that of the nearest one, for a theme can only be readable with few. */
function nameOf(color: Color): string {
  if (color.type === 'named') return known[namedColors.indexOf(color.name)]?.name as string
  const rgb = rgbOf(color)
  let nearest = { name: 'white', distance: Number.POSITIVE_INFINITY }
  for (const { name, rgb: own } of known) {
    const distance = own.reduce((sum, value, i) => sum + (value - (rgb[i] ?? 0)) ** 2, 0)
    if (distance < nearest.distance) nearest = { name, distance }
  }
  return nearest.name
}

function rgbOf(color: Color): number[] {
  const hex = palette.value(color) ?? '#ffffff'
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
}
