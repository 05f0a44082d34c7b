import { alertUnlessOpen } from '../shared/audit/alerts.js'
import { HOUR, MINUTE, SECOND } from '../shared/duration.js'
import { messageOf } from '../shared/errors.js'
import type { Services } from '../shared/runtime/services.js'
import type { SignatureFault } from './webhook-signature.js'

const WINDOW = 5 * MINUTE
/** So many in the window, and no fewer than were accepted: less is somebody's attempt, or one endpoint of several. */
const MANY = 20
const RAISE_EVERY = HOUR
const RETRY_AFTER = MINUTE

export interface RefusedSignatures {
  accepted(): void
  refused(fault: SignatureFault): void
}

interface Second {
  at: number
  accepted: number
  refused: number
  /** The first of them. */
  faults: SignatureFault[]
}

/**
 * Counts, in this process alone, the deliveries that were signed and not believed: a rolled secret or a wrong clock
 * refuses all of them, and Stripe gives up after three days. Raises signatures_refused at most once an hour; a refused
 * request costs no work in the database. What bears no signature does not count: anybody can send that.
 */
export function watchRefusedSignatures({ db, log, now }: Services): RefusedSignatures {
  let seconds: Second[] = []
  let quietUntil = 0

  const current = (): Second => {
    const time = now().getTime()
    const last = seconds.at(-1)
    if (last !== undefined && time - last.at < SECOND) return last
    seconds = seconds.filter(second => time - second.at < WINDOW)
    const next = { at: time, accepted: 0, refused: 0, faults: [] }
    seconds.push(next)
    return next
  }

  const raise = async (reason: string): Promise<void> => {
    quietUntil = now().getTime() + RAISE_EVERY
    await alertUnlessOpen(db.pool, log, 'signatures_refused', { reason }).catch(error => {
      log.warn({ reason: messageOf(error) }, 'an alert about refused signatures waits for the database')
      quietUntil = now().getTime() + RETRY_AFTER
    })
  }

  return {
    accepted() {
      current().accepted++
    },
    refused(fault) {
      if (fault.kind === 'missing') return
      const second = current()
      second.refused++
      if (second.faults.length < MANY) second.faults.push(fault)
      if (now().getTime() < quietUntil) return
      const refused = seconds.reduce((sum, each) => sum + each.refused, 0)
      const accepted = seconds.reduce((sum, each) => sum + each.accepted, 0)
      if (refused < MANY || refused < accepted) return
      const numbers = `${refused} deliveries were refused within five minutes, ${accepted} were accepted`
      void raise(`${numbers}. Of most: ${meaning(seconds.flatMap(each => each.faults))}`)
    }
  }
}

/** What is wrong with most of them, and what to do about it. */
function meaning(all: SignatureFault[]): string {
  const most = mostOf(all.map(fault => fault.kind))
  const faults = all.filter(({ kind }) => kind === most)
  const [first] = faults
  if (first?.kind === 'secret') {
    return 'no signature matches. Is the endpoint’s signing secret another one by now, or does a proxy change the body? Put the new secret first in STRIPE_WEBHOOK_SECRET and restart.'
  }
  if (first?.kind !== 'clock') return first?.reason ?? ''
  const offsets = faults.flatMap(fault => (fault.kind === 'clock' ? [fault.seconds] : [])).sort((a, b) => a - b)
  const seconds = offsets[Math.floor(offsets.length / 2)] ?? 0
  const side = seconds > 0 ? 'behind' : 'ahead of'
  return `the signature is right and its time is not: this server’s clock is about ${Math.abs(seconds)} seconds ${side} Stripe’s. Set the clock (NTP).`
}

function mostOf<T>(values: T[]): T | undefined {
  const count = (value: T) => values.filter(each => each === value).length
  return [...new Set(values)].sort((a, b) => count(b) - count(a))[0]
}
