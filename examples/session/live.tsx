/** @jsxImportSource @kitajs/html */
import type { Database } from 'bun:sqlite'
import { Hub, MultiStreamManager, swap, topic } from 'headwater'
import { SignedOut } from './signed-out'
import type { Note, Session, Store } from './store'

/** The name of the cookie. */
export const cookieName = 'session'

/** A day, in milliseconds: as long as an address is good. */
const day = 24 * 60 * 60 * 1_000

/** Who is signed in by this request. */
export function sessionOf(request: Request, store: Store): Session | undefined {
  const cookie = new Bun.CookieMap(request.headers.get('cookie') ?? '').get(cookieName)
  return cookie ? store.find(cookie) : undefined
}

/** The topic on which the pages of one session are told. */
export function sessionTopic(id: string) {
  return topic('session', id)
}

/** What is live: the notes of each user, the count of sessions, and the word to the pages of a session. */
export function live(database: Database, store: Store) {
  // An address is good for its session only, so one that is copied opens nothing.
  const hub = new Hub({ database, viewer: (request) => sessionOf(request, store)?.id })
  const notes = new MultiStreamManager<{ id: string }>(hub, {
    name: 'notes',
    getEntity: (id) => ({ id }),
    guard: (request, user) => sessionOf(request, store)?.user === user,
  }).register({
    name: 'list',
    kind: 'log',
    key: (note: Note) => note.id,
    render: (note: Note) => <NoteLine {...note} />,
  })
  const people = new MultiStreamManager<{ id: string; count: number }>(hub, {
    name: 'people',
    getEntity: () => ({ id: 'all', count: store.count() }),
    guard: (request) => sessionOf(request, store) !== undefined,
  }).register({
    name: 'count',
    kind: 'state',
    render: ({ count }) => `${count} signed in`,
  })
  hub.topic('session:*', {
    kind: 'signal',
    guard: (request, of) => {
      const session = sessionOf(request, store)
      return session !== undefined && of === sessionTopic(session.id)
    },
  })

  /** Says how many there are. */
  const counted = () => people.publish('all', 'count', { id: 'all', count: store.count() })

  /** Ends a session: its pages say so, and its streams end in all tabs, on every process, and stay closed. */
  const signOut = async (id: string) => {
    store.end(id)
    await hub.publish(sessionTopic(id), swap.outerHTML('#page', <SignedOut />))
    await hub.revoke({ viewer: id, expires: day })
    await counted()
  }

  return { hub, notes, people, counted, signOut }
}

/** What {@link live} makes. */
export type Live = ReturnType<typeof live>

/** One note; with its id, so that what comes twice is shown once. */
export function NoteLine({ id, text }: Note) {
  return (
    <li id={`note-${id}`} safe>
      {text}
    </li>
  )
}
