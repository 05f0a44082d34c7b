import { z } from 'zod'
import { isStorable } from '../../../shared/database/storable.js'
import type { Services } from '../../../shared/runtime/services.js'

/** Who asks for an act, for the audit trail. */
export interface ActBy {
  operator: string
  requestId: string
  /** Equal for the same request again; undefined when the caller sent no Idempotency-Key. */
  key: string | undefined
}

/** One thing that an operator does, over HTTP and on the page alike. */
export interface Act<B = never> {
  /** Behind /ops/api and /ops; `:id` is what it is done to. */
  path: string
  body: z.ZodType<B>
  /** Returns what the caller is answered. Throws Refused when it cannot be done. */
  run(services: Services, id: string, body: B, by: ActBy): Promise<unknown>
}

export type AnyAct = Act<unknown>

/** An act whose body has the shape of its schema. */
export function act<S extends z.ZodType>(given: {
  path: string
  body: S
  run(services: Services, id: string, body: z.output<S>, by: ActBy): Promise<unknown>
}): AnyAct {
  return given as unknown as AnyAct
}

/** Text that PostgreSQL can store. */
export const text = (atMost: number) =>
  z.string().max(atMost, `At most ${atMost} characters`).refine(isStorable, 'Invalid characters')

/** Why, for the audit trail. */
export const why = text(1_000).refine(value => value.trim().length >= 3, 'Say why, in at least 3 characters')
