/** @jsxImportSource @kitajs/html */
import { classes, type ElementAttributes, Tag } from './tag'

/** What {@link ConnectionStatus} is told; what is not named becomes an attribute. */
export interface ConnectionStatusProps extends ElementAttributes {
  /** Its tag. @default 'span' */
  as?: string | undefined
  /** @default 'Connected' */
  connected?: string | undefined
  /** `{attempt}` stands for how often it was tried. @default 'Reconnecting (attempt {attempt})' */
  reconnecting?: string | undefined
  /** What is said instead while the browser knows of no network. @default 'Offline' */
  offline?: string | undefined
  /** Something on the page may not be followed, or not any more. @default 'Refused: reload the page' */
  refused?: string | undefined
  /** Everything on the page has ended. @default 'Closed' */
  closed?: string | undefined
}

/**
 * How it stands with the live parts of the page, in one text for all of them. It is empty and takes no place for the
 * first 3 s, for 3 s after each cut, and without the browser runtime.
 *
 * @example <ConnectionStatus reconnecting="Neuer Versuch ({attempt})" />
 */
export function ConnectionStatus({
  as = 'span',
  connected = 'Connected',
  reconnecting = 'Reconnecting (attempt {attempt})',
  offline = 'Offline',
  refused = 'Refused: reload the page',
  closed = 'Closed',
  ...rest
}: ConnectionStatusProps) {
  return (
    <Tag
      as={as}
      role="status"
      aria-live="polite"
      {...rest}
      class={classes('hw-connection', rest.class)}
      data-open={connected}
      data-retry={reconnecting}
      data-offline={offline}
      data-refused={refused}
      data-closed={closed}
    />
  )
}
