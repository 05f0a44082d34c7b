import { HOUR, SECOND } from '../duration.js'

/** What each queue carries: ids only, because the rows are the truth (docs/golden-rules.md#rule-1). */
export interface JobPayloads {
  'price-verification': { checkoutId: string }
  'session-creation': { checkoutId: string }
  'session-expiry': { checkoutId: string }
  'webhook-processing': { eventId: string } | { eventIds: string[] }
  'refund-creation': { refundId: string }
  'order-notification': { notificationId: string }
  'key-cleanup': Record<string, never>
  sweep: Record<string, never>
  reconcile: Record<string, never>
  retention: Record<string, never>
  verification: Record<string, never>
  reports: Record<string, never>
}

export type JobName = keyof JobPayloads

/** Jobs that belong to one row; the row's id is the job's id, so that a row has at most one job of its own. */
export type RowJobName = Exclude<
  JobName,
  'key-cleanup' | 'sweep' | 'reconcile' | 'retention' | 'verification' | 'reports'
>

/**
 * BullMQ on PostgreSQL reads all kept jobs of a queue whenever one ends (apply_retention): 2,000 of them made purchases a
 * quarter slower than 100 do. Failed ones are kept longer, for a retry in Bull Board.
 */
const common = {
  removeOnComplete: { age: HOUR / SECOND, count: 100 },
  removeOnFail: { age: (24 * HOUR) / SECOND, count: 1_000 }
}

/** Retries after about 1, 2, 4 … 64 seconds, each up to half shorter, so that many failures do not retry at once. */
const soon = { ...common, attempts: 8, backoff: { type: 'exponential', delay: SECOND, jitter: 0.5 } }

/** As above, up to 8 seconds; the sweep begins again. A customer waits for it, and no longer than for the sweep. */
const atOnce = { ...soon, attempts: 5 }

/** Retries after about 5, 10, 20 … seconds, the last ones half a day apart: a shop may be down for a night. */
export const NOTIFICATION_ATTEMPTS = 15
export const NOTIFICATION_BACKOFF = 5 * SECOND
const overDays = {
  ...common,
  attempts: NOTIFICATION_ATTEMPTS,
  backoff: { type: 'exponential', delay: NOTIFICATION_BACKOFF, jitter: 0.5 }
}

/** How the job of a row names the row, and how it is tried again. */
export const rowJobs = {
  'price-verification': { key: 'checkoutId', options: atOnce },
  'session-creation': { key: 'checkoutId', options: atOnce },
  'session-expiry': { key: 'checkoutId', options: soon },
  'webhook-processing': { key: 'eventId', options: soon },
  'refund-creation': { key: 'refundId', options: soon },
  'order-notification': { key: 'notificationId', options: overDays }
} as const satisfies Record<RowJobName, { key: string; options: object }>

export const jobNames: JobName[] = [
  ...(Object.keys(rowJobs) as RowJobName[]),
  'key-cleanup',
  'sweep',
  'reconcile',
  'retention',
  'verification',
  'reports'
]

export function isRowJob(name: JobName): name is RowJobName {
  return name in rowJobs
}

export function rowJob(name: RowJobName, id: string) {
  const { key, options } = rowJobs[name]
  return { name, data: { [key]: id }, opts: { ...options, jobId: id } }
}
