import type { Hub } from './hub'

/**
 * Something of which each hub has one, made when it is first asked for. It goes with the hub.
 *
 * @example const valuesOf = perHub((hub) => new Values(hub))
 */
export function perHub<T extends object>(make: (hub: Hub) => T): (hub: Hub) => T {
  const known = new WeakMap<Hub, T>()
  return (hub) => {
    const found = known.get(hub)
    if (found) return found
    const made = make(hub)
    known.set(hub, made)
    return made
  }
}
