/** Nothing asks Stripe by itself for what was not delivered. */
export const QUIET = { RECONCILE_CRON: '0 0 1 1 *', RECONCILE_GRACE_MINUTES: '0' }

/** The sweep stays out of the way of tests that run a job themselves, too. */
export const BY_HAND = { ...QUIET, SWEEP_AFTER_SECONDS: '3600', SWEEP_EVERY_SECONDS: '3600', STRIPE_MAX_RETRIES: '0' }

/** No repeating job runs while a test does. */
export const NO_SCHEDULES = {
  SWEEP_EVERY_SECONDS: '3600',
  KEY_CLEANUP_CRON: '0 0 1 1 *',
  RECONCILE_CRON: '0 0 1 1 *',
  RETENTION_CRON: '0 0 1 1 *',
  VERIFICATION_CRON: '0 0 1 1 *'
}
