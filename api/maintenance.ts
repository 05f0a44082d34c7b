import type { RequestHandler } from 'express'
import { SECOND } from '../shared/duration.js'
import { messageOf, Problem } from '../shared/errors.js'
import { createSharedRead } from '../shared/runtime/shared-read.js'
import { type Maintenance, readMaintenance } from '../shared/statements/switches.js'
import type { Ingress } from './ingress.js'

const RETRY_AFTER_SECONDS = 120
/** Every process sees a switch within a second. */
const LOOK_EVERY = SECOND / 2
const LOOK_WITHIN = SECOND

/**
 * Refuses new checkouts and orders while MAINTENANCE=true or `ops maintenance on` holds; webhooks and workers go on. The
 * switch is read at most twice a second, and whoever comes meanwhile waits for that read. While the database is away, what
 * was read last holds; a process that has read nothing yet takes nothing (503): it could not write it down either.
 */
export function refuseInMaintenance(ingress: Ingress): RequestHandler {
  const { config, control, log, now } = ingress
  let known: { value: Maintenance | undefined } | undefined
  const read = createSharedRead(
    async () => {
      try {
        known = { value: await readMaintenance(control, LOOK_WITHIN) }
      } catch (error) {
        log.warn({ reason: messageOf(error) }, 'the maintenance switch could not be read')
        throw error
      }
    },
    { everyMs: LOOK_EVERY, withinMs: LOOK_WITHIN, what: 'the maintenance switch' }
  )
  const look = async (): Promise<Maintenance | undefined> => {
    await read().catch(error => {
      if (known === undefined) throw error
    })
    return known?.value
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
