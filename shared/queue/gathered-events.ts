import { rowJob } from './jobs.js'

/** An event that was stored a moment ago, and the PaymentIntent by whose id it waits with others (rules/applied-together.ts). */
export interface StoredEvent {
  id: string
  paymentIntentId?: string | null
}

/** A job does its events one after the other: more of them would keep the last one waiting, and the other workers idle. */
export const MOST_EVENTS_A_JOB = 16
/** What comes at once is spread over at least so many jobs, which several workers do side by side. */
const FEWEST_JOBS = 8

/**
 * The jobs of events that were stored at the same time. Those of one payment share a job; under load, those of several
 * payments do (docs/decisions/0058). An event that is alone has the job of its row.
 */
export function gatherEvents(events: readonly StoredEvent[]) {
  const size = Math.min(Math.ceil(events.length / FEWEST_JOBS), MOST_EVENTS_A_JOB)
  const jobs: string[][] = []
  for (const payment of byPayment(events)) {
    const last = jobs.at(-1)
    if (last !== undefined && last.length + payment.length <= size) last.push(...payment)
    else jobs.push(payment)
  }
  return jobs.map(jobOf)
}

function byPayment(events: readonly StoredEvent[]): string[][] {
  const all: string[][] = []
  const open = new Map<string, string[]>()
  for (const { id, paymentIntentId } of events) {
    const key = paymentIntentId ?? id
    const ids = open.get(key)
    if (ids !== undefined && ids.length < MOST_EVENTS_A_JOB) {
      ids.push(id)
    } else {
      const next = [id]
      all.push(next)
      open.set(key, next)
    }
  }
  return all
}

function jobOf(eventIds: string[]) {
  const [first = '', ...others] = eventIds
  const alone = rowJob('webhook-processing', first)
  if (others.length === 0) return alone
  return { ...alone, data: { eventIds }, opts: { ...alone.opts, jobId: `${first}.and-${others.length}` } }
}
