/** Numbers that look random and are the same for the same seed. */
export interface Draw {
  /** From 0 on, below 1. */
  real(): number
  /** A whole number from 0 on, below the limit. */
  below(limit: number): number
  /** A number between these two; small ones are as likely as large ones. */
  spread(from: number, to: number): number
  pick<T>(list: readonly T[]): T
  /** One of the list, each as likely as its weight says. */
  weigh<T extends { weight: number }>(list: readonly T[]): T
}

/** Begins such numbers: a 32-bit counter, mixed. */
export function drawing(seed: number): Draw {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0
  const real = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(real() * limit)
  return {
    real,
    below,
    spread: (from, to) => Math.round(from * (to / from) ** real()),
    pick: (list) => list[below(list.length)] as (typeof list)[number],
    weigh: (list) => {
      let left = real() * list.reduce((sum, { weight }) => sum + weight, 0)
      for (const one of list) {
        left -= one.weight
        if (left < 0) return one
      }
      return list[list.length - 1] as (typeof list)[number]
    },
  }
}
