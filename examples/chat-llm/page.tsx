/** @jsxImportSource @kitajs/html */
import type { Children } from '@kitajs/html'
import { Connected, ConnectionStatus, HeadwaterHead } from 'headwater/components'
import { type Chats, listTopic, threadTopic } from './chats'
import { Items, PageTitle } from './list'
import { Messages, posts } from './message'
import type { Conversation } from './store'

/** What {@link Page} is told. */
export interface PageProps {
  chats: Chats
  /** The one that is open; without it the page begins a new one. */
  conversation?: Conversation | undefined
  /** Why something was refused, for who comes without script. */
  notice?: string | undefined
  /** What was refused, so that nobody types it again. */
  draft?: string | undefined
}

/** The page: all conversations beside the one that is open. */
export function Page({ chats, conversation, notice, draft }: PageProps) {
  return (
    <Layout chats={chats} current={conversation} title={conversation?.title ?? 'New conversation'}>
      {conversation ? <Head conversation={conversation} /> : <NewHead />}
      <section class="scroll" data-stream-scroll tabindex="0" aria-label="Messages">
        <div id="thread">
          {conversation !== undefined && (
            <Messages
              all={chats.store.messages(conversation.id)}
              streamOf={(m) => chats.streamOf(m)}
            />
          )}
        </div>
        <div class="hello">
          <p>What would you like to know?</p>
          <p class="hint">
            Answers come from <strong safe>{chats.model}</strong>.
          </p>
        </div>
        <noscript>
          <p class="hint" id="end">
            An answer that is being written is seen when the page is loaded again.{' '}
            {conversation !== undefined && <a href={`/chats/${conversation.id}`}>Load it again</a>}
          </p>
        </noscript>
        {/* One for all answers: in sight wherever somebody reads. */}
        <button type="button" class="hw-jump" data-stream-jump hidden>
          Jump to newest
        </button>
      </section>
      <div class="compose">
        <p id="notice" role="alert" safe>
          {notice ?? ''}
        </p>
        <Composer conversation={conversation} draft={draft} />
      </div>
    </Layout>
  )
}

/** The page where something was, or never was. */
export function Missing({ chats, notice }: { chats: Chats; notice: string }) {
  return (
    <Layout chats={chats} title="Not found">
      <NewHead />
      <div class="gone">
        <p role="alert" safe>
          {notice}
        </p>
        <a class="button" href="/">
          New conversation
        </a>
      </div>
    </Layout>
  )
}

/** The field of the next question; what a question that is sent is answered with is an empty one. */
export function Field({ draft = '' }: { draft?: string | undefined }) {
  return (
    <textarea
      id="text"
      name="text"
      rows="1"
      required
      autofocus
      data-enter-sends
      placeholder="Ask something"
      safe
    >
      {/* The parser drops a line break at the beginning. */}
      {`\n${draft}`}
    </textarea>
  )
}

function Composer({ conversation, draft }: Pick<PageProps, 'conversation' | 'draft'>) {
  const path = conversation ? `/chats/${conversation.id}/messages` : '/chats'
  // The first question leads to another page, which needs no htmx.
  return (
    <form id="composer" {...(conversation ? posts(path) : { method: 'post', action: path })}>
      <label for="text" class="hw-visually-hidden">
        Question
      </label>
      <Field draft={draft} />
      <button type="submit" class="primary">
        Send
      </button>
    </form>
  )
}

function Head({ conversation: { id, title } }: { conversation: Conversation }) {
  const path = `/chats/${id}/delete`
  return (
    <header>
      <h1 id="title">
        <span safe>{title}</span>
      </h1>
      <ConnectionStatus />
      <form {...posts(path)} hx-confirm="Delete this conversation, with all its messages?">
        <button type="submit">
          Delete<span class="hw-visually-hidden"> this conversation</span>
        </button>
      </form>
    </header>
  )
}

function NewHead() {
  return (
    <header>
      <h1 id="title">New conversation</h1>
      <ConnectionStatus />
    </header>
  )
}

interface LayoutProps {
  chats: Chats
  current?: Conversation | undefined
  title: string
  children: Children
}

function Layout({ chats, current, title, children }: LayoutProps) {
  const topics = [listTopic, ...(current ? [threadTopic(current.id)] : [])]
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <PageTitle title={title} />
        <HeadwaterHead hub={chats.hub} />
        <link rel="stylesheet" href="/style.css" />
        <link rel="icon" href="data:," />
        <script src="/chat.js" defer></script>
      </head>
      <body>
        {/* What comes over this connection are patches, to the list and to the messages. */}
        <Connected as="aside" to={chats.hub.address(topics)}>
          <details class="chats">
            <summary>Conversations</summary>
            <nav aria-label="Conversations">
              <a class="new" href="/" aria-current={current ? undefined : 'page'}>
                New conversation
              </a>
              <ol id="chats">
                <Items all={chats.store.conversations()} current={current?.id} />
              </ol>
            </nav>
          </details>
        </Connected>
        <main id="chat">{children}</main>
      </body>
    </html>
  )
}
