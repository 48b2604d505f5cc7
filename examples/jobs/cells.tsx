/** @jsxImportSource @kitajs/html */
import { text } from 'headwater'
import { ProgressBar, Sparkline, StatusBadge, type Tone } from 'headwater/components'
import { count, duration, elapsed, rate, shortened, size, time } from './format'
import { hasEnded, isStartable, type Job, type Line } from './job'
import { type JobState, jobStates } from './schema'

/** What each column shows of a job: the page, every change, and the replay come from here. */

export function State({ state }: Job) {
  return <StatusBadge state={state} tone={toneOf(state)} />
}

/** An upload is work; all other states are words that the badge knows. */
function toneOf(state: JobState): Tone | undefined {
  return state === 'uploading' ? 'info' : undefined
}

export function Progress(job: Job) {
  // An upload that broke off has no files that could be counted.
  const isUpload = job.kind === 'upload' && job.receivedAt === null
  return isUpload ? <Incoming {...job} /> : <Work {...job} />
}

/** Bytes that were received. How many there will be, the browser mostly says. */
function Incoming({ name, state, bytesDone, bytesTotal }: Job) {
  const isKnown = bytesTotal > bytesDone
  const unknown = hasEnded(state) ? 0 : undefined
  return (
    <ProgressBar
      label={`Upload of ${name}`}
      value={isKnown ? bytesDone : unknown}
      max={isKnown ? bytesTotal : 1}
      text={isKnown ? `${size(bytesDone)} of ${size(bytesTotal)}` : size(bytesDone)}
    />
  )
}

function Work({ name, state, bytesDone, bytesTotal, filesTotal }: Job) {
  const isListed = filesTotal > 0 || state === 'done'
  const isWhole = state === 'done' && bytesDone === bytesTotal
  const done = isWhole ? size(bytesTotal) : `${size(bytesDone)} of ${size(bytesTotal)}`
  return (
    <ProgressBar
      label={`Progress of ${name}`}
      value={isListed || state !== 'running' ? bytesDone : undefined}
      max={isListed ? bytesTotal : 1}
      text={isListed ? done : '–'}
    />
  )
}

/** Nothing is known of a folder until a worker has listed it. */
export function Files({ state, filesDone, filesTotal, failedFiles }: Job) {
  const isListed = filesTotal > 0 || state === 'done'
  const figures: string = isListed ? `${count(filesDone)} / ${count(filesTotal)}` : '–'
  return (
    <>
      <span safe>{figures}</span>
      {failedFiles > 0 && <span class="fault" safe>{`${count(failedFiles)} failed`}</span>}
    </>
  )
}

export function Speed({ throughput }: Job) {
  return throughput > 0 ? rate(throughput) : '–'
}

/** The speed from its beginning to now, or to its end. */
export function Rates({ name, rates }: Job) {
  const last = rates.at(-1)
  return (
    <Sparkline
      label={`Speed of ${name}`}
      // One point is no line.
      values={rates.length > 1 ? rates : []}
      width={84}
      height={18}
      text={last === undefined ? 'none yet' : `${rate(last)}, at most ${rate(Math.max(...rates))}`}
    />
  )
}

/** The time left while it runs, then the time it took. */
export function Left({ msLeft, state, activeMs }: Job) {
  if (msLeft !== null) return `${duration(msLeft)} left`
  return state === 'done' ? elapsed(activeMs) : '–'
}

/** The file in work; what went wrong stands here too, for then there mostly is none. */
export function Current({ currentFile, error }: Job) {
  return (
    <>
      {(currentFile !== null || error === null) && (
        <span class="file" safe>
          {currentFile ?? '–'}
        </span>
      )}
      {error !== null && (
        <span class="fault" title={text(error)} safe>
          {shortened(error)}
        </span>
      )}
    </>
  )
}

/** Works without script too: each button is a form, and the log a page. The ids keep the focus where it is. */
export function Actions(job: Job) {
  const { id, name, state } = job
  const log = `/jobs/${id}/log`
  return (
    <div class="actions">
      {isStartable(job) && (
        <Action id={id} name={name} verb="start" label={state === 'queued' ? 'Start' : 'Again'} />
      )}
      {(state === 'running' || state === 'waiting') && (
        <Action id={id} name={name} verb="pause" label="Pause" />
      )}
      {state === 'paused' && <Action id={id} name={name} verb="resume" label="Resume" />}
      {!hasEnded(state) && <Action id={id} name={name} verb="cancel" label="Cancel" />}
      <a id={`${id}-log`} href={log} hx-get={log} hx-target="#log" hx-replace-url="true">
        Log
        <Of name={name} />
      </a>
    </div>
  )
}

function Action({ id, name, verb, label }: Record<'id' | 'name' | 'verb' | 'label', string>) {
  const path = `/jobs/${id}/${verb}`
  return (
    <form method="post" action={path} hx-post={path} hx-target="#notice">
      <button type="submit" id={`${id}-${verb === 'cancel' ? 'cancel' : 'go'}`}>
        <span safe>{label}</span>
        <Of name={name} />
      </button>
    </form>
  )
}

/** Which job, for who hears the page. */
function Of({ name }: { name: string }) {
  return <span class="hw-visually-hidden" safe>{` ${name}`}</span>
}

/** How many jobs are in which state. */
export function Summary({ jobs }: { jobs: readonly Job[] }) {
  const counts = jobStates
    .map((state) => ({ state, number: jobs.filter((job) => job.state === state).length }))
    .filter(({ number }) => number > 0)
  return (
    <>
      <span safe>{`${count(jobs.length)} ${jobs.length === 1 ? 'job' : 'jobs'}`}</span>
      {counts.map(({ state, number }) => (
        <StatusBadge state={state} tone={toneOf(state)}>
          <span safe>{`${count(number)} ${state}`}</span>
        </StatusBadge>
      ))}
    </>
  )
}

/** A line of a job's log. Its number is its key, so it is there once, however often it is sent. */
export function LogLine({ n, level, text: words, at }: Line) {
  return (
    <li class={`line ${level}`} value={n}>
      <time safe>{time(at)}</time> <span safe>{words}</span>
    </li>
  )
}
