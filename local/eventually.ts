import { setTimeout as sleep } from 'node:timers/promises'

const EVERY_MS = 25
const PATIENCE_MS = 30_000

/** Looks again and again until `done`, for 30 seconds at most; returns the last value that was seen either way. */
export async function eventually<T>(
  look: () => Promise<T>,
  done: (value: T) => boolean,
  patienceMs = PATIENCE_MS
): Promise<T> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const value = await look()
    if (done(value) || Date.now() > deadline) return value
    await sleep(EVERY_MS)
  }
}
