import { setTimeout as sleep } from 'node:timers/promises'

/** Rows a batch, and how many batches there are at most. */
interface Batches {
  size: number
  most: number
}

/** By how long the batch before it took. */
const REST = 3

/**
 * Does one batch after the other until one finds fewer rows than it takes. After each it rests three times as long as that took: for
 * most of the time the database has nothing to do but what customers wait for. Returns how many rows there were.
 */
export async function inPacedBatches(batch: () => Promise<number>, { size, most }: Batches): Promise<number> {
  let total = 0
  for (let done = 0; done < most; done++) {
    const begun = performance.now()
    const rows = await batch()
    total += rows
    if (rows < size) break
    await sleep(REST * (performance.now() - begun))
  }
  return total
}
