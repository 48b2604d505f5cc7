/**
 * Who is to be given an event: everything once, although what one source has another may lack.
 *
 * Sources join a stream that runs already. The server then goes back to where the last of them stands, and what comes
 * again is for those that have joined since: they are behind until the stream is beyond the position where they came.
 */

/** Where something stands. */
export interface Standing {
  /** The event id up to which it has everything; the position counts for it, unless it is behind. */
  cursor: string | undefined
  /** The position at which it joined. */
  joined?: string | undefined
}

/** Whether an event id, `<epoch>.<number>`, is beyond another one; one of another epoch is. */
export function isBeyond(id: string, other = ''): boolean {
  const [epoch, number] = id.split('.') as [string, string]
  const [otherEpoch, otherNumber] = other.split('.') as [string, string]
  return epoch !== otherEpoch || +number > +otherNumber
}

/** Whether a source lacks the event that has an id, if the one before stood at `position`. */
export function lacks({ cursor, joined }: Standing, id: string, position?: string): boolean {
  return isBeyond(id, cursor) && (joined === position || isBeyond(id, position))
}

/** Notes in its cursor how far a source has come by `position`. */
export function settle(source: Standing, position: string | undefined): void {
  const { cursor, joined } = source
  if (position && joined !== position && isBeyond(position, cursor)) source.cursor = position
}
