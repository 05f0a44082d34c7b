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
  check(guess: Guess<T>): Promise<Verdict<T>>
}

/** What other processes have counted, too. Neither throws. */
export interface SharedGuesses {
  read(address: string): Promise<number>
  add(address: string): Promise<void>
}

export const FREE = 10
export const WINDOW = 15 * MINUTE
const DELAY = { first: SECOND / 4, longest: 4 * SECOND }
const MAX_WAITING = 20
const MAX_KNOWN = 1_000
const MAX_ADDRESSES = 10_000

interface Guesser {
  /** When its window began. */
  since: number
  count: number
  waiting: number
  line: Promise<unknown>
}

/**
 * Slows guessing down and locks nobody out (docs/decisions/0018). After ten different wrong credentials of an address in a
 * quarter of an hour, others of that address are compared one after the other, each after a delay that grows to four seconds.
 * While as many addresses as are counted have come within that time, all others share one such line.
 */
export function createGuessBrake<T>({
  wait = unheld,
  now = () => performance.now(),
  maxAddresses = MAX_ADDRESSES,
  shared = undefined as SharedGuesses | undefined
} = {}): GuessBrake<T> {
  const known = new Set<string>()
  /** In the order in which their windows began. */
  const guessers = new Map<string, Guesser>()
  const others = { since: now(), count: FREE, waiting: 0, line: Promise.resolve() }

  const isOver = ({ since }: Guesser) => now() - since >= WINDOW

  function guesserAt(address: string): Guesser {
    const found = guessers.get(address)
    if (found !== undefined && !isOver(found)) return found
    guessers.delete(address)
    for (const [oldest, guesser] of guessers) {
      if (!isOver(guesser)) break
      guessers.delete(oldest)
    }
    if (guessers.size >= maxAddresses) return isOver(others) ? begin(others, FREE) : others
    const guesser = begin(found ?? { since: 0, count: 0, waiting: 0, line: Promise.resolve() }, 0)
    guessers.set(address, guesser)
    return guesser
  }

  function begin(guesser: Guesser, count: number): Guesser {
    return Object.assign(guesser, { since: now(), count })
  }

  /** Somebody who guesses at several processes has no more tries than at one. */
  async function learn(guesser: Guesser, address: string): Promise<void> {
    if (shared === undefined || guesser.count >= FREE) return
    guesser.count = Math.max(guesser.count, Math.min(await shared.read(address), FREE))
  }

  async function check({ digest, compare, address }: Guess<T>, guesser: Guesser): Promise<Verdict<T>> {
    if (known.delete(digest)) {
      known.add(digest)
      return { is: 'wrong', known: true, count: guesser.count }
    }
    const who = compare()
    if (who !== undefined) return { is: 'right', who }
    known.add(digest)
    dropOldest(known, MAX_KNOWN)
    guesser.count++
    const { count } = guesser
    await shared?.add(address)
    return { is: 'wrong', known: false, count }
  }

  return {
    async check(guess) {
      const guesser = guesserAt(guess.address)
      if (!known.has(guess.digest)) await learn(guesser, guess.address)
      if (guesser.count < FREE || known.has(guess.digest)) return await check(guess, guesser)
      if (guesser.waiting >= MAX_WAITING) return { is: 'busy', retryAfterMs: DELAY.longest }
      guesser.waiting++
      const turn = guesser.line.then(async () => {
        if (guess.isGone()) return { is: 'gone' } as const
        await wait(Math.min(DELAY.first * 2 ** (guesser.count - FREE), DELAY.longest))
        return await check(guess, guesser)
      })
      const leave = () => {
        guesser.waiting--
      }
      // The next one has its turn whatever becomes of this one.
      guesser.line = turn.then(leave, leave)
      return await turn
    }
  }
}

function dropOldest(all: Set<string>, max: number): void {
  const [oldest] = all.keys()
  if (all.size > max && oldest !== undefined) all.delete(oldest)
}

/** A process that ends does not wait for it. */
function unheld(ms: number): Promise<unknown> {
  return sleep(ms, undefined, { ref: false })
}
