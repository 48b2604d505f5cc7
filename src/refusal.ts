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

/** A line for the log, without what makes the address good. */
export function printRefusal({ status, message }: Refusal, request: Request): void {
  const { pathname, searchParams } = urlOf(request)
  for (const secret of ['sig', 'exp', 'since']) searchParams.delete(secret)
  const query = searchParams.size > 0 ? `?${searchParams}`.slice(0, 200) : ''
  console.warn(`headwater: ${status} ${request.method} ${pathname}${query}: ${message}`)
}
