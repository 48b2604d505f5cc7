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
import type { Html } from './html'
import { escapeText } from './text-wire'

/** A line as it is shown. */
export interface Shown {
  html: Html
  /** Its text alone. */
  text: string
}

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: they are what is looked for
/** Strings to the terminal (a title, a link's address), which end with BEL or ST. Without an end the text stays. */
const strings = /(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)/g
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
 *
 * @example const show = ansi(); show('\x1b[31mred').html // <span class="hw-fg-red">red</span>
 */
export function ansi(): (line: string) => Shown {
  const parser = createAnsiSequenceParser()
  let isPlain = true
  return (line) => {
    if (isPlain && !special.test(line)) return { html: escapeText(line), text: line }
    const tokens = parser.parse(coloursOnly(line))
    // The parser does not say how it stands. At the end of something that is not shown, it does.
    isPlain = parser.parse(' ').every((token) => classesOf(token).length === 0)
    return {
      html: tokens.map(htmlOf).join(''),
      text: tokens.map(({ value }) => value).join(''),
    }
  }
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

/** As the parser reads it: a reset has its 0, and is alone, since of one sequence it takes the resets first. */
function sgr(parameters: string): string {
  const codes = parameters
    .replace(/([34]8):2:\d*:(\d+):(\d+):(\d+)/g, '$1;2;$2;$3;$4')
    .replace(
      /([34]8):([25]):([\d:]+)/g,
      (_, kind, of, rest) => `${kind};${of};${rest.replaceAll(':', ';')}`,
    )
    .replace(/\b4:0/g, '24')
    .replace(/:\d*/g, '')
    .split(';')
  let sequences = ''
  for (let i = 0; i < codes.length; ) {
    const code = Number(codes[i])
    const of = code === 38 || code === 48 ? Number(codes[i + 1]) : 0
    const length = of === 2 ? 5 : of === 5 ? 3 : 1
    sequences += `\x1b[${codes.slice(i, i + length).join(';') || '0'}m`
    i += length
  }
  return sequences
}

function htmlOf(token: ParseToken): Html {
  const names = classesOf(token)
  const html = escapeText(token.value)
  return names.length === 0 ? html : `<span class="${names.join(' ')}">${html}</span>`
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
