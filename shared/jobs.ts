import { HOUR, SECOND } from './duration.js'

/** What each queue carries: ids only, because the rows are the truth (golden rule 1). */
export interface JobPayloads {
  'price-verification': { checkoutId: string }
  'session-creation': { checkoutId: string }
  'webhook-processing': { eventId: string }
  'key-cleanup': Record<string, never>
  sweep: Record<string, never>
}

export type JobName = keyof JobPayloads

export const jobNames = [
  'price-verification',
  'session-creation',
  'webhook-processing',
  'key-cleanup',
  'sweep'
] as const satisfies JobName[]

/** Jobs that belong to one row; the row's id is the job's id, so that a row has at most one job. */
export type RowJobName = 'price-verification' | 'session-creation' | 'webhook-processing'

export const ROW_JOB_ATTEMPTS = 8

/** Retries after about 1, 2, 4 … 64 seconds, each up to half shorter, so that many failures do not retry at once. */
export const rowJobOptions = {
  attempts: ROW_JOB_ATTEMPTS,
  backoff: { type: 'exponential', delay: SECOND, jitter: 0.5 },
  removeOnComplete: { age: HOUR / SECOND, count: 2_000 },
  removeOnFail: { age: (24 * HOUR) / SECOND, count: 5_000 }
}

export function rowJob(name: RowJobName, id: string) {
  const data = name === 'webhook-processing' ? { eventId: id } : { checkoutId: id }
  return { name, data, opts: { ...rowJobOptions, jobId: id } }
}
