/**
 * A program with a hub whose viewers say their name in the header `x-user`, behind plain `Bun.serve` or Elysia. It
 * does what {@link Order} says, and says what became of it.
 */
import { dlopen, ptr } from 'bun:ffi'
import type { Server } from 'bun'
import { Elysia } from 'elysia'
import type { Limits, RevokeOptions } from 'headwater'
import { headwater } from 'headwater/elysia'
import { given, Program, say } from './program'
import { declare, serve, site } from './serve'

/** What it is started with. */
export interface StrictOptions {
  database: string
  /** @default 'bun' */
  on?: 'bun' | 'elysia'
  limits?: Partial<Limits>
  /** How long its files may become, in bytes: as on a disk that is full. On Linux only. @default any length */
  fileLimit?: number
}

/** Starts one; resolves when it serves. `ask` resolves with its next answer. */
export async function startStrict(options: StrictOptions) {
  const program = new Program<Said>(import.meta.path, options)
  const { port } = await program.hears((said): said is { port: number } => 'port' in said)
  const ask = async (order: Order, within?: number) => {
    const before = program.said.length
    program.tell(order)
    await program.until(({ said }) => said.length > before, within)
    return program.said.at(-1) as Said
  }
  return { program, url: `http://127.0.0.1:${port}`, ask }
}

/** What it is told. */
export type Order =
  | { revoke: RevokeOptions }
  | { grant: RevokeOptions }
  | { publish: [topic: string, html: string] }
  | { memory: true }
  | { errors: true }

/** What it says. */
export type Said =
  | { port: number }
  | { done: string | null }
  | { failed: string; name: string }
  | { rss: number }
  | { errors: string[] }

/** An app with a hook for all routes that wants their bodies. */
function parsing(hub: ReturnType<typeof serve>['hub']): Server<undefined> {
  const app = new Elysia()
    .onBeforeHandle({ as: 'global' }, ({ body }) => {
      if (body === 'never') throw new Error('It was parsed')
    })
    .use(headwater(hub))
    .listen({ hostname: '127.0.0.1', port: 0 })
  return app.server as Server<undefined>
}

/** A write beyond the limit is an error then, not the end of the process. */
function limitFiles(length: number): void {
  process.on('SIGXFSZ', () => {})
  const { symbols } = dlopen('libc.so.6', { setrlimit: { args: ['i32', 'ptr'], returns: 'i32' } })
  const [files, limit] = [1, BigInt(length)]
  if (symbols.setrlimit(files, ptr(new BigUint64Array([limit, limit]))) !== 0) {
    throw new Error('The length of files could not be limited')
  }
}

if (import.meta.main) {
  const { database, on = 'bun', limits = {}, fileLimit } = given<StrictOptions>()
  if (fileLimit !== undefined) limitFiles(fileLimit)
  const options = {
    database,
    limits,
    viewer: (request: Request) => request.headers.get('x-user'),
  }
  const { hub, server, errors } = on === 'bun' ? serve(options) : site(options, parsing)
  declare(hub)
  const tell = async (order: Order) => {
    if ('memory' in order) return say({ rss: process.memoryUsage.rss() })
    if ('errors' in order) return say({ errors: errors.map(String) })
    try {
      if ('revoke' in order) await hub.revoke(order.revoke)
      else if ('grant' in order) await hub.grant(order.grant)
      else await hub.publish(...order.publish)
      say({ done: null })
    } catch (error) {
      const { name, message } = error as Error
      say({ failed: message, name })
    }
  }
  process.on('message', tell)
  say({ port: server.port as number })
}
