/** @jsxImportSource @kitajs/html */
import { type Children, contentToString } from '@kitajs/html'
import { type Attributes, attributes, text as escaped, type Html, tag } from '../src/html'

/** Attributes that every component takes for its element; names with a hyphen (`aria-…`, `data-…`, `hx-…`) too. */
export interface ElementAttributes {
  id?: string | undefined
  /** Stands after the kit's own classes. */
  class?: string | undefined
  title?: string | undefined
  lang?: string | undefined
  dir?: 'ltr' | 'rtl' | 'auto' | undefined
  role?: string | undefined
  hidden?: boolean | undefined
  tabindex?: number | undefined
}

/** Its element, content, and attributes. */
export interface TagProps {
  as: string
  /** User text, escaped, in the place of children. */
  text?: string | number | undefined
  /** Trusted. */
  children?: Children
  [attribute: string]: Attributes[string] | Children
}

const voids = /^(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)$/i

/**
 * An element whose attributes keep their value, whatever is in it: JSX itself escapes only `"` there.
 *
 * @throws TypeError for a tag that is none, for `style` and for `on…`.
 */
export function Tag({ as, text, children, ...values }: TagProps): JSX.Element {
  const named = values as Attributes
  if (voids.test(as)) return `<${as}${attributes(named)}>`
  if (text !== undefined) return tag(as, named, escaped(text))
  return withHtml(children, (html) => tag(as, named, html))
}

/** Goes on with trusted content, at once or when its promise resolves. */
export function withHtml(content: Children, next: (html: Html) => JSX.Element): JSX.Element {
  const html = contentToString(content)
  return typeof html === 'string' ? next(html) : html.then(next)
}

/** Whether there is content at all; what JSX shows nothing of is none. */
export function isContent(children: Children): boolean {
  return children !== undefined && children !== null && typeof children !== 'boolean'
}

/** The kit's own classes, and after them those that the app names. */
export function classes(own: string, more: string | undefined): string {
  return more ? `${own} ${more}` : own
}
