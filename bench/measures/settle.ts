import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Bare, startBullmq } from '../contestants/bullmq.js'
import { payAt } from '../load/payments.js'
import type { Stores } from '../stores.js'
import { type Installation, startTillworks } from '../tillworks.js'
import { ask, carts, countSessions, stockProducts } from './checkout.js'
import { withCosts } from './costs.js'
import type { Measure } from './measure.js'
import { type Contestant, inRounds, ratio } from './rounds.js'
import { countStatements } from './statements.js'

const PARTS = [0.25, 0.5, 0.8]

/** From the first delivery about a payment to the commit that makes its order PAID, as PostgreSQL's own clock has both. */
export const settle: Measure = async (stores, plan) => {
  const file = join(stores.folder, 'checkouts')
  writeFileSync(file, await carts())
  const builds = [{ name: 'tillworks', root: undefined as string | undefined }]
  builds.push(...plan.against.map(root => ({ name: basename(root), root })))
  const running: { name: string; installation: Installation }[] = []
  const bare = await startBullmq(stores)
  try {
    for (const [place, { name, root }] of builds.entries()) {
      const installation = await startTillworks(stores, { root, name: `settle_${place}`, workers: 1, stripeMs: 0 })
      running.push({ name, installation })
      await stockProducts(installation)
    }
    const ours = running.map(({ name, installation }) => payments(stores, installation, name, file))
    const { rows, notes } = await inRounds([...ours, barePayments(stores, bare)], plan)
    const own = running[0]?.installation as Installation
    const top = rows[0]?.values.rate ?? 0
    const parts = await inRounds(
      PARTS.map(part => paymentsAt(own, part, top, file)),
      plan
    )
    const counts: string[] = []
    for (const { name, installation } of running) {
      const urls = await openCheckouts(installation, plan.seconds, file)
      const count = await countStatements(installation.database, async () => {
        await pay(installation, urls)
        return urls.length
      })
      counts.push(`statements a payment, as fast as it goes, ${name}: ${count.toFixed(1)}`)
    }
    const names = [...running.slice(1).map(({ name }) => name), BARE]
    return {
      ratios: {
        ...Object.fromEntries(names.map(name => [name, ratio(rows, 'tillworks', name, 'rate')])),
        bullmqCpu: ratio(rows, BARE, 'tillworks', 'allMs')
      },
      rows: [...rows, ...parts.rows],
      notes: [...notes, ...parts.notes, ...counts]
    }
  } finally {
    await Promise.all([bare.stop(), ...running.map(({ installation }) => installation.stop())])
  }
}

const BARE = 'bullmq'
/** About as many as ours open in that time. */
const BARE_PAGES_A_SECOND = 60

/** Payments as fast as they go, and what each costs. */
export function payments(stores: Stores, own: Installation, name: string, file: string): Contestant {
  return {
    name,
    run: async seconds => {
      const urls = await openCheckouts(own, seconds, file)
      return await withCosts(stores, own, async () => ({ count: urls.length, values: await pay(own, urls) }))
    }
  }
}

function barePayments(stores: Stores, bare: Bare): Contestant {
  return {
    name: BARE,
    run: async seconds => {
      const urls = await bare.openPages(seconds * BARE_PAGES_A_SECOND)
      return await withCosts(stores, bare, async () => ({ count: urls.length, values: await bare.pay(urls) }))
    }
  }
}

function paymentsAt(own: Installation, part: number, top: number, file: string): Contestant {
  return {
    name: `tillworks, ${part * 100} % of its rate`,
    isPaced: true,
    run: async seconds => {
      const urls = await openCheckouts(own, seconds * part, file)
      return await pay(own, urls.slice(0, Math.ceil(top * part * seconds)), top * part)
    }
  }
}

/** The pages of checkouts that are made for so long and not paid yet. */
export async function openCheckouts(own: Installation, seconds: number, file: string): Promise<string[]> {
  await ask(own, 8, Math.max(1, Math.ceil(seconds / 3)), file)
  await countSessions(own)
  const { rows } = await own.database.query(`SELECT "sessionUrl" FROM "Checkout" WHERE "status" = 'OPEN'`)
  return rows.map(row => row.sessionUrl)
}

/** Pays them all, at a rate a second or as fast as it goes, and waits until each order is PAID. */
export async function pay(own: Installation, urls: string[], rate?: number): Promise<Record<string, number>> {
  const left = async () => {
    const { rows } = await own.database.query(
      `SELECT (SELECT count(*) FROM "Checkout" WHERE "sessionUrl" = ANY($1) AND "status" = 'OPEN')::int + (SELECT count(*) FROM "WebhookEvent" WHERE "status" = 'RECEIVED')::int AS left`,
      [urls]
    )
    return Number(rows[0].left)
  }
  return { rate: await payAt(urls, left, rate), ...(await latencies(own, urls)) }
}

async function latencies({ database }: Installation, urls: string[]): Promise<Record<string, number>> {
  const { rows } = await database.query(
    `WITH payment AS (
       SELECT extract(epoch FROM pg_xact_commit_timestamp(o.xmin) - min(e."receivedAt")) * 1000 AS ms
       FROM "Checkout" c JOIN "Order" o ON o."id" = c."orderId" JOIN "WebhookEvent" e ON e."checkoutId" = c."id"
       WHERE c."sessionUrl" = ANY($1) GROUP BY c."id", o.xmin
     )
     SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::float AS p50, percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::float AS p99 FROM payment`,
    [urls]
  )
  return { p50Ms: rows[0].p50, p99Ms: rows[0].p99 }
}
