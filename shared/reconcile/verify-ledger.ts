import { bookBalanceTransactions, type LedgerSources } from './balance.js'
import { checkLedger, type LedgerReport } from './ledger-check.js'

/**
 * As checkLedger(), after booking what a schedule would book: a fee that nobody has looked up yet is no difference. `errors`:
 * what Stripe refused to tell.
 */
export async function verifyLedger(
  services: LedgerSources,
  since: Date,
  until: Date
): Promise<LedgerReport & { errors: string[] }> {
  const errors: string[] = []
  await bookBalanceTransactions(services, errors)
  return { ...(await checkLedger(services, since, until)), errors }
}
