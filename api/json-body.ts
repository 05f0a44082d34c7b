import express, { type Request, type RequestHandler } from 'express'
import type { z } from 'zod'
import { Problem } from '../shared/errors.js'

const BODY_LIMIT = 256 * 1024

/** Reads the body as bytes; readBody() makes sense of them. */
export const jsonBytes: RequestHandler = express.raw({ type: () => true, limit: BODY_LIMIT })

/** The body as JSON (RFC 8259, UTF-8), whatever its shape; else a Problem. */
export function readBody(request: Request): unknown {
  if (!request.is('application/json')) {
    throw new Problem('unsupported_media_type', { detail: 'Send the body with Content-Type: application/json.' })
  }
  return parse(request.body)
}

/** The body as JSON in the shape of `schema`; else a Problem. */
export function readJson<S extends z.ZodType>(request: Request, schema: S): z.output<S> {
  return inShape(readBody(request), schema)
}

/** A body in the shape of `schema`; else a Problem that says what is wrong, by path. */
export function inShape<S extends z.ZodType>(body: unknown, schema: S): z.output<S> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  throw new Problem('invalid_request', {
    detail: 'The request is not valid; see errors, by path.',
    errors: errorsByPath(result.error)
  })
}

function parse(body: unknown): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.isBuffer(body) ? body : Buffer.alloc(0))
    return JSON.parse(text)
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : 'it is not UTF-8 or too deeply nested'
    throw new Problem('invalid_json', { detail: `The body is not JSON: ${reason}.`.slice(0, 200) })
  }
}

/** The first message of each path; the whole body has the path "body". */
export function errorsByPath(error: z.ZodError, unknown = 'Unknown field'): Record<string, string> {
  const errors: [string, string][] = []
  for (const issue of error.issues) {
    const path = issue.path.map(String)
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) errors.push([[...path, key].join('.'), unknown])
    } else {
      errors.push([path.join('.') || 'body', issue.message])
    }
  }
  return Object.fromEntries(errors.reverse())
}
