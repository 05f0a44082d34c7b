/** Something did not answer in the time that it has. */
export class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError'
}

/** What `work` gives, or a TimeLimitError after `ms` milliseconds; the work itself goes on and nobody hears of its end. */
export async function withinTime<T>(work: Promise<T>, ms: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeLimitError(message)), ms)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
