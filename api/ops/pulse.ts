import { MINUTE, SECOND } from '../../shared/duration.js'
import type { Services } from '../../shared/runtime/services.js'
import { createSharedRead } from '../../shared/runtime/shared-read.js'
import { readDayMoney } from '../../shared/statements/day-money.js'
import { measureDueRows } from '../../shared/statements/due-rows.js'
import { readPulse } from '../../shared/statements/pulse.js'

export const PULSE_MINUTES = 15

export type PulseNow = Awaited<ReturnType<typeof pulseNow>>

/** What flows at this moment, read every two seconds at most, however many pages ask. */
export function createPulse(services: Services): () => Promise<PulseNow> {
  return createSharedRead(() => pulseNow(services), {
    everyMs: 2 * SECOND,
    withinMs: 10 * SECOND,
    what: 'The pulse'
  })
}

async function pulseNow({ db, now }: Services) {
  const at = now()
  const today = new Date(`${at.toISOString().slice(0, 10)}T00:00:00Z`)
  const [flow, due, money] = await Promise.all([
    readPulse(db.pool, new Date(at.getTime() - PULSE_MINUTES * MINUTE)),
    measureDueRows(db.pool, at),
    readDayMoney(db.pool, today)
  ])
  const oldest = due.flatMap(({ since }) => (since === null ? [] : [since.getTime()])).sort((a, b) => a - b)[0]
  return {
    at,
    minutes: PULSE_MINUTES,
    ...flow,
    /** Rows that wait for a job. */
    due: due.reduce((sum, { count }) => sum + count, 0),
    oldestDueSeconds: oldest === undefined ? 0 : Math.max(0, Math.round((at.getTime() - oldest) / SECOND)),
    today: money.map(({ currency, captured, refunded, payments }) => ({ currency, captured, refunded, payments }))
  }
}
