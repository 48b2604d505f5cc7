/** @jsxImportSource @kitajs/html */
import type { TextStream as Stream } from 'headwater'
import { TextStream } from 'headwater/components'
import { renderMarkdown } from 'headwater/markdown'
import type { Message } from './store'

/** The live text of an answer. */
export type StreamOf = (message: Message) => Stream

/** The messages of a conversation: the page, and what takes its place for who was away for long. */
export function Messages({ all, streamOf }: { all: readonly Message[]; streamOf: StreamOf }) {
  return (
    <>
      {all.map((message) =>
        message.role === 'user' ? (
          <Question message={message} />
        ) : (
          <Answer message={message} stream={streamOf(message)} />
        ),
      )}
    </>
  )
}

/** The id of a message's element. */
export function idOf({ id }: Pick<Message, 'id'>): string {
  return `message-${id}`
}

/** A question as it was typed, with a form to ask it in other words. */
export function Question({ message }: { message: Message }) {
  const id = idOf(message)
  return (
    <article id={id} class="question" aria-labelledby={`${id}-who`}>
      <Who message={message} name="You" />
      <p class="words" safe>
        {message.text}
      </p>
      <details class="edit">
        <summary>
          Edit<span class="hw-visually-hidden"> this question</span>
        </summary>
        <form {...posts(`${pathOf(message)}/edit`)}>
          <label for={`${id}-text`}>The question in other words</label>
          <textarea id={`${id}-text`} name="text" rows="3" required data-enter-sends safe>
            {/* The parser drops a line break at the beginning. */}
            {`\n${message.text}`}
          </textarea>
          <p class="hint">Everything after this question is deleted, and it is answered anew.</p>
          <button type="submit" class="primary">
            Ask again
          </button>
        </form>
      </details>
    </article>
  )
}

/** An answer: live while it is being written, then as it is kept. */
export function Answer({ message, stream }: { message: Message; stream: Stream }) {
  const id = idOf(message)
  const safeHtml = message.state === 'running' ? '' : renderMarkdown(message.text)
  return (
    <article id={id} class="answer" aria-labelledby={`${id}-who`}>
      <Who message={message} name={message.model ?? 'Answer'} />
      {message.state === 'running' ? (
        <TextStream stream={stream} jump={false} />
      ) : (
        <div class="hw-text hw-text-format">
          <div class="hw-text-content">{safeHtml}</div>
          {message.error !== null && (
            <p class="hw-text-error" safe>
              {message.error}
            </p>
          )}
        </div>
      )}
      <footer id={`${id}-foot`}>
        <AnswerFoot message={message} />
      </footer>
    </article>
  )
}

/** What can be done about an answer that is over. */
export function AnswerFoot({ message }: { message: Message }) {
  return message.state === 'running' ? (
    ''
  ) : (
    <>
      {message.state === 'stopped' && <span class="hint">Stopped.</span>}
      <form {...posts(`${pathOf(message)}/retry`)} class="retry">
        <button type="submit">{message.state === 'done' ? 'Answer again' : 'Try again'}</button>
      </form>
    </>
  )
}

/** Who says it, and when: what the article is called. */
function Who({ message, name }: { message: Message; name: string }) {
  const at = new Date(message.createdAt)
  return (
    <p class="who" id={`${idOf(message)}-who`}>
      <span safe>{name}</span>{' '}
      <time datetime={at.toISOString()} safe>
        {at.toTimeString().slice(0, 5)}
      </time>
    </p>
  )
}

/**
 * A form for htmx and for none. It is answered with what the notice says, mostly nothing: what comes of it is told to
 * all pages, and may have taken the form itself away by then.
 */
export function posts(path: string) {
  return {
    method: 'post',
    action: path,
    'hx-post': path,
    'hx-target': '#notice',
    'hx-swap': 'innerHTML',
    'hx-sync': 'this:drop',
  } as const
}

function pathOf({ conversationId, id }: Message): string {
  return `/chats/${conversationId}/messages/${id}`
}
