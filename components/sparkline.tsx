/** @jsxImportSource @kitajs/html */
import { attributes } from '../src/html'
import { classes, type ElementAttributes } from './tag'

/** What {@link Sparkline} is told; what is not named becomes an attribute. */
export interface SparklineProps extends ElementAttributes {
  /** From left to right, evenly spread, held between 0 and `max`; where one is no number the line has a gap. */
  values: readonly number[]
  /** What reaches the top. @default the highest of the values */
  max?: number | undefined
  /** In CSS pixels. @default 96 */
  width?: number | undefined
  /** In CSS pixels. @default 24 */
  height?: number | undefined
  /** What it shows: the beginning of its accessible name. */
  label: string | number
  /** The figures in words: the end of its accessible name. @default the last value and the highest */
  text?: string | number | undefined
}

/** Half of the line's width, so that nothing of it is cut off at the edges. */
const edge = 1

/**
 * A small line chart in the colour of the text, drawn by attributes alone.
 *
 * Its markup grows with the values: it is for some dozens of them.
 *
 * @example <Sparkline label="Speed of a.zip" values={job.rates} text="12 MB/s, at most 20 MB/s" />
 */
export function Sparkline({
  values,
  max,
  width = 96,
  height = 24,
  label,
  text,
  ...rest
}: SparklineProps) {
  const known = values.filter(Number.isFinite)
  const top = max ?? Math.max(0, ...known)
  const x = (i: number) =>
    round(values.length > 1 ? edge + (i / (values.length - 1)) * (width - 2 * edge) : width - edge)
  const y = (value: number) => round(height - edge - held(value, top) * (height - 2 * edge))
  let line = ''
  let area = ''
  for (const [from, to] of stretches(values)) {
    const points = values.slice(from, to).map((value, i) => `${x(from + i)} ${y(value)}`)
    // A line of no length is drawn as a dot.
    line += `M${points.join('L')}${points.length === 1 ? 'h0' : ''}`
    area += `M${x(from)} ${height}L${points.join('L')}L${x(to - 1)} ${height}Z`
  }
  const around = attributes({
    ...rest,
    class: classes('hw-sparkline', rest.class),
    role: 'img',
    'aria-label': `${label}: ${text ?? figures(known)}`,
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
  })
  const drawn = line === '' ? '' : `${tagOf(area, areas)}${tagOf(line, lines)}`
  return `<svg${around}>${drawn}</svg>`
}

const areas = { fill: 'currentColor', 'fill-opacity': 0.15 }
const lines = {
  fill: 'none',
  stroke: 'currentColor',
  'stroke-width': 2 * edge,
  'stroke-linecap': 'round',
  'stroke-linejoin': 'round',
}

function tagOf(d: string, paint: Record<string, string | number>): string {
  return `<path${attributes({ d, ...paint })}></path>`
}

/** Where numbers without a gap begin and end. */
function stretches(values: readonly number[]): [from: number, to: number][] {
  const found: [number, number][] = []
  let from = 0
  for (let i = 0; i <= values.length; i++) {
    if (i < values.length && Number.isFinite(values[i])) continue
    if (i > from) found.push([from, i])
    from = i + 1
  }
  return found
}

/** The share of the height. */
function held(value: number, top: number): number {
  return top > 0 ? Math.min(1, Math.max(0, value / top)) : 0
}

function figures(known: readonly number[]): string {
  const last = known.at(-1)
  return last === undefined ? '–' : `${round(last)}, max. ${round(Math.max(...known))}`
}

/** A tenth of a pixel is not seen. */
function round(value: number): number {
  return Math.round(value * 10) / 10
}
