import type { Html } from './html'

/** What a text that has grown changes of its HTML. */
export interface Change {
  /** Blocks that will not change any more, to stand before the open one. */
  closed: Html
  /**
   * The open block anew, `''` where none is open any more; nothing where it is as before. At most one element in it has the class `hw-grows`, and
   * contains escaped text only.
   */
  open?: Html | undefined
  /** User text to be added to the `hw-grows` of the open block that is there; not beside `open`. */
  grow?: string | undefined
}

/** Makes HTML of a text that grows. */
export interface Blocks {
  /** Takes more of the text. */
  push(text: string): Change
  /** Gives what is not closed yet: the text is over. */
  end(): Html
}

/** How a text becomes HTML, block by block: one {@link Blocks} for each text. */
export type Format = () => Blocks
