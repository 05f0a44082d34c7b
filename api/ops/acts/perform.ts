import { createHash } from 'node:crypto'
import { HOUR, MINUTE } from '../../../shared/duration.js'
import { Problem } from '../../../shared/errors.js'
import type { Services } from '../../../shared/runtime/services.js'
import { answerOperatorKey, claimOperatorKey, freeOperatorKey } from '../../../shared/statements/operator-keys.js'
import { canonicalJson } from '../../canonical-json.js'
import { readKey } from '../../idempotency.js'
import type { AnyAct } from './act.js'

/** An act takes seconds; one whose process was killed can be asked for again after this. */
const IN_FLIGHT = 5 * MINUTE
const REMEMBERED = 24 * HOUR

export interface Performance {
  act: AnyAct
  id: string
  body: unknown
  operator: string
  requestId: string
  /** The caller's Idempotency-Key. */
  key: string | undefined
}

/**
 * Does what an operator asks for. The same key of the same operator is the same act: what was done is answered again for a day
 * and not done again. What was refused, or failed, is not remembered.
 */
export async function perform(services: Services, { act, id, body, operator, requestId, key }: Performance) {
  const given = readKey(key)
  if (given === undefined) return await act.run(services, id, body, { operator, requestId, key: undefined })
  const { pool } = services.db
  const now = services.now()
  const ownKey = `operator:${hash({ operator, given })}`
  const fingerprint = hash({ path: act.path, id, body })
  const expiresAt = new Date(now.getTime() + IN_FLIGHT)
  const holder = await claimOperatorKey(pool, { key: ownKey, fingerprint, expiresAt, now })
  if (holder !== undefined) {
    if (holder.fingerprint !== fingerprint) throw new Problem('key_reused')
    if (holder.answer === null) throw new Problem('key_in_flight')
    return holder.answer.data
  }
  const by = { operator, requestId, key: hash({ ownKey, fingerprint }) }
  const data = await act.run(services, id, body, by).catch(async error => {
    await freeOperatorKey(pool, ownKey)
    throw error
  })
  await answerOperatorKey(pool, ownKey, data, new Date(now.getTime() + REMEMBERED))
  return data
}

function hash(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}
