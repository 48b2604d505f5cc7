import type { Attributes } from './html'
import type { Topic } from './topic'

/** The attributes of an element that opens a connection, for itself or for the slots inside it. */
export function connectAttributes(address: string): Attributes {
  return { 'hx-ext': 'sse', 'sse-connect': address, 'sse-close': 'done' }
}

/**
 * The attributes of an element that shows a topic.
 *
 * @param swap how content is put into it: a swap of htmx, or `morph`, which changes only what differs; without the
 * browser runtime htmx 2 replaces all of it. @default 'beforeend' for kind log, else 'innerHTML'
 */
export function slotAttributes(
  topic: Topic,
  kind: 'log' | 'state' | 'signal',
  swap?: string,
): Attributes {
  return { 'sse-swap': topic, ...swapAttributes(kind, swap) }
}

/** Those of {@link slotAttributes} that all slots of a stream share. */
export function swapAttributes(
  kind: 'log' | 'state' | 'signal',
  swap = kind === 'log' ? 'beforeend' : 'innerHTML',
): Attributes {
  // Both are inherited, so a slot that did not say them would follow its surroundings.
  return { 'hx-swap': swap === 'morph' ? 'innerMorph' : swap, 'hx-target': 'this' }
}
