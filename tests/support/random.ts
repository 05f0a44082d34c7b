/** Choices that follow from a seed. */
export interface Random {
  /** From 0 up to 1. */
  number(): number
  /** From 0 up to `below`, whole. */
  integer(below: number): number
  pick<T>(all: readonly T[]): T
  shuffle<T>(all: readonly T[]): T[]
  /** A generator of numbers from 0 up to 1 that lie far from those before them: few of them are everywhere. */
  evenly(): () => number
}

const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2

export function randomFrom(seed: number): Random {
  const number = mulberry32(seed)
  const integer = (below: number) => Math.floor(number() * below)
  return {
    number,
    integer,
    pick: all => all[integer(all.length)] as (typeof all)[number],
    evenly: () => {
      let last = number()
      return () => {
        last = (last + GOLDEN_RATIO) % 1
        return last
      }
    },
    shuffle: all => {
      const left = [...all]
      return all.flatMap(() => left.splice(integer(left.length), 1))
    }
  }
}

/** A small seeded generator of numbers from 0 up to 1 (public domain, Tommy Ettinger). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
