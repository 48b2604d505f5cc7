/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import { type Hub, text } from 'headwater'
import {
  type Column,
  ConnectionStatus,
  HeadwaterHead,
  LogView,
  MultiStreamTable,
  StreamElement,
} from 'headwater/components'
import { Summary } from './cells'
import type { Job } from './job'
import type { Jobs, Logs } from './streams'

/** The columns of the table, and so of a row that is added to it. */
export function columnsOf(jobs: Jobs): Column<Job, Jobs>[] {
  return [
    { header: 'Job', render: Name, as: 'th', class: 'name' },
    { header: 'State', stream: 'state', class: 'state' },
    { header: 'Progress', stream: 'progress', class: 'progress' },
    { header: 'Files', stream: 'files', class: 'figure' },
    { header: 'Speed', render: (job) => <Speed job={job} jobs={jobs} />, class: 'figure' },
    { header: 'Time', stream: 'left', class: 'figure' },
    { header: 'Current file', stream: 'current', class: 'current' },
    { header: 'Actions', stream: 'actions', class: 'doing' },
  ]
}

/** What {@link Page} is told. */
export interface PageProps {
  hub: Hub
  jobs: Jobs
  all: Job[]
  /** Why something was refused, for who comes without script. */
  notice?: string | undefined
  /** The log that is open. */
  children?: Children
}

/** The page: all jobs in one table over one connection, and the log of one of them. */
export function Page({ hub, jobs, all, notice, children }: PageProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <HeadwaterHead hub={hub} title="Jobs · Headwater" />
        <link rel="stylesheet" href="/style.css" />
        <link rel="icon" href="data:," />
      </head>
      <body>
        <header>
          <h1>Jobs</h1>
          <ConnectionStatus />
          <form method="post" action="/start" hx-post="/start" hx-target="#notice">
            <button type="submit" class="primary">
              Start all
            </button>
          </form>
          <form method="post" action="/jobs" hx-post="/jobs" hx-target="#notice" class="add">
            <label for="folder">Folder</label>
            <input
              id="folder"
              name="folder"
              required
              autocomplete="off"
              spellcheck="false"
              placeholder="/usr/share/doc"
            />
            <button type="submit">Add</button>
          </form>
          <UploadForm />
        </header>
        <section class="news" aria-label="News">
          <p id="summary">
            <Summary jobs={all} />
          </p>
          <p id="notice" role="status">
            {notice !== undefined && <Refused sentence={notice} />}
          </p>
        </section>
        <main>
          <MultiStreamTable
            id="jobs"
            manager={jobs}
            entities={all}
            columns={columnsOf(jobs)}
            caption="Each job works through the files of one folder or upload: SHA-256, gzip size and lines of each."
            empty="No jobs yet. Add a folder or upload files above."
          />
          <div id="log">{children}</div>
        </main>
      </body>
    </html>
  )
}

/**
 * Files to upload. Once they are on their way another form takes its place, so that more can be sent meanwhile; the answer
 * still goes to the notice.
 */
export function UploadForm() {
  return (
    <form
      method="post"
      action="/uploads"
      enctype="multipart/form-data"
      hx-post="/uploads"
      hx-encoding="multipart/form-data"
      hx-target="#notice"
      class="add"
    >
      <label for="files">Files</label>
      <input id="files" name="files" type="file" multiple required />
      <button type="submit" id="upload">
        Upload
      </button>
      <span
        hidden
        hx-get="/uploads"
        hx-trigger="submit from:closest form"
        hx-target="closest form"
        hx-swap="outerHTML"
      ></span>
    </form>
  )
}

/** Why something was refused. */
export function Refused({ sentence }: { sentence: string }) {
  return <strong safe>{sentence}</strong>
}

/** The log of one job, docked at the bottom of the window; it has a connection of its own while it is open. */
export function LogPane({ job, logs }: { job: Job; logs: Logs }) {
  return (
    <section class="pane" aria-labelledby="log-title">
      <header>
        <h2 id="log-title" title={text(job.folder)}>
          Log of <span safe>{job.name}</span>
        </h2>
        <a href={`/jobs/${job.id}.json`}>Result as JSON</a>
        <a class="close" href="/" hx-get="/log" hx-target="#log" hx-replace-url="/">
          Close<span class="hw-visually-hidden"> the log</span>
        </a>
      </header>
      <LogView
        manager={logs}
        entity={job}
        stream="lines"
        label={`Lines of ${job.name}`}
        empty="No lines yet: the job has not been started."
      />
    </section>
  )
}

/** The speed now, and as it was: two streams in one cell, for the chart changes more seldom. */
function Speed({ job, jobs }: { job: Job; jobs: Jobs }) {
  return (
    <>
      <StreamElement
        id={`${job.id}-speed`}
        manager={jobs}
        entity={job}
        stream="speed"
        connect={false}
      />
      <StreamElement
        id={`${job.id}-rates`}
        class="rates"
        manager={jobs}
        entity={job}
        stream="rates"
        connect={false}
      />
    </>
  )
}

function Name({ name, folder }: Job) {
  return (
    <span title={text(folder)} safe>
      {name}
    </span>
  )
}
