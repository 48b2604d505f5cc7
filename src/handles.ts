import type { Topic } from './topic'

/** The handles of topics, each for as long as somebody holds it: who asks twice gets the same. */
export class Handles<Handle extends object> {
  #refs = new Map<Topic, WeakRef<Handle>>()
  #forgotten = new FinalizationRegistry((topic: Topic) => {
    if (!this.get(topic)) this.#refs.delete(topic)
  })

  get(topic: Topic): Handle | undefined {
    return this.#refs.get(topic)?.deref()
  }

  add(topic: Topic, handle: Handle): void {
    this.#refs.set(topic, new WeakRef(handle))
    this.#forgotten.register(handle, topic)
  }

  /** The topics that have had one lately. */
  topics(): Iterable<Topic> {
    return this.#refs.keys()
  }
}
