/**
 * Where a request comes from: its network address, and whether a page of this site has sent it.
 *
 * Anybody can send the headers by which proxies tell, so they count only when the app says how many
 * proxies stand in front.
 */
import { isIP } from 'node:net'
import type { Server } from 'bun'

/**
 * The address of who asks: of the socket, or with proxies in front the one that the outermost of them saw,
 * the N-th from the right in `X-Forwarded-For`. Where that is missing or no address, the socket's.
 */
export function addressOf(
  request: Request,
  server: Pick<Server<unknown>, 'requestIP'> | undefined,
  proxies: number,
): string | undefined {
  const told = proxies > 0 ? request.headers.get('x-forwarded-for') : null
  const claimed = told?.split(',').at(-proxies)
  const direct = server?.requestIP(request)?.address
  const address = claimed === undefined ? undefined : canonical(claimed)
  if (address !== undefined) return address
  // Of a socket's only those of IPv6 have more than one spelling.
  return direct?.includes(':') ? (canonical(direct) ?? direct) : direct
}

/**
 * Whom caps count as one: of IPv6 the first 64 bits of an address, for the rest of it a host chooses as it likes.
 *
 * @param address as {@link addressOf} gives it
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [left = [], right] = address.split('::').map((half) => half.split(':').filter(Boolean))
  const zeros = right ? Array(8 - left.length - right.length).fill('0') : []
  return `${[...left, ...zeros, ...(right ?? [])].slice(0, 4).join(':')}::/64`
}

/**
 * Whether a page of another site has sent the request.
 *
 * Browsers say so by `Sec-Fetch-Site` where the page came over TLS or from localhost. Without it only the
 * `Origin` tells; they send it with what goes to another site, and with a POST.
 *
 * @param origins others that are granted, such as `https://app.example`
 */
export function isForeign(
  { headers }: Request,
  { proxies, origins }: { proxies: number; origins: readonly string[] },
): boolean {
  const [site, origin] = [headers.get('sec-fetch-site'), headers.get('origin')]
  if (site === 'same-origin' || site === 'none') return false
  if (origin !== null && origins.includes(origin)) return false
  if (site === 'cross-site') return true
  return origin !== null && hostOf(origin) !== ownHost(headers, origin, proxies)
}

/** @throws TypeError for what is no number of proxies. */
export function checkProxies(proxies: number): number {
  if (Number.isInteger(proxies) && proxies >= 0) return proxies
  throw new TypeError(`Expected a number of proxies from 0 on, got ${proxies}`)
}

/**
 * Who asks, by the app's word.
 *
 * @throws TypeError for what is neither text nor nothing; not in its words, for they may be a secret.
 */
export function checkViewer(viewer: unknown): string | undefined {
  if (viewer === undefined || viewer === null) return undefined
  if (typeof viewer === 'string') return viewer
  throw new TypeError(`Expected a viewer as text, or none, got a value of type ${typeof viewer}`)
}

/** @throws TypeError for what is no origin. */
export function checkOrigins(origins: readonly string[]): readonly string[] {
  const bad = origins.find((one) => URL.parse(one)?.origin !== one)
  if (bad === undefined) return origins
  throw new TypeError(`Expected origins such as https://app.example, got ${JSON.stringify(bad)}`)
}

/**
 * The URL of a request. A client that names no host, or one that is none, makes Bun give the path alone, or what no
 * URL can be made of.
 */
export function urlOf({ url }: Pick<Request, 'url'>): URL {
  return URL.parse(url) ?? URL.parse(url.replace(/^\w+:\/\/[^/]*/, ''), nowhere) ?? new URL(nowhere)
}

const nowhere = 'http://localhost'

/** By the scheme of the origin, so that `example.com:443` is the host of `https://example.com`. */
function ownHost(headers: Headers, origin: string, proxies: number): string | undefined {
  const told = proxies > 0 ? headers.get('x-forwarded-host')?.split(',').at(-proxies) : undefined
  const host = (told ?? headers.get('host') ?? '').trim()
  return hostOf(`${origin.split('//', 1)[0]}//${host}`) ?? ''
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host || undefined
}

/** One spelling of an address, without port, brackets, quotes and zone; nothing for what is none. */
function canonical(text = ''): string | undefined {
  const bare = text.trim().replace(/^"|"$/g, '')
  const inner = /^\[([^\]]*)\](?::\d*)?$/.exec(bare)?.[1] ?? /^([^:]*):\d*$/.exec(bare)?.[1] ?? bare
  const address = inner.replace(/%.*$/s, '').replace(/^::ffff:(?=[\d.]+$)/i, '')
  const version = isIP(address)
  if (version !== 6) return version === 4 ? address : undefined
  const short = URL.parse(`http://[${address}]`)?.hostname.slice(1, -1)
  return short && (mapped(short) ?? short)
}

/** The address of IPv4 in one of IPv6. */
function mapped(address: string): string | undefined {
  const [, high, low] = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(address) ?? []
  if (high === undefined || low === undefined) return undefined
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return [a >> 8, a & 255, b >> 8, b & 255].join('.')
}
