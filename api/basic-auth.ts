import { createHash, timingSafeEqual } from 'node:crypto'
import type { RequestHandler } from 'express'

/** HTTP Basic authentication (RFC 7617) with one user; compared in constant time. */
export function basicAuth(user: string, password: string): RequestHandler {
  const expected = digest(`${user}:${password}`)
  return (request, response, next) => {
    const given = /^Basic +(\S+)$/i.exec(request.get('authorization') ?? '')?.[1] ?? ''
    if (timingSafeEqual(digest(Buffer.from(given, 'base64').toString()), expected)) return next()
    response.status(401).setHeader('WWW-Authenticate', 'Basic realm="Tillworks operations", charset="UTF-8"')
    response.type('text/plain').send('The operations pages need OPS_USER and OPS_PASSWORD.\n')
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
