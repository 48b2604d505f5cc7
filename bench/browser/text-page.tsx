/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import type { Hub, LogLines, TextStream as Stream } from 'headwater'
import { HeadwaterHead, LiveLog, TextStream } from 'headwater/components'

/** How a page of streamed text is made live, and what is streamed to it. */
export const textHeads = {
  headwater: { htmx: 2, runtime: true, script: true, plain: false },
  'headwater-htmx4': { htmx: 4, runtime: true, script: true, plain: false },
  /** htmx 2 and its extension apply what comes for a `TextStream`. */
  'headwater-stock': { htmx: 2, runtime: false, script: false, plain: false },
  /** htmx 2 and its extension, and an event for each token or line. */
  beforeend: { htmx: 2, runtime: false, script: false, plain: true },
} as const

export type TextHead = keyof typeof textHeads

/** The slot in the page. */
export const slot = '.bench [sse-swap]'

/** A text that grows, in a box that scrolls. `plain`: the topic of the events for a plain slot. */
export function TextPage({
  head,
  stream,
  plain,
}: {
  head: TextHead
  stream: Stream
  plain: string
}) {
  const { hub } = stream
  return (
    <Page hub={hub} head={head}>
      <div class="bench">
        {textHeads[head].plain ? (
          <section class="hw-text">
            <PlainSlot as="div" hub={hub} topic={plain} className="hw-text-content" />
          </section>
        ) : (
          <TextStream stream={stream} />
        )}
      </div>
    </Page>
  )
}

/** A log that grows. `plain`: the topic of the events for a plain slot. */
export function LinesPage({ head, log, plain }: { head: TextHead; log: LogLines; plain: string }) {
  const { hub } = log
  return (
    <Page hub={hub} head={head} logs>
      {textHeads[head].plain ? (
        <div class="bench hw-live-log">
          <div class="hw-log">
            <PlainSlot as="ol" hub={hub} topic={plain} className="hw-lines" />
          </div>
        </div>
      ) : (
        <div class="bench">
          <LiveLog log={log} label="Lines" />
        </div>
      )}
    </Page>
  )
}

interface PageProps {
  hub: Hub
  head: TextHead
  logs?: boolean
  children: Children
}

function Page({ hub, head, logs = false, children }: PageProps) {
  const { htmx, runtime, script } = textHeads[head]
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <link rel="icon" href="data:," />
        <style>{'div.bench:not(.hw-live-log) { height: 600px; overflow: auto }'}</style>
        {script ? (
          <HeadwaterHead hub={hub} title="Text" htmx={htmx} runtime={runtime} logs={logs} />
        ) : (
          <StockHead hub={hub} />
        )}
      </head>
      <body>{children as 'safe'}</body>
    </html>
  )
}

/** htmx 2, its extension, and nothing else. */
function StockHead({ hub }: { hub: Hub }) {
  return (
    <>
      <title>Text</title>
      <meta name="htmx-config" content='{"includeIndicatorStyles":false,"defaultSettleDelay":0}' />
      <link rel="stylesheet" href={hub.asset('theme.css')} />
      <script src={hub.asset('htmx.js')} defer />
      <script src={hub.asset('sse.js')} defer />
    </>
  )
}

interface PlainSlotProps {
  as: 'div' | 'ol'
  hub: Hub
  topic: string
  className: string
}

/** As htmx-ext-sse has it. */
function PlainSlot({ as, hub, topic, className }: PlainSlotProps) {
  return (
    <tag
      of={as}
      class={className}
      hx-ext="sse"
      sse-connect={hub.address([topic])}
      sse-swap={topic}
      hx-swap="beforeend"
      hx-target="this"
    />
  )
}
