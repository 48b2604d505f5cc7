/** @jsxImportSource @kitajs/html */
import { type AssetName, asset } from '../src/assets'
import type { Hub } from '../src/hub'
import { Tag } from './tag'

/** What {@link HeadwaterHead} is told. */
export interface HeadwaterHeadProps {
  hub: Hub
  /** The major version of htmx, each with its SSE extension; that of htmx 4 is ours. @default 2 */
  htmx?: 2 | 4 | undefined
  /** Whether all streams of the browser share one connection, resume after anything and tell how they stand. @default true */
  runtime?: boolean | undefined
  /** That of the page's content security policy, if it goes by nonces; new for each response. */
  nonce?: string | undefined
  /** Whether the script of `<LiveLog>` is loaded. @default false */
  logs?: boolean | undefined
  /** Whether the kit's stylesheet is linked. @default true */
  theme?: boolean | undefined
  /** The page's title. @default none: the app writes its own */
  title?: string | number | undefined
}

/**
 * What stands in `<head>`: htmx and the browser runtime, set up for a strict content security policy, and the
 * theme. Charset and viewport are the app's. All files are the hub's own, with their `integrity`.
 *
 * Without the theme, style `.htmx-indicator` yourself: htmx may not inject its styles under such a policy.
 *
 * @example <head><meta charset="utf-8" /><HeadwaterHead hub={hub} title="Jobs" /></head>
 */
export function HeadwaterHead({
  hub,
  htmx = 2,
  runtime = true,
  logs = false,
  nonce,
  theme = true,
  title,
}: HeadwaterHeadProps) {
  const file = (name: AssetName) => ({ integrity: asset(name)?.integrity, nonce })
  const script = (name: AssetName) => ({
    as: 'script',
    src: hub.asset(name),
    defer: true,
    ...file(name),
  })
  return (
    <>
      {title !== undefined && <title safe>{title}</title>}
      <Tag as="meta" name="htmx-config" content={JSON.stringify(configOf(htmx, nonce))} />
      {theme && (
        <Tag as="link" rel="stylesheet" href={hub.asset('theme.css')} {...file('theme.css')} />
      )}
      <Tag {...script(htmx === 4 ? 'htmx4.js' : 'htmx.js')} />
      <Tag {...script(htmx === 4 ? 'sse4.js' : 'sse.js')} />
      <Tag {...script('text.js')} />
      {logs && <Tag {...script('log.js')} />}
      {runtime && <Tag {...script('status.js')} />}
      {runtime && (
        <Tag {...script('headwater.js')} data-viewer={hub.viewerTag} {...morphing(hub, htmx)} />
      )}
    </>
  )
}

/** htmx's own configuration. Both majors would inject a style, and work on what came 20 ms and 1 ms later. */
function configOf(htmx: 2 | 4, nonce: string | undefined) {
  return {
    ...(htmx === 4
      ? { includeIndicatorCSS: false }
      : { includeIndicatorStyles: false, allowEval: false, selfRequestsOnly: true }),
    // What is sent meanwhile to a new row's slots would be lost.
    defaultSettleDelay: 0,
    ...(nonce !== undefined && { inlineScriptNonce: nonce }),
  }
}

/** Where the runtime finds what it morphs with, when it is first needed; for htmx 2 with idiomorph. */
function morphing(hub: Hub, htmx: 2 | 4) {
  const name = htmx === 4 ? 'morph.js' : 'idiomorph.js'
  return { 'data-morph': hub.asset(name), 'data-integrity': asset(name)?.integrity }
}
