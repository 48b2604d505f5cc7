/**
 * Patches: changes to any element of the page, as markup that survives the HTML parser in htmx 2 and 4.
 *
 * `<div hx-swap-oob="innerHTML:#total">7</div><tr …>` loses the row, since after a `<div>` the parser drops
 * a `<tr>` without a table. So a patch has three forms, and chooses:
 * - wrapped, `<hx-partial hx-target="#rows" hx-swap="beforeend">`: both majors make it a `<template>` before
 *   they parse, and in one any tag may stand, whatever is beside it;
 * - drawn, `<svg hx-swap-oob="beforeend:#plot">`, for parts of drawings: in a template a `<circle>` would be
 *   an unknown HTML element. Both majors apply it before what is wrapped;
 * - bare, `<tr id="j7" hx-swap-oob="true">`: the attribute on the root itself, if that goes for all of the
 *   patch and the parser keeps them (table parts of one sort, sent first).
 *
 * htmx 4 looks up all targets of a message before it changes anything: a piece cannot reach into what
 * another one of the same patch brings. Send two.
 */
import type { Root } from './fragment'
import { isBlank, isSvgPart, roots } from './fragment'
import type { Html } from './html'
import { attributes, tag } from './html'

/** Content of a patch, trusted. JSX is typed as maybe a promise; one is refused. */
export type Content = Html | Promise<Html>

type Beside = 'beforebegin' | 'afterbegin' | 'beforeend' | 'afterend'

/** Where content goes, in htmx's words; `none` leaves the page as it is. */
export type SwapStyle = 'outerHTML' | 'innerHTML' | Beside | 'delete' | 'none'

/** How {@link Patch.oob} sends its content. */
export interface OobOptions {
  /** @default 'outerHTML' */
  style?: SwapStyle
  /** A CSS selector; every match is changed. @default the id of each root */
  target?: string
  /**
   * Without it each root is its own carrier, as written, and for styles other than `outerHTML` only what is
   * in it arrives. @default true if there is a target
   */
  wrap?: boolean
}

/** A bare piece is one root and nothing else. */
interface Piece {
  style: SwapStyle
  target: string | undefined
  html: Html
  bare?: Root
}

/**
 * Changes in order. Every method returns a longer patch and leaves this one as it is; all throw a TypeError
 * for content that is no string (a promise: await it) and for an empty target.
 */
export class Patch {
  readonly #pieces: readonly Piece[]

  /** @internal Begin with {@link swap}. */
  constructor(pieces: readonly Piece[] = []) {
    this.#pieces = pieces
  }

