/** @jsxImportSource @kitajs/html */
import type { Component } from '../src/component'
import { classes, type ElementAttributes } from './tag'
import { TopicElement } from './topic-element'

/** What {@link LiveComponent} is told; what is not named becomes an attribute. */
export interface LiveComponentProps extends ElementAttributes {
  /** What `component` gave. */
  component: Component
  /** Its tag. @default 'div' */
  as?: string | undefined
  /** Whether it opens a connection of its own; not inside a connected parent. @default true */
  connect?: boolean | undefined
  /** How content is put into it: `morph`, by which what was typed and the focus stay, or a swap of htmx. @default 'morph' */
  swap?: string | undefined
}

/**
 * The element that shows a live component, as it is rendered now, and from then on whenever it is pushed or ticks.
 *
 * @example <LiveComponent component={board} as="section" />
 */
export async function LiveComponent({
  component,
  as = 'div',
  swap = 'morph',
  ...rest
}: LiveComponentProps): Promise<string> {
  const { hub, topic } = component
  const content = await component.show()
  return (
    <TopicElement
      hub={hub}
      topic={topic}
      as={as}
      swap={swap}
      content={content}
      {...rest}
      class={classes('hw-component', rest.class)}
    />
  )
}
