/** @jsxImportSource @kitajs/html */
import { ProgressBar, StatusBadge } from 'headwater/components'
import { duration, rate, size, time } from './format'
import { hasEnded, type Job, type Line } from './job'

/** What each column shows of a job: the page, every change, and the replay come from here. */

export function State({ state, error }: Job) {
  return (
    <>
      <StatusBadge state={state} />
      {error !== null && (
        <p class="fault" title={error.replaceAll('"', '”')} safe>
          {error.length > 160 ? `${error.slice(0, 160)}…` : error}
        </p>
      )}
    </>
  )
}

export function Progress({ name, state, bytesDone, bytesTotal }: Job) {
  const listed = bytesTotal > 0 || state !== 'running'
  return (
    <ProgressBar
      label={`Progress of ${name}`}
      value={listed ? bytesDone : undefined}
      max={bytesTotal || (state === 'done' ? 0 : 1)}
      text={`${size(bytesDone)} of ${listed ? size(bytesTotal) : '…'}`}
    />
  )
}

export function Files({ filesDone, filesTotal, failedFiles }: Job) {
  return (
    <>
      {filesDone} / {filesTotal}
      {failedFiles > 0 && <span class="fault"> ({failedFiles} failed)</span>}
    </>
  )
}

export function Speed({ throughput }: Job) {
  return throughput > 0 ? rate(throughput) : '–'
}

export function Left({ msLeft, state, activeMs }: Job) {
  if (msLeft !== null) return duration(msLeft)
  return state === 'done' ? `took ${duration(activeMs)}` : '–'
}

export function Current({ currentFile }: Job) {
  return <span safe>{currentFile ?? '–'}</span>
}

/** Buttons that work without script too: each is a form. */
export function Actions({ id, name, state }: Job) {
  return (
    <div class="actions">
      {(state === 'queued' || hasEnded(state)) && (
        <Action id={id} name={name} verb="start" label={state === 'queued' ? 'Start' : 'Again'} />
      )}
      {(state === 'running' || state === 'waiting') && (
        <Action id={id} name={name} verb="pause" label="Pause" />
      )}
      {state === 'paused' && <Action id={id} name={name} verb="resume" label="Resume" />}
      {!hasEnded(state) && <Action id={id} name={name} verb="cancel" label="Cancel" />}
    </div>
  )
}

function Action({ id, name, verb, label }: Record<'id' | 'name' | 'verb' | 'label', string>) {
  const path = `/jobs/${id}/${verb}`
  return (
    <form method="post" action={path} hx-post={path} hx-target="#notice">
      <button type="submit">
        <span safe>{label}</span>
        <span class="hw-visually-hidden" safe>{` ${name}`}</span>
      </button>
    </form>
  )
}

/** A line of a job's log. Its number is its key, so it is there once, however often it is sent. */
export function LogLine({ level, text, at }: Line) {
  return (
    <li class={`line ${level}`}>
      <time>{time(at)}</time> <span safe>{text}</span>
    </li>
  )
}
