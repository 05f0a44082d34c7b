import type { RequestHandler } from 'express'
import { SECOND } from '../shared/duration.js'
import { messageOf, Problem } from '../shared/errors.js'
import type { Services } from '../shared/services.js'
import { type Maintenance, readMaintenance } from '../shared/statements/switches.js'

const RETRY_AFTER_SECONDS = 120
/** Every process sees a switch within a second. */
const LOOK_EVERY = SECOND / 2

/**
 * Refuses new checkouts and orders while MAINTENANCE=true or `ops maintenance on` holds; webhooks and workers go on. The
 * switch is read at most twice a second; while the database is away, what was read last holds.
 */
export function refuseInMaintenance(services: Services): RequestHandler {
  const { config, db, log, now } = services
  let known: Maintenance | undefined
  let looked = 0
  const look = async (): Promise<Maintenance | undefined> => {
    if (Date.now() - looked < LOOK_EVERY) return known
    looked = Date.now()
    known = await readMaintenance(db.pool).catch(error => {
      log.warn({ reason: messageOf(error) }, 'the maintenance switch could not be read')
      return known
    })
    return known
  }
  return async (_request, _response, next) => {
    if (config.maintenance) throw closed('Checkouts are closed for a moment.', RETRY_AFTER_SECONDS)
    const maintenance = await look()
    if (maintenance === undefined || !maintenance.on) return next()
    const left = maintenance.until === null ? undefined : new Date(maintenance.until).getTime() - now().getTime()
    if (left !== undefined && left <= 0) return next()
    throw closed(maintenance.message, left === undefined ? RETRY_AFTER_SECONDS : Math.ceil(left / SECOND))
  }
}

function closed(detail: string, seconds: number): Problem {
  return new Problem('maintenance', { detail }, { 'Retry-After': String(seconds) })
}
