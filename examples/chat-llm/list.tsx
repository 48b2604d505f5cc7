/** @jsxImportSource @kitajs/html */
import type { Conversation } from './store'

/** The conversations. */
export function Items({
  all,
  current,
}: {
  all: readonly Conversation[]
  current?: string | undefined
}) {
  return (
    <>
      {all.map((conversation) => (
        <Item {...conversation} current={conversation.id === current} />
      ))}
    </>
  )
}

/** A conversation in the list. */
export function Item({ id, title, current = false }: Conversation & { current?: boolean }) {
  return (
    <li id={`conversation-${id}`}>
      <a href={`/chats/${id}`} aria-current={current ? 'page' : undefined} safe>
        {title}
      </a>
    </li>
  )
}

/** What the tab of a page is called. */
export function PageTitle({ title }: { title: string }) {
  return <title safe>{`${title} · Headwater`}</title>
}

/** What stands in the place of a conversation that has been deleted. */
export function Gone() {
  return (
    <div class="gone">
      <p role="status">This conversation has been deleted.</p>
      <a class="button" href="/">
        New conversation
      </a>
    </div>
  )
}
