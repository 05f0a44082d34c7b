import type { Request, Response } from 'express'
import type { VNode } from 'preact'
import { renderToString } from 'preact-render-to-string'
import { publicPath } from '../../../shared/runtime/base-path.js'
import { operatorOf } from '../../../shared/runtime/operator-access.js'
import type { Services } from '../../../shared/runtime/services.js'
import { forms } from './forms.js'
import type { Frame } from './layout.js'

/** Nothing but our own files, and forms that lead back to us. */
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

export function sendPage(response: Response, page: VNode, status = 200): void {
  response.setHeader('Content-Security-Policy', POLICY)
  // A form's Origin is "null" under helmet's no-referrer, and could not be told from another site's.
  response.setHeader('Referrer-Policy', 'same-origin')
  response.setHeader('Cache-Control', 'no-store')
  response
    .status(status)
    .type('html')
    .send(`<!doctype html>${renderToString(page)}`)
}

/** After what was asked for: a path of ours, written without the prefix. */
export function redirect({ config }: Services, response: Response, path: string): void {
  response.redirect(303, publicPath(config.ops.basePath, path))
}

export function frameOf(request: Request, response: Response, { config }: Services): Frame {
  const { name, role } = operatorOf(response)
  const { done } = request.query
  return {
    operator: name,
    mayAct: role === 'operator',
    livemode: config.stripe.livemode,
    basePath: config.ops.basePath,
    path: request.path,
    done: typeof done === 'string' ? forms[done]?.done : undefined
  }
}
