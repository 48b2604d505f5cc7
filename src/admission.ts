import type { Limits } from './limits'
import { comeBack, Refusal } from './refusal'

/** How many connections there are of whom, and whether one more is granted. */
export class Admission {
  #limits: Limits
  #open = 0
  #perAddress = new Map<string, number>()
  #perViewer = new Map<string, number>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** @throws Refusal when there are as many as are granted. */
  check(address: string | undefined, viewer: string | undefined): void {
    const { connections, perAddress, perViewer } = this.#limits
    if (this.#open >= connections) {
      throw new Refusal(429, 'The server has as many connections as it grants.', comeBack())
    }
    if (address !== undefined && (this.#perAddress.get(address) ?? 0) >= perAddress) {
      const reason = `Your network address has ${perAddress} connections open; close some.`
      throw new Refusal(429, reason, comeBack())
    }
    if (viewer !== undefined && (this.#perViewer.get(viewer) ?? 0) >= perViewer) {
      throw new Refusal(429, `You have ${perViewer} connections open; close some.`, comeBack())
    }
  }

  /** One more is open, or one less. */
  count(address: string | undefined, viewer: string | undefined, by: 1 | -1): void {
    this.#open += by
    add(this.#perAddress, address, by)
    add(this.#perViewer, viewer, by)
  }
}

function add(counts: Map<string, number>, name: string | undefined, by: 1 | -1): void {
  if (name === undefined) return
  const next = (counts.get(name) ?? 0) + by
  if (next > 0) counts.set(name, next)
  else counts.delete(name)
}
