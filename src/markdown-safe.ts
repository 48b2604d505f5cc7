/**
 * What may leave: an allow-list of tags and attributes, and of addresses.
 *
 * The parser makes nothing else. This looks at its HTML all the same, with a tokenizer of its own, so that a mistake of
 * one of them is no hole: what is on no list is dropped, and `id`, `name`, `style`, `on…`, `hx-…`, `sse-…` and `data-…`
 * are on none, so that a text can neither run anything nor speak to htmx or to the page's scripts.
 */
import sanitize from 'sanitize-html'
import type { Html } from './html'

/** What differs from the defaults, which are the safe ones. */
export interface MarkdownOptions {
  /**
   * Whether images are loaded. Otherwise they are shown as links, because loading one tells its server who reads, and
   * whatever stands in its address: a model that was misled by what it read can send a whole conversation so.
   * @default false
   */
  images?: boolean | undefined
  /** Where links open. @default the same tab */
  target?: '_blank' | undefined
}

/** The class of a code block that says its language; of a language that does not fit, none is said. */
export const languageClass = /^language-[\w+#.-]{1,32}$/

/**
 * Whether an address is harmless: http, https, mailto, or relative to the page.
 *
 * Browsers leave out control characters and white space where they read a scheme; what looks empty is left out too, and
 * whatever then stands before the first colon is taken for a scheme.
 */
export function isSafe(url: string, schemes = /^(?:https?|mailto)$/i): boolean {
  const bare = url.replace(/[\p{Cc}\p{Cf}\p{Z}]+/gu, '')
  const scheme = /^([^/?#:]*):/.exec(bare)?.[1]
  return scheme === undefined || schemes.test(scheme)
}

/** Whether an image may be loaded from an address: http, https, or relative to the page. */
export function isSafeImage(url: string): boolean {
  return isSafe(url, /^https?$/i)
}

/** Leaves only what is allowed. */
export function safe(html: Html, { images = false, target }: MarkdownOptions): Html {
  const clean = sanitize(html, {
    allowedTags: images ? [...tags, 'img'] : tags,
    allowedAttributes: {
      a: ['href', 'title', 'rel', 'target'],
      img: ['src', 'alt', 'title'],
      input: ['type', 'disabled', 'checked'],
      ol: ['start'],
      td: [align],
      th: [align],
    },
    allowedClasses: { code: [languageClass] },
    ...empty,
    allowedSchemes: ['http', 'https', 'mailto'],
    allowedSchemesByTag: { img: ['http', 'https'] },
    parseStyleAttributes: false,
    textFilter: quoted,
    transformTags: {
      a: (tagName, { href = '', title }) => ({ tagName, attribs: link(href, title, target) }),
      input: (tagName, { checked }) => ({ tagName, attribs: checkbox(checked !== undefined) }),
      ol: (tagName, { start = '' }) => ({ tagName, attribs: numbered(start) }),
    },
  })
  // The wire and the HTML parser both take a bare one for an end of line.
  return clean.replaceAll('\r', '&#13;')
}

function numbered(start: string): Record<string, string> {
  return /^\d{1,9}$/.test(start) ? { start } : {}
}

const tags = (
  'a blockquote br code em h1 h2 h3 h4 h5 h6 hr input li ol p pre s strong table tbody td th thead ' +
  'tr ul'
).split(' ')

/** Its types do not know this option yet. */
const empty = { allowedEmptyAttributes: ['alt', 'href', 'src', 'disabled', 'checked'] }

const align = { name: 'align', values: ['left', 'center', 'right'] }

/** Whom a link leads to learns neither the page nor gets a hold of it, and search engines give it no weight. */
function link(href: string, title: string | undefined, target: '_blank' | undefined) {
  return {
    ...(isSafe(href) && { href }),
    ...(title !== undefined && { title }),
    rel: 'noopener noreferrer nofollow',
    ...(target && { target }),
  }
}

/** Of a task list: nothing that can be sent or clicked. */
function checkbox(isChecked: boolean) {
  return { type: 'checkbox', disabled: '', ...(isChecked && { checked: '' }) }
}

/** Text can then not look like an attribute to what searches a piece of HTML. */
function quoted(text: string): string {
  return text.replaceAll('"', '&quot;')
}
