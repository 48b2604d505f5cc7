/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import type { Hub } from 'headwater'
import { type Column, HeadwaterHead, LogView, MultiStreamTable } from 'headwater/components'
import type { Job } from './job'
import type { Jobs, Logs } from './streams'

/** The columns of the table, and so of a row that is added to it. */
export const columns: Column<Job, Jobs>[] = [
  { header: 'Folder', render: Name, as: 'th' },
  { header: 'State', stream: 'state' },
  { header: 'Progress', stream: 'progress' },
  { header: 'Files', stream: 'files', class: 'figure' },
  { header: 'Speed', stream: 'speed', class: 'figure' },
  { header: 'Time left', stream: 'left', class: 'figure' },
  { header: 'Current file', stream: 'current', class: 'path' },
  { header: 'Actions', stream: 'actions' },
]

/** The page: all jobs in one table over one connection, and the log of one of them. */
export function Page({ hub, jobs, all }: { hub: Hub; jobs: Jobs; all: Job[] }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Jobs · Headwater</title>
        <HeadwaterHead hub={hub} />
        <link rel="stylesheet" href="/style.css" />
        <link rel="icon" href="data:," />
      </head>
      <body>
        <header>
          <h1>Jobs</h1>
          <form method="post" action="/start" hx-post="/start" hx-target="#notice">
            <button type="submit" class="primary">
              Start all
            </button>
          </form>
          <form
            method="post"
            action="/jobs"
            hx-post="/jobs"
            hx-target="#notice"
            class="add"
          >
            <label for="folder">Folder</label>
            <input id="folder" name="folder" required autocomplete="off" placeholder="/usr/share/doc" />
            <button type="submit">Add</button>
          </form>
        </header>
        <p id="notice" role="status" aria-live="polite" />
        <main>
          <MultiStreamTable
            id="jobs"
            manager={jobs}
            entities={all}
            columns={columns}
            caption="Each job works through the files of one folder: SHA-256, gzip size and lines of each."
            empty="No jobs yet. Add a folder above."
          />
          <div id="log" />
        </main>
      </body>
    </html>
  )
}

/** The log of one job, put under the table; it has a connection of its own while it is open. */
export function LogPane({ job, logs, lines }: { job: Job; logs: Logs; lines: Children }) {
  return (
    <section class="pane" aria-label={`Log of ${job.name}`.replaceAll('"', '”')}>
      <h2>
        <span safe>{job.name}</span> <a href={`/jobs/${job.id}.json`}>Result as JSON</a>
      </h2>
      <LogView
        manager={logs}
        entity={job.id}
        stream="lines"
        label={`Lines of ${job.name}`}
        lines={lines}
      />
    </section>
  )
}

function Name({ id, name, folder }: Job) {
  return (
    <>
      <span class="name" title={folder.replaceAll('"', '”')} safe>
        {name}
      </span>
      <button type="button" hx-get={`/jobs/${id}/log`} hx-target="#log">
        Log<span class="hw-visually-hidden" safe>{` of ${name}`}</span>
      </button>
    </>
  )
}
