import { withinTime } from '../within-time.js'

/**
 * Reads at most once in `everyMs` milliseconds, however many ask. Whoever asks meanwhile gets what that read gave, or waits
 * for it when it is under way: a TimeLimitError after `withinMs`. A read that does not end is not begun a second time.
 */
export function createSharedRead<T>(
  read: () => Promise<T>,
  { everyMs, withinMs, what }: { everyMs: number; withinMs: number; what: string }
): () => Promise<T> {
  let begun = 0
  let isUnderWay = false
  let latest: Promise<T> | undefined
  const start = (): Promise<T> => {
    begun = performance.now()
    isUnderWay = true
    return read().finally(() => {
      isUnderWay = false
    })
  }
  return async () => {
    if (latest === undefined || (!isUnderWay && performance.now() - begun >= everyMs)) latest = start()
    return await withinTime(latest, withinMs, `${what} did not answer in ${withinMs} ms`)
  }
}
