/**
 * Concurrent callers share one call of `flush`: while one batch is under way the next one gathers. A lone caller waits
 * for nothing. When `flush` throws, every caller of that batch gets the error.
 */
export function createBatcher<T, R>(
  flush: (items: T[]) => Promise<R[]>,
  options: { maxBatch: number; maxConcurrent: number }
): (item: T) => Promise<R> {
  interface Waiting {
    item: T
    resolve(result: R): void
    reject(error: unknown): void
  }
  const waiting: Waiting[] = []
  let running = 0
  let scheduled = false

  function schedule(): void {
    if (scheduled || running >= options.maxConcurrent || waiting.length === 0) return
    scheduled = true
    // Requests that were read in the same turn of the event loop join the same batch.
    setImmediate(() => {
      scheduled = false
      void run()
    })
  }

  async function run(): Promise<void> {
    const batch = waiting.splice(0, options.maxBatch)
    if (batch.length === 0) return
    running++
    schedule()
    try {
      const results = await flush(batch.map(entry => entry.item))
      batch.forEach((entry, index) => {
        entry.resolve(results[index] as R)
      })
    } catch (error) {
      for (const entry of batch) entry.reject(error)
    } finally {
      running--
      schedule()
    }
  }

  return item =>
    new Promise<R>((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      schedule()
    })
}
