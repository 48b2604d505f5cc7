/** An attribute of an element as htmx takes it: with `data-` before its name or without. */
export function attribute(element: Element, name: string): string | null {
  return element.getAttribute(name) ?? element.getAttribute(`data-${name}`)
}
