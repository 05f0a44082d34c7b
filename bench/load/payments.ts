import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../../local/eventually.js'

const PAYERS = 16
const CARD = { number: '4242424242424242', exp: '12/34', cvc: '123', name: 'Ada Lovelace' }

/**
 * Pays at these pages of the simulated Stripe, at a rate a second or as fast as it goes, and waits until nothing is `left`.
 * Returns how many that were a second.
 */
export async function payAt(urls: string[], left: () => Promise<number>, rate?: number): Promise<number> {
  const begun = performance.now()
  const waiting = [...urls]
  let started = 0
  const payer = async () => {
    for (let url = waiting.pop(); url !== undefined; url = waiting.pop()) {
      const due = rate === undefined ? 0 : begun + (started++ * 1_000) / rate - performance.now()
      if (due > 0) await sleep(due)
      const answer = await fetch(url, { method: 'POST', body: new URLSearchParams(CARD), redirect: 'manual' })
      await answer.arrayBuffer()
    }
  }
  await Promise.all(Array.from({ length: PAYERS }, payer))
  const unpaid = await eventually(left, count => count === 0)
  if (unpaid > 0) throw new Error(`${unpaid} checkouts or events were not settled`)
  return (urls.length * 1_000) / (performance.now() - begun)
}
