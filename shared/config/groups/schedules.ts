import { type Group, setting } from '../setting.js'
import { cron, integer } from '../value-types.js'

const repeated = (variable: string, pattern: string, doc: string) =>
  setting(variable, cron(pattern), { default: pattern, doc })

export const schedules = {
  title: 'Schedules',
  settings: {
    sweepEverySeconds: setting('SWEEP_EVERY_SECONDS', integer(1, 3_600), {
      default: '15',
      doc: 'how often to look for rows that are due and have no job'
    }),
    sweepAfterSeconds: setting('SWEEP_AFTER_SECONDS', integer(1, 3_600), {
      default: '30',
      doc: 'how long a row has to be due before it gets a job again'
    }),
    keyCleanupCron: repeated(
      'KEY_CLEANUP_CRON',
      '*/15 * * * *',
      'when to remove expired idempotency keys: every 15 minutes'
    ),
    retentionCron: repeated('RETENTION_CRON', '17 3 * * *', 'when to forget what is past its days: every night'),
    verificationCron: repeated(
      'VERIFICATION_CRON',
      '47 3 * * *',
      'when to verify the audit trail, and the ledger of the last week against Stripe: every night'
    ),
    reconcileCron: repeated(
      'RECONCILE_CRON',
      '*/10 * * * *',
      'when to look for what no webhook told: every 10 minutes'
    ),
    reconcileGraceMinutes: setting('RECONCILE_GRACE_MINUTES', integer(0, 1_440), {
      default: '10',
      doc: 'how long past its time a checkout may be before Stripe is polled'
    }),
    authorizationAlertHours: setting('AUTHORIZATION_ALERT_HOURS', integer(1, 720), {
      default: '48',
      doc: 'how long before an authorization lapses the alert comes'
    })
  }
} satisfies Group
