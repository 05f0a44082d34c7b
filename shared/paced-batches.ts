import { setTimeout as sleep } from 'node:timers/promises'

interface Batches {
  /** Rows a batch. */
  size: number
  /** Batches, at most. */
  most: number
  /** How long it rests after a batch, by how long that took: with 1 the database is at it for half of the time, with 3 for a quarter. */
  rest: number
}

/**
 * Does one batch after the other until one finds fewer rows than it takes, with a rest after each, in which the database has nothing
 * to do but what customers wait for. Returns how many rows there were.
 */
export async function inPacedBatches(batch: () => Promise<number>, { size, most, rest }: Batches): Promise<number> {
  let total = 0
  for (let done = 0; done < most; done++) {
    const begun = performance.now()
    const rows = await batch()
    total += rows
    if (rows < size) break
    await sleep(rest * (performance.now() - begun))
  }
  return total
}
