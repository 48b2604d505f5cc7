/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import {
  Connected,
  ConnectionStatus,
  HeadwaterHead,
  LogView,
  StreamElement,
} from 'headwater/components'
import { type Live, NoteLine, sessionTopic } from './live'
import type { Session, Store } from './store'

/** The page of who is not signed in. */
export function SignIn({ live, notice }: { live: Live; notice?: string | undefined }) {
  return (
    <Layout live={live}>
      <main id="page" class="out">
        <h1>Notes</h1>
        <p>Any name will do: this is an example of sessions, not of passwords.</p>
        <form method="post" action="/sign-in">
          <label for="user">Name</label>
          <input id="user" name="user" required maxlength="40" autocomplete="username" autofocus />
          <button type="submit" class="primary">
            Sign in
          </button>
        </form>
        {notice !== undefined && (
          <p role="alert" class="fault" safe>
            {notice}
          </p>
        )}
      </main>
    </Layout>
  )
}

/** The page of who is signed in: all that is live in it comes over one connection. */
export function Notes(props: { live: Live; store: Store; session: Session }) {
  const { live, store, session } = props
  const { hub, notes, people } = live
  const { id, user } = session
  const address = hub.address([
    notes.topic(user, 'list'),
    people.topic('all', 'count'),
    sessionTopic(id),
  ])
  return (
    <Layout live={live}>
      <Connected as="main" id="page" to={address}>
        <header>
          <h1>
            Notes of <span safe>{user}</span>
          </h1>
          <StreamElement
            manager={people}
            entity={{ id: 'all', count: store.count() }}
            stream="count"
            connect={false}
            as="p"
            role="status"
          />
          <ConnectionStatus />
          <form method="post" action="/sign-out">
            <button type="submit">Sign out</button>
          </form>
        </header>
        <LogView
          manager={notes}
          entity={user}
          stream="list"
          label="Your notes"
          connect={false}
          lines={store.notes(user).map((note) => <NoteLine {...note} />)}
          empty="No notes yet."
        />
        <form method="post" action="/notes" hx-post="/notes" hx-target="#text" hx-swap="outerHTML">
          <label for="text">Note</label>
          <NoteField />
          <button type="submit" class="primary">
            Add
          </button>
        </form>
      </Connected>
    </Layout>
  )
}

/** An empty field: what an added note is answered with. */
export function NoteField() {
  return <input id="text" name="text" required maxlength="500" autocomplete="off" autofocus />
}

function Layout({ live, children }: { live: Live; children: Children }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <HeadwaterHead hub={live.hub} title="Notes · Headwater" />
        <link rel="stylesheet" href="/style.css" />
        <link rel="icon" href="data:," />
      </head>
      <body>{children}</body>
    </html>
  )
}
