import { SECOND } from '../shared/duration.js'
import { withinTime } from '../shared/within-time.js'

/**
 * Does the work of one key after the work that it already has, and that of different keys at once. Whoever has had no turn
 * in time gets a TimeLimitError, and the work is not begun.
 */
export type KeyedMutex = <T>(key: string, work: () => Promise<T>) => Promise<T>

export function createKeyedMutex(turnWithinMs = 10 * SECOND): KeyedMutex {
  const last = new Map<string, Promise<unknown>>()
  return async (key, work) => {
    const before = last.get(key) ?? Promise.resolve()
    let isGivenUp = false
    const turn = before.then(() => (isGivenUp ? undefined : work()))
    // Whoever comes next waits for the work itself, whatever becomes of it and of whoever waits for it here.
    const ended = turn.catch(() => undefined)
    last.set(key, ended)
    ended.finally(() => {
      if (last.get(key) === ended) last.delete(key)
    })
    try {
      await withinTime(before, turnWithinMs, 'other requests of the same customer are still under way')
    } catch (error) {
      isGivenUp = true
      throw error
    }
    return (await turn) as Awaited<ReturnType<typeof work>>
  }
}
