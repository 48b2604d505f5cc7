import { urlOf } from './origin'

/** A request that is not served: thrown where it is noticed, answered at the door. */
export class Refusal extends Error {
  readonly status: number
  readonly headers: Record<string, string>

  /** @param reason one sentence that says what to do */
  constructor(status: number, reason: string, headers: Record<string, string> = {}) {
    super(reason)
    this.status = status
    this.headers = headers
  }

  /** The answer. Never kept by a cache. */
  respond(): Response {
    return new Response(`${this.message}\n`, {
      status: this.status,
      headers: {
        'content-type': 'text/plain; charset=utf-8',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        ...this.headers,
      },
    })
  }
}

/** A `Retry-After` of one to five seconds, drawn anew, so that many do not come back at once. */
export function comeBack(): Record<string, string> {
  return { 'retry-after': String(1 + Math.floor(Math.random() * 5)) }
}

/** How many lines a second are printed, and how long a part of one may be that a stranger has written. */
const most = 10
const longest = 200

/** Since the second began. */
let refused = 0

/**
 * Prints a line without what makes the address good: at most ten a second, and then one that says how many were left
 * out.
 */
export function printRefusal({ status, message }: Refusal, request: Request): void {
  if (refused === 0) setTimeout(printRest, 1_000).unref()
  refused++
  if (refused > most) return
  const { pathname, searchParams } = urlOf(request)
  for (const secret of ['sig', 'exp', 'since']) searchParams.delete(secret)
  const asked = searchParams.size > 0 ? `${pathname}?${searchParams}` : pathname
  const what = `${status} ${request.method} ${asked.slice(0, longest)}`
  console.warn(`headwater: ${what}: ${message.slice(0, longest)}`)
}

function printRest(): void {
  if (refused > most) console.warn(`headwater: ${refused - most} more requests were refused`)
  refused = 0
}
