import type { Request } from 'express'
import { type AuditEntry, writeAudit } from '../audit/audit.js'
import { MINUTE } from '../duration.js'
import { messageOf } from '../errors.js'
import { networkOf, plainAddress } from '../identity/ip-address.js'
import { plainUserAgent } from '../identity/user-agent.js'
import type { Services } from './services.js'

/** Of one process: whoever guesses from many networks fills the trail no faster. */
const ROWS_A_MINUTE = 60

const REFUSED = { action: 'operator_refused', status: 'FAILED', error: 'wrong password' } satisfies AuditEntry

/**
 * Tells the log and the trail of wrong passwords (PCI DSS 4.0, requirement 10.2.1.4): a row for each that is new, up to sixty
 * a minute. Those beyond stand in the log, and share one row with their number when the minute is over.
 */
export function reportRefusedPasswords({ log, db, now }: Services) {
  let minute = 0
  let rows = 0
  let beyond = 0
  let later: NodeJS.Timeout | undefined

  async function writeBeyond(): Promise<void> {
    clearTimeout(later)
    later = undefined
    const attempts = beyond
    beyond = 0
    if (attempts === 0) return
    await writeAudit(db.pool, { ...REFUSED, metadata: { attempts } }).catch(error => {
      beyond += attempts
      throw error
    })
  }

  function countBeyond(): void {
    beyond++
    later ??= setTimeout(() => {
      writeBeyond().catch(error =>
        log.warn({ reason: messageOf(error) }, 'refused passwords could not be recorded in the audit trail')
      )
    }, MINUTE).unref()
  }

  /** `count` is how many its address has had wrong. */
  return async (request: Request, count: number): Promise<void> => {
    const { remoteAddress = '' } = request.socket
    log.warn({ address: networkOf(remoteAddress) ?? 'unknown', count }, 'an operator’s password was refused')
    const current = Math.floor(now().getTime() / MINUTE)
    if (current !== minute) {
      minute = current
      rows = 0
      await writeBeyond()
    }
    if (rows >= ROWS_A_MINUTE) return countBeyond()
    rows++
    await writeAudit(db.pool, {
      ...REFUSED,
      ipAddress: plainAddress(remoteAddress),
      userAgent: plainUserAgent(request.get('user-agent'))
    })
  }
}
