/**
 * What a page asks for in the body of a POST: addresses to follow and to drop, of a new connection or of one that it has.
 */
import { Refusal } from './refusal'

/** An address that a page wants to follow. */
export interface Wanted {
  /** What the page calls it. */
  id: string
  address: string
  /** The event id up to which the page has everything of it; counts more than the address's own `since`. */
  cursor?: string | undefined
}

/** What a page asks for. */
export interface Order {
  /** Of a connection that it has. */
  connection?: string | undefined
  follow: Wanted[]
  drop: string[]
}

/** How large a body may be, in bytes: some thousand addresses. */
const largest = 1024 * 1024
/** How long one address may be: as much as a request line takes. */
const longest = 16 * 1024

/**
 * Reads and checks it.
 *
 * @throws Refusal 400, 413 or 415.
 */
export async function readOrder(request: Request): Promise<Order> {
  const type = request.headers.get('content-type') ?? ''
  // A form of another site can not send this type without being asked for leave.
  if (!/^application\/json *(?:;|$)/i.test(type)) {
    throw new Refusal(415, 'Send what is to be followed as application/json.')
  }
  return checked(await readJson(request))
}

async function readJson(request: Request): Promise<unknown> {
  const body = await readBody(request)
  try {
    return JSON.parse(body)
  } catch {
    throw malformed('the body is no JSON')
  }
}

/** Its length is not always told, and not to be believed. */
async function readBody(request: Request): Promise<string> {
  const tooLarge = new Refusal(413, `At most ${largest} bytes a request; follow fewer addresses.`)
  if (Number(request.headers.get('content-length')) > largest) throw tooLarge
  const decoder = new TextDecoder()
  let [body, size] = ['', 0]
  const reader = request.body?.getReader()
  for (;;) {
    const read = await reader?.read().catch(() => {
      throw malformed('the body broke off')
    })
    const { done = true, value } = read ?? {}
    if (done || !value) return body + decoder.decode()
    size += value.byteLength
    if (size > largest) throw tooLarge
    body += decoder.decode(value, { stream: true })
  }
}

function checked(value: unknown): Order {
  if (!isRecord(value)) throw malformed('the body is no object')
  const { connection, follow = [], drop = [] } = value
  if (connection !== undefined && !isName(connection)) throw malformed('connection is no id')
  if (!Array.isArray(follow)) throw malformed('follow is no list')
  if (!Array.isArray(drop) || !drop.every(isName)) throw malformed('drop is no list of ids')
  if (connection === undefined && follow.length === 0) throw malformed('follow names nothing')
  const wanted = follow.map(checkedWanted)
  if (new Set(wanted.map(({ id }) => id)).size < wanted.length) throw malformed('an id comes twice')
  return { connection, follow: wanted, drop }
}

function checkedWanted(value: unknown): Wanted {
  if (!isRecord(value)) throw malformed('what is to be followed is no object')
  const { id, address, cursor } = value
  if (!isName(id)) throw malformed('an id is no text of 1 to 64 letters, digits, ".", "_" and "-"')
  if (typeof address !== 'string' || address.length > longest) throw malformed('an address is none')
  if (cursor === undefined || cursor === null) return { id, address }
  if (typeof cursor !== 'string' || cursor.length > 100) throw malformed('a cursor is no event id')
  return { id, address, cursor }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[\w.-]{1,64}$/.test(value)
}

function malformed(what: string): Refusal {
  const example = '{"follow":[{"id":"a","address":"/stream?topic=room:1"}]}'
  return new Refusal(400, `The request makes no sense, ${what}. Send ${example}.`)
}
