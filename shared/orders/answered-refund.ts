import type { Services } from '../runtime/services.js'
import { type RefundRow, readRefund } from '../statements/refunds.js'

const POLL_MS = 200

/** A refund once the workers have asked Stripe for it; as it is then, when they have not within `withinMs` milliseconds. */
export async function answeredRefund(
  { db }: Pick<Services, 'db'>,
  asked: RefundRow,
  withinMs: number
): Promise<RefundRow> {
  const until = Date.now() + withinMs
  for (;;) {
    const now = (await readRefund(db.pool, asked.id)) ?? asked
    if (now.status !== 'REQUESTED' || Date.now() > until) return now
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
}
