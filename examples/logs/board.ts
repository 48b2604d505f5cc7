/** The logs that are open: files that are followed, and programs that run. */
import { open as openFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { type Hub, type LogLines, logLines, topic } from 'headwater'
import type { Command } from './commands'
import type { Folders } from './folders'
import { Refusal } from './refusal'
import { Tail } from './tail'

/** What a log is doing; the last four are of programs. */
export type State = 'following' | 'gone' | 'refused' | 'running' | 'finished' | 'failed' | 'stopped'

/** A log that is open. */
export interface Log {
  id: string
  /** The path of a file, or the words of a command. */
  name: string
  state: State
  /** The file itself, or where the output of a program is kept. */
  path: string
  isProgram: boolean
  lines: LogLines
  tail: Tail
  program?: Bun.Subprocess
}

/** Logs that may be open at the same time. */
const most = 12
/** A program that was asked to end and does not is ended after so many milliseconds. */
const patience = 2_000

/** What a board is made of. */
export interface BoardOptions {
  hub: Hub
  folders: Folders
  commands: readonly Command[]
  /** A folder for the output of programs. */
  kept: string
  /** Is told when the state of a log changes. */
  onState: (log: Log) => void
}

/** The topic of a log's state. */
export function stateTopic({ id }: Log) {
  return topic('log', id, 'state')
}

/** Opens, stops and closes logs. */
export class Board {
  readonly commands: readonly Command[]
  #options: BoardOptions
  #logs = new Map<string, Log>()
  #opened = 0

  constructor(options: BoardOptions) {
    this.#options = options
    this.commands = options.commands
  }

  /** Those that are open, oldest first. */
  get all(): Log[] {
    return [...this.#logs.values()]
  }

  /** @throws Refusal for one that is not open. */
  find(id: string): Log {
    const found = this.#logs.get(id)
    if (!found) throw new Refusal(404, 'That log is not open any more.')
    return found
  }

  /** Follows a file. @throws Refusal where it may not be read. */
  async file(asked: string): Promise<Log> {
    this.#mayOpen()
    const { folders } = this.#options
    await (await folders.open(asked)).handle.close()
    // By the name that was asked for: a link may come to lead to another file.
    const path = resolve(asked)
    return this.#begin({ name: path, path, state: 'following', isProgram: false }, async () => {
      return (await folders.open(path)).handle
    })
  }

  /** Runs a program, and follows what it prints. @throws Refusal for one that is not on the list. */
  async run(name: string): Promise<Log> {
    this.#mayOpen()
    const command = this.commands.find((one) => one.name === name)
    if (!command) throw new Refusal(404, 'That command is not on the list.')
    const path = join(this.#options.kept, `${this.#opened + 1}.log`)
    const output = await openFile(path, 'a', 0o600)
    try {
      const words = command.argv.map((word) => basename(word, '.exe')).join(' ')
      const log = await this.#begin({ name: words, path, state: 'running', isProgram: true }, () =>
        openFile(path),
      )
      this.#start(log, command, output.fd)
      return log
    } finally {
      await output.close()
    }
  }

  /** Ends a program; without waiting for it. */
  stop(id: string): Log {
    const log = this.find(id)
    const { program } = log
    if (log.state !== 'running' || !program) throw new Refusal(409, `${log.name} does not run.`)
    log.state = 'stopped'
    program.kill('SIGTERM')
    const timer = setTimeout(() => program.kill('SIGKILL'), patience)
    void program.exited.finally(() => clearTimeout(timer))
    return log
  }

  /** Closes a log; its program is ended. */
  async close(id: string): Promise<void> {
    const log = this.find(id)
    this.#logs.delete(id)
    log.program?.kill('SIGKILL')
    await log.program?.exited
    await log.tail.close()
    await log.lines.end()
  }

  /** Closes all. */
  async closeAll(): Promise<void> {
    await Promise.all(this.all.map(({ id }) => this.close(id)))
  }

  #mayOpen(): void {
    if (this.#logs.size < most) return
    throw new Refusal(429, `${most} logs are open. Close one first.`)
  }

  async #begin(
    of: Pick<Log, 'name' | 'path' | 'state' | 'isProgram'>,
    open: () => ReturnType<typeof openFile>,
  ): Promise<Log> {
    const id = `${++this.#opened}`
    const lines = logLines(this.#options.hub, topic('log', id), { id: `log-${id}` })
    const tail = await Tail.start({
      path: of.path,
      open,
      onLines: (all) => lines.push(all),
      onChange: (following) => this.#say(log, following),
    })
    const log: Log = { id, ...of, lines, tail }
    this.#logs.set(id, log)
    return log
  }

  #start(log: Log, { argv }: Command, output: number): void {
    const env = { ...process.env, FORCE_COLOR: '1' }
    const program = Bun.spawn([...argv], { env, stdio: ['ignore', output, output] })
    log.program = program
    void program.exited.then(async (code) => {
      if (!this.#logs.has(log.id)) return
      await log.tail.finish()
      this.#say(log, log.state === 'stopped' ? 'stopped' : code === 0 ? 'finished' : 'failed')
    })
  }

  #say(log: Log, state: State): void {
    // What a program prints to is no concern of its reader.
    if (log.isProgram && (state === 'following' || state === 'gone' || state === 'refused')) return
    log.state = state
    this.#options.onState(log)
  }
}
