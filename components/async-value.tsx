/** @jsxImportSource @kitajs/html */
import type { AsyncValueHandle } from '../src/async-handle'
import { classes, type ElementAttributes } from './tag'
import { TopicElement } from './topic-element'

/** What {@link AsyncValue} is told; what is not named becomes an attribute. */
export interface AsyncValueProps<Value> extends ElementAttributes {
  /** What `asyncValue` gave; how each state looks is said there. */
  value: AsyncValueHandle<Value>
  /** Whether it opens a connection of its own; not inside a connected parent. @default true */
  connect?: boolean | undefined
  /** How content is put into it: a swap of htmx, or `morph`. @default 'innerHTML' */
  swap?: string | undefined
  /** Whether a screen reader says what has come, once it is there. @default true */
  announce?: boolean | undefined
}

/**
 * The element that shows a value that takes a while. It begins with what is kept, or with loading, and shows
 * exactly one of loading, ok and failed.
 *
 * Who presses "Try again" keeps the focus: with the browser runtime the element takes it over from the button, which is
 * gone then. Without the runtime nothing has it, and the next Tab goes on from there.
 *
 * @example <AsyncValue value={weather} />
 */
export async function AsyncValue<Value>({
  value,
  announce = true,
  ...rest
}: AsyncValueProps<Value>): Promise<string> {
  const content = await value.show()
  return (
    <TopicElement
      hub={value.hub}
      topic={value.topic}
      as={value.as}
      content={content}
      aria-live={announce ? 'polite' : 'off'}
      {...rest}
      class={classes('hw-async', rest.class)}
    />
  )
}
