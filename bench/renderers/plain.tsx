/** @jsxImportSource @kitajs/html */
/** The same table by hand, in plain JSX. */
import type { Job } from './jobs'

const tones = { running: 'info', done: 'success', failed: 'danger' }

/** The table of these jobs. */
export function table(jobs: Job[]) {
  return (
    <div hx-ext="sse" sse-connect="/stream/job?all=" sse-close="done">
      {/* biome-ignore lint/a11y/useSemanticElements: it is to be what the kit makes */}
      <div class="hw-table" role="region" aria-labelledby="hw-job-caption" tabindex="0">
        <table id="hw-job">
          <caption id="hw-job-caption">Jobs</caption>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">State</th>
              <th scope="col">Progress</th>
            </tr>
          </thead>
          <tbody id="hw-job-rows">
            {jobs.map((job) => (
              <Row job={job} />
            ))}
          </tbody>
        </table>
      </div>
      <template sse-swap="message" hx-swap="none" hx-target="this" />
    </div>
  )
}

function Row({ job: { id, name, state, done } }: { job: Job }) {
  const of = `job:${segment(id)}`
  return (
    <tr id={value(`job-${id}`)}>
      <th scope="row">
        <b safe>{name}</b>
      </th>
      <td
        id={value(`${id}-state`)}
        sse-swap={value(`${of}:state`)}
        hx-swap="innerHTML"
        hx-target="this"
      >
        <span class={`hw-badge hw-${tones[state]}`}>
          <span safe>{state}</span>
        </span>
      </td>
      <td
        id={value(`${id}-progress`)}
        sse-swap={value(`${of}:progress`)}
        hx-swap="innerHTML"
        hx-target="this"
      >
        <span class="hw-progress">
          <progress aria-label={value(`Progress of ${name}`)} max="100" value={done} />
          <span class="hw-progress-text" aria-hidden="true" safe>
            {`${done}%`}
          </span>
        </span>
      </td>
    </tr>
  )
}

/** Of an attribute: JSX itself escapes only `"` there. */
const value = Bun.escapeHTML

/** An id as a segment of a topic, where `:` and `*` have a meaning. */
function segment(id: string): string {
  return encodeURIComponent(id.toWellFormed()).replaceAll('*', '%2A')
}
