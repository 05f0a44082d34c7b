import type { RequestHandler } from 'express'
import type { Config } from '../shared/config.js'
import { Problem } from '../shared/errors.js'

const RETRY_AFTER_SECONDS = '120'

/** With MAINTENANCE=true nothing new is accepted; webhooks and workers go on. */
export function refuseInMaintenance(config: Config): RequestHandler {
  return (_request, _response, next) => {
    if (!config.maintenance) return next()
    next(
      new Problem(
        'maintenance',
        { detail: 'Checkouts are closed for a moment.' },
        { 'Retry-After': RETRY_AFTER_SECONDS }
      )
    )
  }
}
