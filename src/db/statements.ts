import type { Database, Statement } from 'bun:sqlite'

/** SQLite keeps a file open as long as one of its statements lives: closing this database ends them first. */
export function endingStatements(client: Database): Database {
  const living = new Set<WeakRef<Statement>>()
  const collected = new FinalizationRegistry<WeakRef<Statement>>((ref) => living.delete(ref))
  const [prepare, close] = [client.prepare.bind(client), client.close.bind(client)]
  client.prepare = ((...given: Parameters<typeof prepare>) => {
    const statement = prepare(...given)
    const ref = new WeakRef<Statement>(statement)
    living.add(ref)
    collected.register(statement, ref)
    return statement
  }) as typeof client.prepare
  client.close = () => {
    for (const ref of living) ref.deref()?.finalize()
    close()
    // What nobody holds any more, but was not swept yet, keeps the file open too.
    Bun.gc(true)
  }
  return client
}
