import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { startTcpRelay, type TcpRelay } from '../../local/tcp-relay.js'
import { type Installation, startTillworks } from '../tillworks.js'
import { ask, carts, stockProducts } from './checkout.js'
import type { Measure } from './measure.js'
import { type Contestant, inRounds, ratio } from './rounds.js'

const CONNECTIONS = 16
/** One way; there and back takes twice that and what the timers of the link add. */
const DELAY_MS = 1

/** Checkouts where PostgreSQL is a network away: of fifty products, and of one that everybody wants. */
export const distance: Measure = async (stores, plan) => {
  const builds = [{ name: 'tillworks', root: undefined as string | undefined }]
  builds.push(...plan.against.map(root => ({ name: basename(root), root })))
  const many = join(stores.folder, 'carts-of-many')
  const one = join(stores.folder, 'carts-of-one')
  writeFileSync(many, await carts())
  writeFileSync(one, await carts(1))
  const running: Installation[] = []
  const links: TcpRelay[] = []
  try {
    const contestants: Contestant[] = []
    for (const [place, { name, root }] of builds.entries()) {
      const link = await startTcpRelay(portOf(await stores.databaseUrl('postgres')), DELAY_MS)
      links.push(link)
      const options = { root, name: `distance_${place}`, workers: 1, stripeMs: 0, databasePort: link.port }
      const own = await startTillworks(stores, options)
      running.push(own)
      await stockProducts(own)
      contestants.push(checkouts(own, name, many), checkouts(own, `${name}, one product`, one))
    }
    const { rows, notes } = await inRounds(contestants, plan)
    const others = builds.slice(1).map(({ name }) => name)
    return {
      ratios: Object.fromEntries(
        others.flatMap(name => [
          [name, ratio(rows, 'tillworks', name, 'rate')],
          [`${name}, one product`, ratio(rows, 'tillworks, one product', `${name}, one product`, 'rate')]
        ])
      ),
      rows,
      notes
    }
  } finally {
    await Promise.all(running.map(own => own.stop()))
    await Promise.all(links.map(link => link.close()))
  }
}

function checkouts(own: Installation, name: string, file: string): Contestant {
  return {
    name,
    async run(seconds) {
      const { rate, p50Ms, p99Ms } = await ask(own, CONNECTIONS, seconds, file)
      return { rate, p50Ms, p99Ms }
    }
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}
