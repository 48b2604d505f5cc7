import type { Reason } from './connection'
import type { ConnectionRecord } from './registry'

/** A connection as the registry has it at that moment; a copy that can not be changed. */
export type ConnectionDetails = Readonly<Omit<ConnectionRecord, 'topics'>> & {
  readonly topics: readonly string[]
}

/** What a hub calls beside its work. It waits for none of it. */
export interface ConnectionHooks {
  /** Told of each connection that opens. */
  onConnect?: ((connection: ConnectionDetails) => unknown) | undefined
  /**
   * Told once of each that ends, whatever the way out. Nobody is left to tell of those of a process that dies;
   * their rows are marked lost.
   */
  onDisconnect?: ((connection: ConnectionDetails, reason: Reason) => unknown) | undefined
}

/** Calls what may fail, and promises may be rejected; that is reported, and concerns nobody else. */
export function isolate<T>(call: () => T, onError: (error: unknown) => void): T | undefined {
  try {
    const given = call()
    // What is lazy until somebody asks for its result, such as a query, is then done too.
    Promise.resolve(given).catch(onError)
    return given
  } catch (error) {
    onError(error)
    return undefined
  }
}

/** The copy of a record that hooks are given. */
export function detailsOf(record: ConnectionRecord): ConnectionDetails {
  return Object.freeze({ ...record, topics: Object.freeze([...record.topics]) })
}
