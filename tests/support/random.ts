/** Choices that follow from a seed. */
export interface Random {
  /** From 0 up to 1. */
  number(): number
  /** From 0 up to `below`, whole. */
  integer(below: number): number
  pick<T>(all: readonly T[]): T
}

/** xorshift32: https://www.jstatsoft.org/article/view/v008i14 */
export function randomFrom(seed: number): Random {
  let state = seed | 1
  const number = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  const integer = (below: number) => Math.floor(number() * below)
  return { number, integer, pick: all => all[integer(all.length)] as (typeof all)[number] }
}
