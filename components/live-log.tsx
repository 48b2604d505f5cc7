/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import type { LogLines } from '../src/lines'
import { connectAttributes, slotAttributes } from '../src/slot'
import { idSelector } from '../src/swap'
import { classes, type ElementAttributes, isContent, Tag } from './tag'

/** What is written in {@link LiveLog}. */
export interface LiveLogWords {
  /** The name of the choice of levels. */
  show: string
  all: string
  info: string
  warn: string
  error: string
  /** Beside a choice other than all. */
  hidden: string
  pause: string
  /** `{count}` stands for how many lines wait while it is paused or one has scrolled up. */
  waiting: string
  /** What is said while none waits. */
  newest: string
  download: string
  earlier: string
}

/** What {@link LiveLog} is told; what is not named becomes an attribute. */
export interface LiveLogProps extends ElementAttributes {
  /** Made by `logLines`. */
  log: LogLines
  /** Its accessible name. */
  label: string | number
  /** Whether it opens a connection of its own; not inside a connected parent. @default true */
  connect?: boolean | undefined
  /** The address of the whole log as a file. @default none: there is no link */
  download?: string | undefined
  /**
   * An address of the app that answers `?before=<number>&count=200` with what stands before that line, as `log.rows()`
   * makes it; with nothing where there is no more. For a link to a line `count` may be up to 920. @default none: what is not on the page can not be scrolled to
   */
  earlier?: string | undefined
  /** What stands in it while there are no lines. @default nothing */
  empty?: Children
  /** @default English */
  words?: Partial<LiveLogWords> | undefined
}

const english: LiveLogWords = {
  show: 'Levels',
  all: 'All',
  info: 'Info',
  warn: 'Warnings',
  error: 'Errors',
  hidden: 'Other lines are hidden',
  pause: 'Pause',
  waiting: '{count} new',
  newest: 'Newest',
  download: 'Download',
  earlier: 'Earlier lines',
}

const levels = ['all', 'info', 'warn', 'error'] as const

/**
 * The newest lines of a live log: it stays at its end while one does not scroll up, and then stands still until one
 * is back. Its page loads `log.js`: `<HeadwaterHead hub={hub} logs />`.
 *
 * @example <LiveLog log={log} label="Output of the build" download="/builds/7/log" earlier="/builds/7/earlier" />
 */
export async function LiveLog({
  log,
  label,
  connect = true,
  download,
  earlier,
  empty,
  words,
  ...rest
}: LiveLogProps): Promise<string> {
  const { hub, topic, id, max } = log
  const say = { ...english, ...words }
  const { html: safeRows, cursor } = await log.read()
  return (
    <Tag
      as="section"
      id={id}
      {...rest}
      class={classes('hw-live-log', rest.class)}
      data-stream={topic}
      data-stream-limit={max}
    >
      <div class="hw-log-bar">
        <fieldset>
          <legend class="hw-visually-hidden" safe>
            {say.show}
          </legend>
          {levels.map((level) => (
            <Tag as="label">
              <Tag
                as="input"
                type="radio"
                name={`${id}-show`}
                value={level}
                checked={level === 'all'}
              />
              <Tag as="span" text={say[level]} />
            </Tag>
          ))}
        </fieldset>
        <span class="hw-log-hidden" safe>
          {say.hidden}
        </span>
        <button type="button" class="hw-log-pause" aria-pressed="false" safe>
          {say.pause}
        </button>
        {download !== undefined && (
          <Tag as="a" class="hw-log-download" href={download} download text={say.download} />
        )}
      </div>
      <Tag as="div" class="hw-log" role="log" tabindex={0} aria-label={label} aria-live="off">
        {earlier !== undefined && <Earlier id={id} address={earlier} label={say.earlier} />}
        <Tag
          as="ol"
          class="hw-lines"
          {...(connect ? connectAttributes(hub.address([topic], { since: cursor })) : {})}
          {...slotAttributes(topic, 'log')}
        >
          {safeRows}
        </Tag>
        {isContent(empty) && <p class="hw-empty">{empty}</p>}
        {/* Where it is to begin, for browsers that do so without script. */}
        <div class="hw-log-end" />
      </Tag>
      <Tag
        as="button"
        type="button"
        class="hw-log-newest"
        hidden
        data-waiting={say.waiting}
        data-newest={say.newest}
      />
    </Tag>
  )
}

/** Asks for what stands before the first line, when one scrolls to it. The script fills in the number. */
function Earlier({ id, address, label }: { id: string; address: string; label: string }) {
  return (
    <>
      <Tag
        as="form"
        class="hw-log-earlier"
        action={address}
        hx-get={address}
        hx-trigger="intersect, submit"
        hx-target={idSelector(`${id}-earlier`)}
        hx-swap="afterbegin"
        hx-sync="this:drop"
        {...{ 'hx-status:4xx': 'swap:none', 'hx-status:5xx': 'swap:none' }}
      >
        <input type="hidden" name="before" />
        <input type="hidden" name="count" value="200" />
        <button type="submit" safe>
          {label}
        </button>
      </Tag>
      <Tag as="ol" id={`${id}-earlier`} class="hw-lines" />
    </>
  )
}
