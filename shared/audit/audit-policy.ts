import type { Access } from '../database/access.js'
import { connectBounded } from '../database/bounded-client.js'
import { SECOND } from '../duration.js'
import { type AuditPolicy, writeAuditPolicy } from '../statements/audit-trail.js'

const ANSWER_WITHIN = 10 * SECOND

/**
 * Tells the database how long it has to keep the trail, whatever the application asks for: as its owner, who alone can.
 * What is not given stays as it is.
 */
export async function setAuditPolicy(
  access: Access | string,
  { dataDays, logDays }: { dataDays?: number; logDays?: number }
): Promise<AuditPolicy> {
  const client = await connectBounded(access, ANSWER_WITHIN)
  try {
    return await writeAuditPolicy(client, { chainDays: logDays, addressDays: dataDays })
  } finally {
    await client.end()
  }
}
