import type { Limits } from './limits'
import { networkOf } from './origin'
import { comeBack, Refusal } from './refusal'

/** How long a place is kept for a connection that does not open, in milliseconds. */
const patience = 10_000

/** A place among the connections that are granted. It counts from the beginning, so a race grants none too many. */
export class Place {
  /** Of IPv6 the first half of it. */
  readonly address: string | undefined
  readonly viewer: string | undefined
  #admission: Admission
  #counted = true

  /** @internal Made by {@link Admission.reserve}. */
  constructor(admission: Admission, address: string | undefined, viewer: string | undefined) {
    this.#admission = admission
    this.address = address
    this.viewer = viewer
  }

  /** The connection has opened. */
  open(): void {
    this.#set(true)
  }

  /** The connection has ended. Doing so again does nothing. */
  free(): void {
    this.#set(false)
  }

  #set(counted: boolean): void {
    this.#admission.settle(this, counted === this.#counted ? 0 : counted ? 1 : -1)
    this.#counted = counted
  }
}

/** How many connections there are of whom, and whether one more is granted. */
export class Admission {
  #limits: Limits
  #taken = 0
  #perAddress = new Map<string, number>()
  #perViewer = new Map<string, number>()
  /** Places whose connection has not opened, by when they are given up; the oldest first. */
  #waiting = new Map<Place, number>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** @throws Refusal when there are as many as are granted. */
  reserve(address: string | undefined, viewer: string | undefined): Place {
    const network = address && networkOf(address)
    this.#giveUp()
    this.#check(network, viewer)
    const place = new Place(this, network, viewer)
    this.#count(place, 1)
    this.#waiting.set(place, performance.now() + patience)
    return place
  }

  /** @internal A place has been opened or freed. */
  settle(place: Place, by: 1 | 0 | -1): void {
    this.#waiting.delete(place)
    if (by !== 0) this.#count(place, by)
  }

  /** A client that is gone before its response was begun leaves without a word. */
  #giveUp(): void {
    const now = performance.now()
    for (const [place, until] of this.#waiting) {
      if (until > now) return
      place.free()
    }
  }

  #check(address: string | undefined, viewer: string | undefined): void {
    const { connections, perAddress, perViewer } = this.#limits
    if (this.#taken >= connections) {
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

  #count({ address, viewer }: Place, by: 1 | -1): void {
    this.#taken += by
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
