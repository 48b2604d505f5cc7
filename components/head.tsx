/** @jsxImportSource @kitajs/html */
import { type AssetName, asset } from '../src/assets'
import type { Hub } from '../src/hub'
import { Tag } from './tag'

/** What {@link HeadwaterHead} is told. */
export interface HeadwaterHeadProps {
  hub: Hub
  /** That of the page's content security policy, if it goes by nonces; new for each response. */
  nonce?: string | undefined
  /** Whether the kit's stylesheet is linked. @default true */
  theme?: boolean | undefined
  /** The page's title. @default none: the app writes its own */
  title?: string | number | undefined
}

/**
 * What stands in `<head>`: htmx 2 with its SSE extension, set up for a strict content security policy, and the
 * theme. Charset and viewport are the app's. All files are the hub's own, with their `integrity`.
 *
 * Without the theme, style `.htmx-indicator` yourself: htmx may not inject its styles under such a policy.
 *
 * @example <head><meta charset="utf-8" /><HeadwaterHead hub={hub} title="Jobs" /></head>
 */
export function HeadwaterHead({ hub, nonce, theme = true, title }: HeadwaterHeadProps) {
  const config = {
    includeIndicatorStyles: false,
    allowEval: false,
    selfRequestsOnly: true,
    // htmx would make a new row's slots live 20 ms later, and what is sent to them meanwhile would be lost.
    defaultSettleDelay: 0,
    ...(nonce !== undefined && { inlineScriptNonce: nonce }),
  }
  const file = (name: AssetName) => ({ integrity: asset(name)?.integrity, nonce })
  return (
    <>
      {title !== undefined && <title safe>{title}</title>}
      <Tag as="meta" name="htmx-config" content={JSON.stringify(config)} />
      {theme && (
        <Tag as="link" rel="stylesheet" href={hub.asset('theme.css')} {...file('theme.css')} />
      )}
      <Tag as="script" src={hub.asset('htmx.js')} defer {...file('htmx.js')} />
      <Tag as="script" src={hub.asset('sse.js')} defer {...file('sse.js')} />
    </>
  )
}
