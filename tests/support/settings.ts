/** What has no default, but for where the queue is. */
export const ENOUGH = {
  DATABASE_URL: 'postgresql://user:password@localhost/shop',
  STRIPE_SECRET_KEY: 'sk_test_x',
  STRIPE_WEBHOOK_SECRET: 'whsec_x',
  AUTH_SECRET: 'x'.repeat(32),
  OPS_PASSWORD: 'y'.repeat(12),
  PAYMENT_SUCCESS_URL: 'https://shop.example/success',
  PAYMENT_CANCEL_URL: 'https://shop.example/cart'
}

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
