/**
 * HTML as strings: what is trusted, what is escaped, and attributes that keep their value.
 *
 * JSX of `@kitajs/html` is a string too, so nothing can tell it from user text. Therefore a `Html` is
 * trusted wherever it goes, and user text becomes `Html` in one of two ways: `<p safe>{text}</p>` or
 * `text(value)`.
 */

/** Trusted markup. */
export type Html = string

/** Values of attributes: `true` is the bare name, `false`, `null` and `undefined` leave it out. */
export type Attributes = Record<string, string | number | boolean | null | undefined>

/** Escapes user text. `null` and `undefined` become nothing. */
export function text(value: string | number | bigint | boolean | null | undefined): Html {
  return value === null || value === undefined ? '' : Bun.escapeHTML(String(value))
}

/**
 * Attributes as markup, each preceded by a space, values escaped (the JSX runtime escapes only `"`).
 *
 * @throws TypeError for a name that is none, for `style` and for `on…`: a strict content security policy
 * blocks those two.
 */
export function attributes(values: Attributes): Html {
  let markup = ''
  // Not entries(): that costs as much as all the rest.
  for (const name of Object.keys(values)) {
    const value = values[name]
    if (value === null || value === undefined || value === false) continue
    if (!/^[a-zA-Z_:@][\w:.@-]*$/.test(name) || /^(on|style$)/i.test(name)) {
      throw new TypeError(
        `Expected the name of an attribute other than style and on…, got "${name}"`,
      )
    }
    if (value === true) markup += ` ${name}`
    else markup += ` ${name}="${typeof value === 'number' ? value : Bun.escapeHTML(String(value))}"`
  }
  return markup
}

/**
 * One element around trusted content.
 *
 * @throws TypeError for a tag that is none.
 */
export function tag(name: string, values: Attributes, content: Html = ''): Html {
  return `${start(name, values)}>${content}</${name}>`
}

/**
 * The start of an element, without its `>`, for many that begin alike.
 *
 * @throws TypeError for a tag that is none.
 */
export function start(name: string, values: Attributes): Html {
  if (!/^[a-zA-Z][\w-]*$/.test(name)) throw new TypeError(`Expected a tag, got "${name}"`)
  return `<${name}${attributes(values)}`
}
