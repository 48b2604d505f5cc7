/** Texts that many have, kept once. */
export class Same {
  #all = new Map<string, string>()
  #most: number

  constructor(most: number) {
    this.#most = most
  }

  /** The same text, as it was given first. */
  one(text: string | undefined): string | undefined {
    if (text === undefined) return undefined
    const found = this.#all.get(text)
    if (found !== undefined) return found
    if (this.#all.size >= this.#most) this.#all.clear()
    this.#all.set(text, text)
    return text
  }
}
