/** @jsxImportSource @kitajs/html */
import { attributes, text as escaped } from '../src/html'
import { classes, type ElementAttributes } from './tag'

/** What {@link ProgressBar} is told; what is not named becomes an attribute. */
export interface ProgressBarProps extends ElementAttributes {
  /** How much is done, held between 0 and `max`. @default not known: the bar only shows that work goes on */
  value?: number | null | undefined
  /** How much there is. Of 0 all is done. @default 100 */
  max?: number | undefined
  /** Its accessible name. */
  label: string | number
  /** What stands beside it. @default the whole percentage, rounded down */
  text?: string | number | undefined
}

/**
 * A progress bar with its number.
 *
 * @example <ProgressBar label="Progress of a.zip" value={job.done} max={job.total} />
 */
export function ProgressBar({ value, max = 100, label, text, ...rest }: ProgressBarProps) {
  const total = max > 0 && Number.isFinite(max) ? max : 1
  const done = value === undefined || value === null ? undefined : held(value, max, total)
  // Rounded down: what shows 100% is done. The summand is for 0.29 × 100 = 28.999….
  const percent = done === undefined ? undefined : `${Math.floor((done / total) * 100 + 1e-9)}%`
  const shown = text ?? percent
  // The percentage is what a screen reader says of the bar itself.
  const hidden = text === undefined ? ' aria-hidden="true"' : ''
  const beside =
    shown === undefined ? '' : `<span class="hw-progress-text"${hidden}>${escaped(shown)}</span>`
  const bar = `<progress${attributes({ 'aria-label': label, max: total, value: done })}></progress>`
  const around = attributes({ ...rest, class: classes('hw-progress', rest.class) })
  return `<span${around}>${bar}${beside}</span>`
}

function held(value: number, max: number, total: number): number {
  if (max <= 0) return total
  return total === max && value > 0 ? Math.min(total, value) : 0
}
