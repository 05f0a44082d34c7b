import { writeAudit } from '../audit/audit.js'
import { transaction } from '../database/database.js'
import { networkOf } from '../identity/ip-address.js'
import { Refused } from '../refused.js'
import type { Services } from '../runtime/services.js'
import { clearFraud } from '../statements/fraud.js'

export interface Clearance {
  userId?: string
  /** Any address of a network, or the network itself: the rules count IPv6 by networks. */
  ipAddress?: string
  operator: string
  note: string
  requestId?: string
}

/**
 * Lets the fraud rules count from zero for a customer, an IP address, or both, audited. Returns the subjects that were cleared
 * ("user:…", "ip:…").
 */
export async function clearCustomer({ db, now }: Pick<Services, 'db' | 'now'>, given: Clearance): Promise<string[]> {
  const { userId, operator, note, requestId } = given
  const network = given.ipAddress === undefined ? undefined : networkNamed(given.ipAddress)
  const subjects = [
    ...(userId === undefined ? [] : [`user:${userId}`]),
    ...(network === undefined ? [] : [`ip:${network}`])
  ]
  if (subjects.length === 0) throw new Refused('unclear_input', 'Name a customer, an IP address, or both.')
  await transaction(db.pool, async client => {
    for (const subject of subjects) {
      await clearFraud(client, subject, { operator, note, now: now() })
      await writeAudit(client, {
        action: 'fraud_unblocked',
        status: 'SUCCESS',
        userId,
        requestId,
        // In the columns that can be forgotten; the metadata's texts are masked.
        ipAddress: subject.startsWith('ip:') ? network : null,
        metadata: { subject, operator, note }
      })
    }
  })
  return subjects
}

/** What the rules count an IP address by. Throws Refused when it is none. */
export function networkNamed(text: string): string {
  const network = networkOf(text.replace(/\/64$/, ''))
  if (network === null)
    throw new Refused('unclear_input', `Give an IP address such as 203.0.113.7 or 2001:db8::1, not "${text}".`)
  return network
}
