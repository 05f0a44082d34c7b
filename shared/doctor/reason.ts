/** An error of any realm or package, and where each keeps what it came from (`detail`: the stripe package). */
interface Failure {
  message?: string
  code?: string
  errors?: unknown[]
  cause?: unknown
  detail?: unknown
}

/** Why it failed, in the words of what failed first: a driver's error can say nothing itself, or only that a fetch failed. */
export function reasonOf(error: unknown): string {
  if (!isFailure(error)) return String(error)
  const first = [error.errors?.[0], error.cause, error.detail].find(isFailure)
  return first === undefined ? error.message || error.code || 'no reason was given' : reasonOf(first)
}

function isFailure(value: unknown): value is Failure {
  return typeof value === 'object' && value !== null && 'message' in value
}

/** As reasonOf(), for what was given `withinMs` milliseconds and may have run out of them. */
export function reasonOfFetch(error: unknown, withinMs: number): string {
  return (error as Error).name === 'TimeoutError'
    ? `did not answer in ${withinMs / 1_000} s`
    : `cannot be reached (${reasonOf(error)})`
}
