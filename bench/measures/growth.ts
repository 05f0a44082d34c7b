import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inPacedBatches } from '../../shared/paced-batches.js'
import { deleteExpiredKeys } from '../../shared/statements/due-rows.js'
import { KEY_BATCHES } from '../../workers/key-cleanup.js'
import { fill, fillKeys, KEYS_EXPIRED } from '../fill.js'
import type { Stores } from '../stores.js'
import { type Installation, startTillworks } from '../tillworks.js'
import { deliver } from './ack.js'
import { carts, checkouts, stockProducts } from './checkout.js'
import { withCosts } from './costs.js'
import type { Measure, Plan } from './measure.js'
import { type Contestant, inRounds, ratio } from './rounds.js'

const SMALL = 10_000
const CONNECTIONS = 8

/** The same load on a small database and on a grown one, and deliveries while expired keys are deleted from the grown one. */
export const growth: Measure = async (stores, plan) => {
  const file = join(stores.folder, 'checkouts')
  writeFileSync(file, await carts())
  const running: Sized[] = []
  try {
    for (const [name, events] of [
      ['small', SMALL],
      ['grown', plan.grown]
    ] as const) {
      const installation = await startTillworks(stores, { name: `growth_${name}`, workers: 1, stripeMs: 0 })
      running.push({ name, installation })
      await stockProducts(installation)
      await fillWhole(installation, events)
      plan.progress(`${name}: ${events} events, orders, keys and rows of the trail`)
    }
    const checkedOut = await inRounds(
      running.map(({ name, installation }) =>
        checkouts(stores, { name: `checkouts, ${name}`, stripeMs: 0, installation }, CONNECTIONS, file)
      ),
      plan
    )
    // Applying what is delivered would take the time of what is measured next.
    for (const { installation } of running) await installation.stopWorkers()
    const delivered = await inRounds(
      running.map(each => deliveries(stores, each)),
      plan
    )
    const half = (delivered.rows[1]?.values.rate ?? 0) / 2
    const cleaned = await whileDeleting(stores, running[1] as Sized, half, plan)
    const rows = [...checkedOut.rows, ...delivered.rows, ...cleaned.rows]
    const compared = (what: string, column: string) => ratio(rows, `${what}, grown`, `${what}, small`, column)
    return {
      ratios: {
        'the rate of checkouts, small': compared('checkouts', 'rate'),
        'the CPU of checkouts, small': compared('checkouts', 'allMs'),
        'the rate of deliveries, small': compared('deliveries', 'rate'),
        'the CPU of deliveries, small': compared('deliveries', 'allMs'),
        'the p99 without deleting': ratio(rows, DELETING, HALF, 'p99Ms')
      },
      rows,
      notes: [
        ...[checkedOut, delivered, cleaned].flatMap(({ notes }) => notes),
        `small is ${SMALL} events, orders, keys and rows of the trail, grown ${plan.grown} of each`
      ]
    }
  } finally {
    await Promise.all(running.map(({ installation }) => installation.stop()))
  }
}

const HALF = 'deliveries, grown, half rate'
const DELETING = `${HALF}, while keys are deleted`

interface Sized {
  name: string
  installation: Installation
}

/** Half of its keys are expired. */
async function fillWhole({ database }: Installation, events: number): Promise<void> {
  const client = await database.connect()
  try {
    const expiredKeys = Math.floor(events / 2)
    await fill(client, { events, orders: events, expiredKeys, keys: events - expiredKeys })
    await client.query('CHECKPOINT')
  } finally {
    client.release()
  }
}

function deliveries(stores: Stores, sized: Sized, rate?: number): Contestant {
  return {
    name: rate === undefined ? `deliveries, ${sized.name}` : HALF,
    isPaced: rate !== undefined,
    run: seconds => sizeKept(sized, () => deliverTo(stores, sized, seconds, rate))
  }
}

async function deliverTo(stores: Stores, { installation }: Sized, seconds: number, rate?: number) {
  return await withCosts(stores, installation, async () => {
    const { requests, ...values } = await deliver(stores, installation.port, seconds, rate)
    return { count: requests, values }
  })
}

/** Deletes the events that `work` has delivered: a few loads would make the small database twenty times as large. */
async function sizeKept<T>({ installation: { database } }: Sized, work: () => Promise<T>): Promise<T> {
  const since = new Date()
  const values = await work()
  await database.query('DELETE FROM "WebhookEvent" WHERE "receivedAt" >= $1', [since])
  await database.query('VACUUM "WebhookEvent"')
  return values
}

/** Deliveries at this rate, and the same while expired keys are deleted, of which each round finds half as many as there are events. */
async function whileDeleting(stores: Stores, grown: Sized, rate: number, plan: Plan) {
  let missing = 0
  let refills = 0
  let endedEarly = 0
  const deleting: Contestant = {
    name: DELETING,
    isPaced: true,
    async run(seconds) {
      await fillKeys(grown.installation.database, `refill-${refills++}-`, missing, '1 day')
      const { values, deleted, hasEnded } = await sizeKept(grown, () =>
        deleteDuring(grown.installation, () => deliverTo(stores, grown, seconds, rate))
      )
      missing = deleted
      if (hasEnded) endedEarly++
      return { ...values, deleted }
    }
  }
  const { rows, notes } = await inRounds([deliveries(stores, grown, rate), deleting], plan)
  const early = `in ${endedEarly} of the loads the last key was deleted before the load had ended`
  return { rows, notes: endedEarly > 0 ? [...notes, early] : notes }
}

/** Does `work` while batch after batch of expired keys is deleted, as the workers do it, for as long as there are some. */
async function deleteDuring<T>({ database }: Installation, work: () => Promise<T>) {
  let isDone = false
  const deleteAll = async () => {
    const batch = async () => (isDone ? 0 : await deleteExpiredKeys(database, KEYS_EXPIRED, KEY_BATCHES.size))
    const deleted = await inPacedBatches(batch, { ...KEY_BATCHES, most: Number.POSITIVE_INFINITY })
    return { deleted, hasEnded: !isDone }
  }
  const deleting = deleteAll()
  const values = await work().finally(() => {
    isDone = true
  })
  return { values, ...(await deleting) }
}
