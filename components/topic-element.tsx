/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import type { Hub } from '../src/hub'
import { connectAttributes, slotAttributes } from '../src/slot'
import { asTopic } from '../src/topic'
import type { EventId } from '../src/wire'
import { type ElementAttributes, Tag } from './tag'

/** What {@link TopicElement} is told; what is not named becomes an attribute. */
export interface TopicElementProps extends ElementAttributes {
  hub: Hub
  /** A topic that no manager made, such as `room:1`. */
  topic: string
  /** Its tag. @default 'span' */
  as?: string | undefined
  /** Whether it opens a connection of its own; not inside a connected parent. @default true */
  connect?: boolean | undefined
  /** What it begins with, trusted. @default what is kept: of a state the newest, of a log the newest `last` */
  content?: Children
  /** How many kept events of a log it begins with. @default 200 */
  last?: number | undefined
  /** How content is put into it: a swap of htmx, or `morph`. @default 'beforeend' for kind log, else 'innerHTML' */
  swap?: string | undefined
}

/**
 * The element that shows a topic of one's own.
 *
 * @throws TypeError for a topic that is none.
 * @example <TopicElement hub={hub} topic="room:1" as="ul" />
 */
export function TopicElement({
  hub,
  topic,
  as = 'span',
  connect = true,
  content,
  last = 200,
  swap,
  ...rest
}: TopicElementProps): JSX.Element {
  const kind = hub.kindOf(topic)
  const element = (safeContent: Children, since?: EventId) => (
    <Tag
      as={as}
      {...rest}
      {...(connect ? connectAttributes(hub.address([topic], { since })) : {})}
      {...slotAttributes(asTopic(topic), kind, swap)}
    >
      {safeContent}
    </Tag>
  )
  if (content !== undefined || kind === 'signal') return element(content ?? '')
  // From what it shows on, not from where the page began: that would send again what came in between.
  return hub
    .history(topic, { last: kind === 'log' ? last : 1 })
    .then(({ items, cursor }) => element(items.map(({ html }) => html).join(''), cursor))
}
