import pg from 'pg'
import { type AuditPolicy, writeAuditPolicy } from '../statements/audit-trail.js'

/**
 * Tells the database how long it has to keep the trail, whatever the application asks for: as its owner, who alone can.
 * What is not given stays as it is.
 */
export async function setAuditPolicy(
  connectionString: string,
  { dataDays, logDays }: { dataDays?: number; logDays?: number }
): Promise<AuditPolicy> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    return await writeAuditPolicy(client, { chainDays: logDays, addressDays: dataDays })
  } finally {
    await client.end()
  }
}