  /** The markup: the data of an unnamed event, or part of any response to htmx. */
  get html(): Html {
    return assemble(this.#pieces)
  }

  toString(): string {
    return this.html
  }

  /** Replaces the target. */
  outerHTML(target: string, html: Content): Patch {
    return this.oob(html, { style: 'outerHTML', target })
  }

  /** Replaces what is in the target. */
  innerHTML(target: string, html: Content): Patch {
    return this.oob(html, { style: 'innerHTML', target })
  }

  /** Inserts before the target. */
  beforebegin(target: string, html: Content): Patch {
    return this.oob(html, { style: 'beforebegin', target })
  }

  /** Inserts at the target's beginning; an element with the id of a root goes first. */
  afterbegin(target: string, html: Content): Patch {
    return this.oob(html, { style: 'afterbegin', target })
  }

  /** Inserts at the target's end; an element with the id of a root goes first, so replays do not double. */
  beforeend(target: string, html: Content): Patch {
    return this.oob(html, { style: 'beforeend', target })
  }

  /** Inserts after the target. */
  afterend(target: string, html: Content): Patch {
    return this.oob(html, { style: 'afterend', target })
  }

  /** Removes the target, if it is there. */
  delete(target: string): Patch {
    return this.oob('', { style: 'delete', target })
  }

  /** Sends content that goes nowhere. */
  none(html: Content): Patch {
    return this.oob(html, { style: 'none', wrap: true })
  }

  /** Replaces the element with each root's id. @throws TypeError for a root without one. */
  replace(html: Content): Patch {
    return this.oob(html)
  }

  /** This patch, then the others. */
  many(...patches: Patch[]): Patch {
    return new Patch([...this.#pieces, ...patches.flatMap((patch) => patch.#pieces)])
  }

  /**
   * The mechanism beneath the others.
   *
   * @throws TypeError when there is no target and a root has no id.
   * @example swap.oob(<b id="n">7</b>, { style: 'innerHTML' }) // <b hx-swap-oob="innerHTML" id="n">7</b>
   */
  oob(
    html: Content,
    { style = 'outerHTML', target, wrap = target !== undefined }: OobOptions = {},
  ): Patch {
    if (html instanceof Promise) throw new TypeError('Expected HTML, got a promise: await it first')
    if (typeof html !== 'string') throw new TypeError(`Expected HTML, got ${typeof html}`)
    if (target?.trim() === '') throw new TypeError('Expected a CSS selector, got an empty string')
    if (wrap && (target || style === 'none')) return this.#and([{ style, target, html }])
    const bare = bareRoots(html, target).map((root) => bareOf(html, root, style, target))
    return this.#and(wrap ? bare.map(unbare) : bare)
  }

  #and(pieces: Piece[]): Patch {
    return new Patch([...this.#pieces, ...pieces])
  }
}

/** The empty patch, where all begin: `swap.innerHTML('#total', '7').delete('#spinner')`. */
export const swap: Patch = new Patch()

/** The selector of any id: `job:7` is `#job\3A 7`. @throws TypeError when it is empty. */
export function idSelector(id: string): string {
  if (id === '') throw new TypeError('Expected an id, got an empty string')
  return `#${id.toWellFormed().replace(/^-$|(?<=^-?)\d|[^\w-]/gu, escaped)}`
}

/** The selector of the slots that show a topic: `[sse-swap='job\3A 42\3A lines']`. */
export function slotSelector(topic: string): string {
  return `[sse-swap='${topic.toWellFormed().replace(/[^\w-]/gu, escaped)}']`
}

function escaped(character: string): string {
  return `\\${character.codePointAt(0)?.toString(16).toUpperCase()} `
}

function bareRoots(html: Html, target: string | undefined): Root[] {
  const full = roots(html).filter((root) => !isBlank(root, html))
  const fault = full.find((root) => !root.tag || !(target ?? root.id))
  if (full.length > 0 && !fault) return full
  const got = fault ? html.slice(fault.start, fault.end).slice(0, 80) : 'nothing'
  throw new TypeError(`Expected elements with an id, or a target, got ${got}`)
}

function bareOf(html: Html, bare: Root, style: SwapStyle, target: string | undefined): Piece {
  return { style, target, html: html.slice(bare.start, bare.end), bare }
}

/** The same change, wrapped. */
function unbare({ style, target, html, bare }: Piece): Piece {
  if (!bare) return { style, target, html }
  const inner = html.slice(bare.innerStart - bare.start, bare.innerEnd - bare.start)
  const selector = target ?? idSelector(bare.id ?? '')
  return { style, target: selector, html: style === 'outerHTML' ? html : inner }
}

function assemble(pieces: readonly Piece[]): Html {
  const tables = pieces.filter(sortOf)
  const sorts = new Set(tables.map(sortOf))
  if (pieces.every(({ bare }) => bare) && sorts.size < 2 && !sorts.has('col')) {
    return [...tables, ...pieces.filter((piece) => !sortOf(piece))].map(carry).join('')
  }
  const drawing = pieces.some(isDrawn)
  const later = new Set<string>()
  return pieces.reduceRight((html, piece) => wrapped(unbare(piece), drawing, later) + html, '')
}

/**
 * One wrapped or drawn piece. What a later piece appends under the same id is left out: htmx 4 finds what to
 * replace before it has added anything, and would show both.
 */
function wrapped({ style, target, html }: Piece, drawing: boolean, later: Set<string>): Html {
  const all = roots(html)
  const ids: string[] = []
  let content = html
  if (style === 'beforeend' || style === 'afterbegin') {
    const kept = all.filter(({ id }) => !id || !later.has(id))
    content = kept.map(({ start, end }) => html.slice(start, end)).join('')
    for (const { id } of kept) if (id && later.add(id)) ids.push(idSelector(id))
  }
  // What has no tag is drawn too where something is, else it would come after what follows it.
  if (all.some(({ tag }) => isSvgPart(tag)) || (drawing && all.every(({ tag }) => !tag))) {
    return ids.map((id) => drawn('delete', id, '')).join('') + drawn(style, target, content)
  }
  return (ids.length > 0 ? partial('delete', ids.join(), '') : '') + partial(style, target, content)
}

function partial(style: SwapStyle, target: string | undefined, html: Html): Html {
  if (style === 'delete') {
    // Both majors find `document` and leave it alone; without it htmx 2 logs an error for what is gone already.
    return tag('hx-partial', { 'hx-target': `${target},document`, 'hx-swap': style }, html)
  }
  // htmx 2 makes the slots of a new row live when it has settled: events of the 20 ms until then would be lost.
  return tag('hx-partial', { 'hx-target': target, 'hx-swap': `${style} settle:0ms` }, html)
}

/** htmx strips the carrier, but not for `outerHTML`: there the first root is its own, the rest follow it. */
function drawn(style: SwapStyle, target: string | undefined, html: Html): Html {
  const first = roots(html).find((root) => root.tag)
  if (style !== 'outerHTML' || !first) return tag('svg', address(style, target), html)
  const rest = html.slice(first.end)
  return (rest && drawn('afterend', target, rest)) + carry(bareOf(html, first, style, target))
}

/** A bare piece with the attribute in its root. */
function carry({ style, target, html, bare }: Piece): Html {
  const at = bare ? bare.insertAt - bare.start : 0
  const carrier = html.slice(0, at) + attributes(address(style, target)) + html.slice(at)
  return bare && isSvgPart(bare.tag) ? tag('svg', {}, carrier) : carrier
}

/** The space matters: without it htmx 4 takes the last colon of a selector for the end of the style. */
function address(style: SwapStyle, target: string | undefined) {
  const gap = target?.includes(':') ? ' ' : ''
  const own = style === 'outerHTML' ? 'true' : style
  return { 'hx-swap-oob': target ? `${style}:${gap}${target.replace(/[\r\n]/g, ' ')}` : own }
}

function isDrawn({ html }: Piece): boolean {
  return roots(html).some(({ tag }) => isSvgPart(tag))
}

/** At the top level the parser takes table parts of one sort only, and after a `<col>` nothing else. */
function sortOf({ bare }: Piece): string {
  const tag = bare?.tag ?? ''
  if (/^t[dh]$/.test(tag)) return 'cell'
  if (/^(?:caption|colgroup|thead|tbody|tfoot)$/.test(tag)) return 'section'
  return tag === 'tr' || tag === 'col' ? tag : ''
}
