/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import { type Hub, text } from 'headwater'
import {
  type Column,
  ConnectionStatus,
  HeadwaterHead,
  LogView,
  MultiStreamTable,
} from 'headwater/components'
import { Summary } from './cells'
import type { Job } from './job'
import type { Jobs, Logs } from './streams'

/** The columns of the table, and so of a row that is added to it. */
export const columns: Column<Job, Jobs>[] = [
  { header: 'Folder', render: Name, as: 'th', class: 'name' },
  { header: 'State', stream: 'state', class: 'state' },
  { header: 'Progress', stream: 'progress', class: 'progress' },
  { header: 'Files', stream: 'files', class: 'figure' },
  { header: 'Speed', stream: 'speed', class: 'figure' },
  { header: 'Time', stream: 'left', class: 'figure' },
  { header: 'Current file', stream: 'current', class: 'current' },
  { header: 'Actions', stream: 'actions', class: 'doing' },
]

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
        </header>
        <div class="news">
          <p id="summary">
            <Summary jobs={all} />
          </p>
          <p id="notice" role="status">
            {notice !== undefined && <Refused sentence={notice} />}
          </p>
        </div>
        <main>
          <MultiStreamTable
            id="jobs"
            manager={jobs}
            entities={all}
            columns={columns}
            caption="Each job works through the files of one folder: SHA-256, gzip size and lines of each."
            empty="No jobs yet. Add a folder above."
          />
          <div id="log">{children}</div>
        </main>
      </body>
    </html>
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

function Name({ name, folder }: Job) {
  return (
    <span title={text(folder)} safe>
      {name}
    </span>
  )
}
