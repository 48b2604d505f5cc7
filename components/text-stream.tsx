/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import { connectAttributes, slotAttributes } from '../src/slot'
import type { TextStream as Stream } from '../src/text'
import type { TextMode } from '../src/text-wire'
import { classes, type ElementAttributes, isContent, Tag } from './tag'

/** What is said of how a text stands; nothing of what is empty. */
export interface TextStreamWords {
  /** @default 'Writing' */
  active?: string | undefined
  /** @default 'Done' */
  done?: string | undefined
  /** @default 'Stopped' */
  stopped?: string | undefined
  /** The message itself is said anyway. @default '' */
  failed?: string | undefined
}

/** What {@link TextStream} is told; what is not named becomes an attribute. */
export interface TextStreamProps extends ElementAttributes {
  /** Made by `textStream`. */
  stream: Stream
  /** Its accessible name; with one it is a landmark. @default none */
  label?: string | number | undefined
  /** Where text goes that does not say it. @default the stream's */
  mode?: TextMode | undefined
  /** Whether it opens a connection of its own; not inside a connected parent. @default true */
  connect?: boolean | undefined
  /** Whether more may come; static otherwise. @default true */
  active?: boolean | undefined
  /** What the button says that stops what is piped. @default 'Stop' */
  stop?: string | false | undefined
  /** What the button says that goes to the newest text. @default 'Jump to newest' */
  jump?: string | false | undefined
  /** What a screen reader is told when it begins and ends. @default English */
  words?: TextStreamWords | undefined
  /** What stands in it while there is no text. @default nothing */
  empty?: Children
}

/**
 * A text that grows, as it stands when it is rendered, and what comes from there on.
 *
 * @throws TypeError for another mode than the stream's.
 * @example <TextStream stream={textStream(hub, 'chat:1:answer', { format: markdown })} label="Answer" />
 */
export async function TextStream({
  stream,
  label,
  mode,
  connect = true,
  active = true,
  stop = 'Stop',
  jump = 'Jump to newest',
  words = {},
  empty,
  ...rest
}: TextStreamProps): Promise<string> {
  const { hub, topic, format } = stream.use(mode)
  const { html: safeHtml, state, status, cursor } = await stream.read()
  const safeStatus = active || state === 'failed' ? status : ''
  const address = active && connect ? hub.address([topic], { since: cursor }) : undefined
  return (
    <Tag
      as="section"
      {...rest}
      class={classes(format ? 'hw-text hw-text-format' : 'hw-text', rest.class)}
      aria-label={label}
      {...(active && { 'data-stream': topic, 'data-stream-mode': stream.mode })}
    >
      <Tag
        as="div"
        class="hw-text-content"
        {...(address !== undefined && connectAttributes(address))}
        {...(active && slotAttributes(topic, 'log'))}
      >
        {safeHtml}
      </Tag>
      {isContent(empty) && (
        // Hidden, not absent: with the theme it comes and goes with the text.
        <p class="hw-empty" hidden={safeHtml !== ''}>
          {empty}
        </p>
      )}
      <Tag
        as="div"
        class="hw-text-state"
        {...(active && { 'data-stream-state': topic, 'data-state': state })}
      >
        {safeStatus}
      </Tag>
      {active && <Status {...words} />}
      {active && stop !== false && <Stop address={stream.stopAddress()} label={stop} />}
      {active && jump !== false && (
        <Tag as="button" type="button" class="hw-jump" data-stream-jump hidden text={jump} />
      )}
    </Tag>
  )
}

/** Empty until something begins or ends: a live region reads out whatever is written into it. */
function Status({
  active = 'Writing',
  done = 'Done',
  stopped = 'Stopped',
  failed = '',
}: TextStreamWords) {
  return (
    <Tag
      as="p"
      class="hw-visually-hidden"
      role="status"
      data-active={active}
      data-done={done}
      data-stopped={stopped}
      data-failed={failed}
    />
  )
}

/** Works without a script, too: then the browser comes back to the page. */
function Stop({ address, label }: { address: string; label: string }) {
  return (
    <Tag
      as="form"
      class="hw-text-stop"
      method="post"
      action={address}
      hx-post={address}
      hx-swap="none"
      hx-target="this"
    >
      <Tag as="button" text={label} />
    </Tag>
  )
}
