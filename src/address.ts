/**
 * Addresses: stream URLs that only this app can have made.
 *
 * The signature (HMAC-SHA-256) covers the path, what is asked for, the expiry and the viewer, so an address
 * opens exactly what it was made for. `since` is outside of it: it says what the page has already, which
 * is the reader's own affair.
 */
import { timingSafeEqual } from 'node:crypto'

const hour = 60 * 60 * 1_000

/** What of a URL's query an address vouches for. */
const scope = ['all', 'id', 'topic']

/** Why an address is not good. */
export type AddressFault = 'unsigned' | 'malformed' | 'expired' | 'forged'

/** Signs and verifies with a list of secrets: the first signs, all verify. */
export class Signer {
  #secrets: readonly string[]

  /** @throws TypeError when there is none, or one is empty. */
  constructor(secret: string | readonly string[]) {
    this.#secrets = typeof secret === 'string' ? [secret] : secret
    if (this.#secrets.length === 0 || this.#secrets.some((one) => one === '')) {
      throw new TypeError('Expected a secret, or a list of them, got none or an empty one')
    }
  }

  /**
   * Adds `exp` and `sig`.
   *
   * @param expires milliseconds since 1970
   * @param viewer who alone may use it; anybody when left out
   */
  sign(path: string, query: URLSearchParams, expires: number, viewer?: string): void {
    query.set('exp', String(expires))
    const [secret] = this.#secrets
    query.set('sig', digest(secret as string, claim(path, query, viewer)).toString('base64url'))
  }

  /** Names a viewer without saying who it is; alike wherever the first secret is. */
  tag(viewer: string): string {
    const [secret] = this.#secrets
    return digest(secret as string, JSON.stringify(['viewer', viewer])).toString('base64url', 0, 12)
  }

  /** Says why not, or nothing when the address is good for this viewer. */
  refuse(path: string, query: URLSearchParams, viewer?: string): AddressFault | undefined {
    const [exp, sig] = [query.get('exp'), query.get('sig')]
    if (exp === null && sig === null) return 'unsigned'
    if (!exp || !sig || !/^-?\d{1,16}$/.test(exp) || !/^[\w-]{43}$/.test(sig)) return 'malformed'
    const given = Buffer.from(sig, 'base64url')
    const viewers = viewer === undefined ? [undefined] : [viewer, undefined]
    const good = this.#secrets.some((secret) =>
      viewers.some((one) => timingSafeEqual(digest(secret, claim(path, query, one)), given)),
    )
    if (!good) return 'forged'
    return Number(exp) < Date.now() ? 'expired' : undefined
  }
}

/**
 * The point in time until which an address is good.
 *
 * @param expires milliseconds from now, or a point in time
 * @param usual milliseconds from now
 * @throws TypeError for what is neither.
 */
export function expiryOf(expires: number | Date | undefined, usual: number): number {
  // Rounded, so that a page that is rendered again has the same addresses.
  if (expires === undefined) return Math.ceil((Date.now() + usual) / hour) * hour
  const isDate = expires instanceof Date
  const given = isDate ? expires.getTime() : typeof expires === 'number' ? Math.ceil(expires) : NaN
  if (!Number.isSafeInteger(given)) {
    throw new TypeError(`Expected milliseconds or a Date, got ${String(expires)}`)
  }
  // No duration is that long; it is a point in time.
  return isDate || given > 1e12 ? given : Date.now() + given
}

function claim(path: string, query: URLSearchParams, viewer: string | undefined): string {
  const asked = scope.flatMap((name) => query.getAll(name).map((value) => [name, value]))
  return JSON.stringify([path, asked, query.get('exp'), viewer ?? null])
}

function digest(secret: string, text: string): Buffer {
  return new Bun.CryptoHasher('sha256', secret).update(text).digest() as Buffer
}
