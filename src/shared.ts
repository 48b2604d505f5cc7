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
