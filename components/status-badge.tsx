/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import { attributes, text } from '../src/html'
import { classes, type ElementAttributes, withHtml } from './tag'

/** How a state is meant; each has a colour and a shape. */
export type Tone = 'neutral' | 'info' | 'success' | 'warning' | 'danger'

/** What {@link StatusBadge} is told; what is not named becomes an attribute. */
export interface StatusBadgeProps extends ElementAttributes {
  state: string
  /** @default by the state's word: of those in {@link tones}, else neutral */
  tone?: Tone | undefined
  /** What it says. @default the state */
  children?: Children
}

/** The tones of the usual words. */
export const tones: Readonly<Record<string, Tone>> = {
  new: 'neutral',
  queued: 'neutral',
  pending: 'neutral',
  waiting: 'neutral',
  idle: 'neutral',
  draft: 'neutral',
  offline: 'neutral',
  cancelled: 'neutral',
  canceled: 'neutral',
  skipped: 'neutral',
  running: 'info',
  active: 'info',
  working: 'info',
  started: 'info',
  loading: 'info',
  connecting: 'info',
  done: 'success',
  finished: 'success',
  completed: 'success',
  complete: 'success',
  succeeded: 'success',
  success: 'success',
  ok: 'success',
  online: 'success',
  paused: 'warning',
  stopped: 'warning',
  retrying: 'warning',
  warning: 'warning',
  late: 'warning',
  failed: 'danger',
  failure: 'danger',
  error: 'danger',
  lost: 'danger',
  rejected: 'danger',
}

/**
 * A state as a word with a coloured shape.
 *
 * @example <StatusBadge state={job.state} />
 */
export function StatusBadge({ state, tone, children, ...rest }: StatusBadgeProps) {
  const meant = tone ?? toneOf(state)
  const start = `<span${attributes({ ...rest, class: classes(`hw-badge hw-${meant}`, rest.class) })}>`
  return withHtml(children ?? `<span>${text(state)}</span>`, (html) => `${start}${html}</span>`)
}

function toneOf(state: string): Tone {
  const word = state.trim().toLowerCase()
  return Object.hasOwn(tones, word) ? (tones[word] as Tone) : 'neutral'
}
