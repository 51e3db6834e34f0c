/** Dice that fall the same way for the same seed: mulberry32, by Tommy Ettinger, public domain. */
export interface Dice {
  /** 0 ≤ n < 1. */
  next(): number
  pick<T>(from: readonly T[]): T
  between(low: number, high: number): number
}

export function rollDice(seed: number): Dice {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    pick: (from) => from[Math.floor(next() * from.length)] as (typeof from)[number],
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
  }
}
