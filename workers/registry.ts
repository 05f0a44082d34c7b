import { keyCleanup } from './key-cleanup.js'
import { orderNotification } from './order-notification.js'
import { priceVerification } from './price-verification.js'
import { reconcileJob } from './reconcile.js'
import { refundCreation } from './refund-creation.js'
import { reports } from './reports.js'
import { retention } from './retention.js'
import { sessionCreation } from './session-creation.js'
import { sessionExpiry } from './session-expiry.js'
import { sweep } from './sweep.js'
import { verification } from './verification.js'
import { webhookProcessing } from './webhook-processing.js'

/** Every job that the workers run. */
export const jobs = [
  priceVerification,
  sessionCreation,
  sessionExpiry,
  webhookProcessing,
  refundCreation,
  orderNotification,
  keyCleanup,
  sweep,
  reconcileJob,
  retention,
  verification,
  reports
] as const
