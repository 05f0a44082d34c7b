import { writeAudit } from '../audit/audit.js'
import { transaction } from '../database/database.js'
import { type Maintenance, switchMaintenance } from '../statements/switches.js'
import type { Services } from './services.js'

/** Opens or closes checkouts on every process, audited; webhooks and workers go on. */
export async function setMaintenance(
  { db, now }: Pick<Services, 'db' | 'now'>,
  value: Maintenance,
  { operator, reason, requestId }: { operator: string; reason?: string; requestId?: string }
): Promise<void> {
  await transaction(db.pool, async client => {
    await switchMaintenance(client, value, operator, now())
    await writeAudit(client, {
      action: value.on ? 'maintenance_on' : 'maintenance_off',
      status: 'SUCCESS',
      requestId,
      metadata: { operator, message: value.message, until: value.until, ...(reason === undefined ? {} : { reason }) }
    })
  })
}
