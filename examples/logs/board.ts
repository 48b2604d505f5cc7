/** The logs that are open: files that are followed, and programs that run. */
import { open as openFile, rm } from 'node:fs/promises'
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
  /** Is told when somebody has closed a log, before its lines end. */
  onClose: (log: Log) => Promise<void>
}

/** The topic of what is closed: patches. */
export const closedTopic = 'closed'

/** The topic of a log's state. */
export function stateTopic({ id }: Log) {
  return topic('log', id, 'state')
}

/** Opens, stops and closes logs. */
export class Board {
  readonly commands: readonly Command[]
  #options: BoardOptions
  #logs = new Map<string, Log>()
  /** How many are being opened. */
  #opening = 0

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
  file(asked: string): Promise<Log> {
    return this.#open(async () => {
      const { folders } = this.#options
      await (await folders.open(asked)).handle.close()
      // By the name that was asked for: a link may come to lead to another file.
      const path = resolve(asked)
      const of = { id: newId(), name: path, path, state: 'following' } as const
      return this.#begin({ ...of, isProgram: false }, async () => {
        return (await folders.open(path)).handle
      })
    })
  }

  /** Runs a program, and follows what it prints. @throws Refusal for one that is not on the list. */
  run(name: string): Promise<Log> {
    return this.#open(async () => {
      const command = this.commands.find((one) => one.name === name)
      if (!command) throw new Refusal(404, 'That command is not on the list.')
      const id = newId()
      const path = join(this.#options.kept, `${id}.log`)
      // Never one that is there: two programs would print into it.
      const output = await openFile(path, 'ax', 0o600)
      try {
        const words = command.argv.map((word) => basename(word, '.exe')).join(' ')
        const of = { id, name: words, path, state: 'running', isProgram: true } as const
        const log = await this.#begin(of, () => openFile(path))
        try {
          this.#start(log, command, output.fd)
        } catch (error) {
          await this.#end(log)
          throw new Refusal(503, `${words} can not be started (${codeOf(error)}).`)
        }
        return log
      } catch (error) {
        await rm(path, { force: true })
        throw error
      } finally {
        await output.close()
      }
    })
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

  /** Closes a log, if it is open still; its program is ended, and what it has printed goes. */
  async close(id: string): Promise<void> {
    const log = this.#logs.get(id)
    if (!log) return
    this.#logs.delete(id)
    await this.#options.onClose(log)
    await this.#end(log)
  }

  /** Ends all; pages go on showing what they have. */
  async end(): Promise<void> {
    const { all } = this
    this.#logs.clear()
    await Promise.all(all.map((log) => this.#end(log)))
  }

  async #end(log: Log): Promise<void> {
    log.program?.kill('SIGKILL')
    await log.program?.exited
    await log.tail.close()
    if (log.isProgram) await rm(log.path, { force: true })
    await log.lines.end()
  }

  /** Opens one if it may be; those that are being opened count. */
  async #open(open: () => Promise<Log>): Promise<Log> {
    if (this.#logs.size + this.#opening >= most) {
      throw new Refusal(429, `${most} logs are open. Close one first.`)
    }
    this.#opening++
    try {
      const log = await open()
      this.#logs.set(log.id, log)
      return log
    } finally {
      this.#opening--
    }
  }

  async #begin(
    of: Pick<Log, 'id' | 'name' | 'path' | 'state' | 'isProgram'>,
    open: () => ReturnType<typeof openFile>,
  ): Promise<Log> {
    const { id } = of
    const lines = logLines(this.#options.hub, topic('log', id), { id: `log-${id}` })
    const tail = await Tail.start({
      path: of.path,
      open,
      onLines: (all) => lines.push(all),
      onChange: (following) => this.#say(log, following),
    })
    const log: Log = { ...of, lines, tail }
    return log
  }

  #start(log: Log, { argv }: Command, output: number): void {
    const env = { ...process.env, FORCE_COLOR: '1' }
    const program = Bun.spawn([...argv], { env, stdio: ['ignore', output, output] })
    log.program = program
    void program.exited.then(async (code) => {
      await log.tail.finish()
      if (log.tail.isClosed) return
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

/** Ten characters of `a-z0-9`, which are not given again: a page of before a restart must not mean another log. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10))
  return Array.from(bytes, (byte) => (byte % 36).toString(36)).join('')
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
