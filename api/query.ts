import type { Request } from 'express'
import { z } from 'zod'
import { isStorable } from '../shared/database/storable.js'
import { Problem } from '../shared/errors.js'
import { errorsByPath } from './json-body.js'

/** A parameter that stands once in a query, as text that PostgreSQL can store. */
export const once = () => z.string('Give it once').refine(isStorable, 'Invalid characters')

/** A parameter that may be repeated. */
export const repeated = <T extends z.ZodType>(each: T, atMost: number) =>
  z.preprocess(
    value => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(each).max(atMost, `At most ${atMost}`).optional()
  )

/** The query of a request in the shape of `schema`; else a Problem that says what is wrong, by parameter. */
export function readQuery<S extends z.ZodType>(request: Request, schema: S): z.output<S> {
  const result = schema.safeParse({ ...request.query })
  if (result.success) return result.data
  throw new Problem('invalid_request', {
    detail: 'The query is not valid; see errors, by parameter.',
    errors: errorsByPath(result.error, 'Unknown parameter')
  })
}
