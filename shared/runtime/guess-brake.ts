import { setTimeout as sleep } from 'node:timers/promises'
import { MINUTE, SECOND } from '../duration.js'

/** What became of credentials: `known` ones were wrong before and do not count again; `busy` ones were not looked at. */
export type Verdict<T> =
  | { is: 'right'; who: T }
  | { is: 'wrong'; known: boolean; count: number }
  | { is: 'busy'; retryAfterMs: number }
  | { is: 'gone' }

export interface Guess<T> {
  /** Of whom it is counted. */
  address: string
  /** Equal for equal credentials, and nothing that could be read. */
  digest: string
  compare(): T | undefined
  /** Whether whoever gave them has stopped waiting for an answer. */
  isGone(): boolean
}

export interface GuessBrake<T> {
  judge(guess: Guess<T>): Promise<Verdict<T>>
}

const FREE = 10
const WINDOW = 15 * MINUTE
const DELAY = { first: SECOND / 4, longest: 4 * SECOND }
const MAX_WAITING = 20
const MAX_KNOWN = 1_000
const MAX_ADDRESSES = 10_000

interface Guesser {
  since: number
  count: number
  waiting: number
  line: Promise<unknown>
}

/**
 * Slows guessing down and locks nobody out (docs/decisions/0018). After ten different wrong credentials of an address in a
 * quarter of an hour, others of that address are compared one after the other, each after a delay that grows to four seconds.
 */
export function createGuessBrake<T>({ wait = unheld, now = Date.now } = {}): GuessBrake<T> {
  const known = new Set<string>()
  const guessers = new Map<string, Guesser>()

  function guesserAt(address: string): Guesser {
    const found = guessers.get(address) ?? { since: now(), count: 0, waiting: 0, line: Promise.resolve() }
    if (now() - found.since >= WINDOW) Object.assign(found, { since: now(), count: 0 })
    guessers.set(address, found)
    dropOldest(guessers, MAX_ADDRESSES)
    return found
  }

  function compare({ address, digest, compare }: Guess<T>): Verdict<T> {
    if (known.delete(digest)) {
      known.add(digest)
      return { is: 'wrong', known: true, count: guesserAt(address).count }
    }
    const who = compare()
    if (who !== undefined) return { is: 'right', who }
    known.add(digest)
    dropOldest(known, MAX_KNOWN)
    const guesser = guesserAt(address)
    guesser.count++
    return { is: 'wrong', known: false, count: guesser.count }
  }

  return {
    async judge(guess) {
      const guesser = guesserAt(guess.address)
      if (guesser.count < FREE || known.has(guess.digest)) return compare(guess)
      if (guesser.waiting >= MAX_WAITING) return { is: 'busy', retryAfterMs: DELAY.longest }
      guesser.waiting++
      const turn = guesser.line.then(async () => {
        if (guess.isGone()) return { is: 'gone' } as const
        await wait(Math.min(DELAY.first * 2 ** (guesser.count - FREE), DELAY.longest))
        return compare(guess)
      })
      guesser.line = turn.finally(() => {
        guesser.waiting--
      })
      return await turn
    }
  }
}

function dropOldest(all: Set<string> | Map<string, unknown>, max: number): void {
  const [oldest] = all.keys()
  if (all.size > max && oldest !== undefined) all.delete(oldest)
}

/** A process that ends does not wait for it. */
function unheld(ms: number): Promise<unknown> {
  return sleep(ms, undefined, { ref: false })
}
