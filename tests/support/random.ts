import { mulberry32 } from '../../demo/mulberry32.js'

/** Choices that follow from a seed. */
export interface Random {
  /** From 0 up to 1. */
  number(): number
  /** From 0 up to `below`, whole. */
  integer(below: number): number
  pick<T>(all: readonly T[]): T
}

export function randomFrom(seed: number): Random {
  const number = mulberry32(seed)
  const integer = (below: number) => Math.floor(number() * below)
  return { number, integer, pick: all => all[integer(all.length)] as (typeof all)[number] }
}
