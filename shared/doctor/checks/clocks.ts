import { SECOND } from '../../duration.js'
import { readServerClock } from '../../statements/server-state.js'
import type { Check } from '../check.js'
import { type Finding, fine, must, should, Unseen } from '../finding.js'
import type { Heard } from '../stripe-account.js'
import type { Subject } from '../subject.js'

const NOTICEABLE = 2 * SECOND
/** Far below the five minutes after which signatures are refused, above what sessions are given (15 s). */
const TOO_MUCH = 30 * SECOND

/** The clock of this machine against those of the database and of Stripe. */
export const clocks: Check = {
  name: 'clocks',
  needs: [],
  async run(subject) {
    const [database, stripe] = await Promise.all([askDatabase(subject), askStripe(subject)])
    const findings = [
      ...(database === undefined ? [] : compare("the database's", database, 0)),
      // A header has whole seconds, of which it tells the beginning.
      ...(stripe === undefined ? [] : compare("Stripe's", stripe, SECOND))
    ]
    const others = [...(database === undefined ? [] : ['the database']), ...(stripe === undefined ? [] : ['Stripe'])]
    if (others.length === 0) throw new Unseen('neither the database nor Stripe tells the time')
    return findings.length > 0
      ? findings
      : [fine(`this machine, ${others.join(' and ')} agree within ${NOTICEABLE / SECOND} s`)]
  }
}

async function askDatabase({ database, now }: Subject): Promise<Heard | undefined> {
  const pool = await database().catch(() => undefined)
  if (pool === undefined) return undefined
  const sentAt = now()
  const at = await readServerClock(pool)
  return { at, sentAt, answeredAt: now() }
}

async function askStripe({ settings, account }: Subject): Promise<Heard | undefined> {
  if (settings.wrong.has('STRIPE_SECRET_KEY') || settings.wrong.has('STRIPE_API_BASE')) return undefined
  return (await account()).heard
}

/** Nothing that could be the way there and back, or the rounding, counts. */
function compare(whose: string, { at, sentAt, answeredAt }: Heard, roundedMs: number): Finding[] {
  const ahead = at.getTime() - answeredAt.getTime()
  const behind = sentAt.getTime() - (at.getTime() + roundedMs)
  const off = Math.max(ahead, behind)
  if (off <= NOTICEABLE) return []
  const text = `this machine's clock is ${(off / SECOND).toFixed(0)} s ${behind > ahead ? 'ahead of' : 'behind'} ${whose}: synchronize it (NTP)`
  return [off > TOO_MUCH ? must(`${text}, or sessions and signatures are refused`) : should(text)]
}
