import { readAuditPolicy } from '../../statements/audit-trail.js'
import type { Check } from '../check.js'
import { type Finding, fine, should } from '../finding.js'

/** How long the database keeps the trail, and what signs what is left of it. */
export const auditTrail: Check = {
  name: 'audit trail',
  needs: ['DATABASE_URL', 'DATABASE_ROLE', 'AUDIT_SIGNING_KEY', 'LOG_RETENTION_DAYS', 'DATA_RETENTION_DAYS'],
  async run({ config, database }) {
    const { chainDays, addressDays } = await readAuditPolicy(await database())
    const { logDays, dataDays } = config.retention
    const findings: Finding[] = []
    for (const [variable, days, least] of [
      ['LOG_RETENTION_DAYS', logDays, chainDays],
      ['DATA_RETENTION_DAYS', dataDays, addressDays]
    ] as const) {
      if (days < least)
        findings.push(
          should(
            `${variable}=${days} has no effect, the database keeps ${least} days: give it to npm run db:migrate, too`
          )
        )
    }
    if (config.production && config.audit.signingKeys.length === 0)
      findings.push(
        should(
          'AUDIT_SIGNING_KEY is not set: AUTH_SECRET signs what is left of removed chains, and has to be kept for as long as they count'
        )
      )
    return findings.length > 0 ? findings : [fine(`kept for ${logDays} days, addresses in it for ${dataDays}`)]
  }
}
