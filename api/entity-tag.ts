import { createHash } from 'node:crypto'
import type { Request, Response } from 'express'

/**
 * Sends a JSON body with its ETag, or 304 without it when If-None-Match names that (RFC 9110, section 13.1.2). Express would
 * send the body whenever the request has Cache-Control: no-cache, which fetch() adds to every If-None-Match.
 */
export function sendUnlessKnown(request: Request, response: Response, body: string): void {
  const tag = `"${createHash('sha256').update(body).digest('base64url')}"`
  response.setHeader('ETag', tag)
  if (names(request.get('if-none-match') ?? '', tag)) response.status(304).end()
  else response.type('application/json').send(body)
}

/** By the weak comparison: a proxy that compresses makes tags weak. */
function names(ifNoneMatch: string, tag: string): boolean {
  const named = ifNoneMatch.split(',').map(each => each.trim())
  return named.some(each => each === '*' || each.replace(/^W\//, '') === tag)
}
