import { createHash } from 'node:crypto'
import { ApiError, invalidRequest } from './errors.js'
import type { Store, StoredAnswer } from './store.js'

const KEPT_MS = 24 * 3_600_000

/** Claims a key. Returns the kept answer to replay, or undefined when the request is to be done. */
export function claimKey(store: Store, key: string, path: string, body: string, now: number): StoredAnswer['answer'] {
  if (key.length > 255) {
    throw invalidRequest(`Idempotency-Key must be at most 255 characters, but it is ${key.length}.`)
  }
  const params = createHash('sha256').update(body).digest('hex')
  const kept = store.answers.get(key)
  if (kept === undefined || kept.createdAt < now - KEPT_MS) {
    store.answers.set(key, { path, params, createdAt: now })
    return undefined
  }
  if (kept.path !== path) {
    throw idempotencyError(
      `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${kept.path}' vs '${path}'). Try using a key other than '${key}' if you meant to execute a different request.`
    )
  }
  if (kept.params !== params) {
    throw idempotencyError(
      `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`
    )
  }
  if (kept.answer === undefined) {
    throw new ApiError(409, {
      type: 'idempotency_error',
      code: 'idempotency_key_in_use',
      message: `There is currently another in-progress request using this Stripe-Idempotency Key (that probably means you submitted twice, and the other request is still going through): ${key}. Please try again later.`
    })
  }
  return kept.answer
}

/** Keeps the answer; a request that failed validation is forgotten, so that the key can be used again. */
export function keepAnswer(store: Store, key: string, answer: NonNullable<StoredAnswer['answer']>): void {
  const kept = store.answers.get(key)
  if (kept === undefined) return
  const began = answer.status < 400 || answer.status === 402 || answer.status >= 500
  if (began) kept.answer = answer
  else store.answers.delete(key)
  store.changed()
}

function idempotencyError(message: string): ApiError {
  return new ApiError(400, { type: 'idempotency_error', message })
}
