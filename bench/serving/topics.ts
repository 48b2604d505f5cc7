/** The topic that a request names. */
export function topicOf(url: string): string {
  return decodeURIComponent(url.slice(url.indexOf('?topic=') + '?topic='.length))
}

/** Connections by their topic, for servers that keep no list of their own. */
export class Topics<Client> {
  #all = new Map<string, Set<Client>>()

  add(topic: string, client: Client): void {
    this.#all.set(topic, (this.#all.get(topic) ?? new Set()).add(client))
  }

  delete(topic: string, client: Client): void {
    this.#all.get(topic)?.delete(client)
  }

  of(topic: string): Iterable<Client> {
    return this.#all.get(topic) ?? []
  }
}
