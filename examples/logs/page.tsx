/** @jsxImportSource @kitajs/html */
import { type Hub, text } from 'headwater'
import {
  Connected,
  ConnectionStatus,
  HeadwaterHead,
  LiveLog,
  StatusBadge,
  type Tone,
  TopicElement,
} from 'headwater/components'
import { type Board, closedTopic, type Log, type State, stateTopic } from './board'

const tones: Record<State, Tone> = {
  following: 'info',
  gone: 'warning',
  refused: 'danger',
  running: 'info',
  finished: 'success',
  failed: 'danger',
  stopped: 'warning',
}

/** What {@link Page} is told. */
export interface PageProps {
  hub: Hub
  board: Board
  /** Paths that can be chosen. */
  files: readonly string[]
  /** Why something was refused, for who comes without script. */
  notice?: string | undefined
}

/** The page: what can be opened, and all that is open. */
export function Page({ hub, board, files, notice }: PageProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <HeadwaterHead hub={hub} logs title="Logs · Headwater" />
        <link rel="stylesheet" href="/style.css" />
        <link rel="icon" href="data:," />
        <script src="/logs.js" defer></script>
      </head>
      <body>
        <header>
          <h1 tabindex="-1">Logs</h1>
          <ConnectionStatus />
          <form
            method="post"
            action="/files"
            hx-post="/files"
            hx-target="#logs"
            hx-swap="afterbegin"
            class="open"
          >
            <label for="file">File</label>
            <input
              id="file"
              name="file"
              required
              list="files"
              autocomplete="off"
              spellcheck="false"
              placeholder={text(files[0] ?? '/var/log/…')}
            />
            <datalist id="files">
              {files.map((path) => (
                <option value={text(path)} />
              ))}
            </datalist>
            <button type="submit" class="primary">
              Follow
            </button>
          </form>
        </header>
        <form
          method="post"
          action="/programs"
          hx-post="/programs"
          hx-target="#logs"
          hx-swap="afterbegin"
          class="run"
          aria-label="Programs"
        >
          <span>Run</span>
          {board.commands.map(({ name, label }) => (
            <button type="submit" name="command" value={name} safe>
              {label}
            </button>
          ))}
        </form>
        <p id="notice" role="alert">
          {notice !== undefined && <Refused sentence={notice} />}
        </p>
        {/* What comes over this connection are patches: of a log that is closed its panel goes from all pages. */}
        <Connected as="main" to={hub.address([closedTopic])}>
          <div id="logs">
            {board.all.toReversed().map((log) => (
              <Panel log={log} />
            ))}
          </div>
          <p class="none">Nothing is open. Choose a file to follow, or run something.</p>
        </Connected>
      </body>
    </html>
  )
}

/** The id of a log's element. */
export function panelOf({ id }: Pick<Log, 'id'>): string {
  return `panel-${id}`
}

/** One log with its state, and what can be done with it. */
export function Panel({ log }: { log: Log }) {
  const { id, name, isProgram, lines } = log
  const base = `/logs/${id}`
  return (
    <article id={panelOf(log)} class="panel">
      <header>
        <h2 safe title={text(name)} tabindex="-1">
          {name}
        </h2>
        <TopicElement hub={lines.hub} topic={stateTopic(log)} content={<StateOf log={log} />} />
        {isProgram && (
          <form
            method="post"
            action={`${base}/stop`}
            hx-post={`${base}/stop`}
            hx-target="#notice"
            class="stop"
          >
            <button type="submit" aria-label={text(`Stop ${name}`)}>
              Stop
            </button>
          </form>
        )}
        <form
          method="post"
          action={`${base}/close`}
          hx-post={`${base}/close`}
          hx-target={`#${panelOf(log)}`}
          hx-swap="outerHTML"
        >
          <button type="submit" aria-label={text(`Close ${name}`)}>
            Close
          </button>
        </form>
      </header>
      <LiveLog
        log={lines}
        label={`Lines of ${name}`}
        download={`${base}/file`}
        earlier={`${base}/earlier`}
        empty={isProgram ? 'It has printed nothing yet.' : 'There is nothing in it yet.'}
      />
    </article>
  )
}

/** The state as it stands, and as it changes. */
export function StateOf({ log: { state } }: { log: Log }) {
  return (
    <StatusBadge state={state} tone={tones[state]} class={state === 'running' ? 'running' : ''} />
  )
}

/** Why something was not done. */
export function Refused({ sentence }: { sentence: string }) {
  return <strong safe>{sentence}</strong>
}
