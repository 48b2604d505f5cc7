/** What was made once and is given to several, for a short time. */
export class Shared<T> {
  #all = new Map<string, T>()
  #most: number
  #age: number
  #forgetting: Timer | undefined

  /**
   * @param most how many are kept
   * @param age for how long at the most, in milliseconds
   */
  constructor(most: number, age: number) {
    this.#most = most
    this.#age = age
  }

  get(name: string): T | undefined {
    return this.#all.get(name)
  }

  set(name: string, value: T): void {
    if (this.#all.size >= this.#most) {
      const [oldest] = this.#all.keys()
      this.#all.delete(oldest as string)
    }
    this.#all.set(name, value)
    this.#forgetting ??= setTimeout(() => this.clear(), this.#age)
    this.#forgetting.unref()
  }

  delete(name: string): void {
    if (this.#all.size > 0) this.#all.delete(name)
  }

  clear(): void {
    this.#all.clear()
    clearTimeout(this.#forgetting)
    this.#forgetting = undefined
  }
}

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
