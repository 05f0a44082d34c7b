import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { Stores } from '../stores.js'
import { type Installation, startTillworks } from '../tillworks.js'
import { deliver } from './ack.js'
import { carts, stockProducts } from './checkout.js'
import { withCosts } from './costs.js'
import type { Measure, Plan, Row } from './measure.js'
import { type Contestant, inRounds } from './rounds.js'
import { payments } from './settle.js'

const API_COUNTS = [1, 2]
const WORKER_COUNTS = [1, 2, 4]
const SMOKE_COUNTS = [[2], [2]] as const

/** What more processes give: deliveries by 1 and 2 of the ingress, whole payments by 1, 2 and 4 of the workers. */
export const scale: Measure = async (stores, plan) => {
  const [apiCounts, workerCounts] = plan.smoke ? SMOKE_COUNTS : [API_COUNTS, WORKER_COUNTS]
  const acknowledged = await inTurns(
    stores,
    plan,
    apiCounts.map(apis => ({ apis, workers: 0 }))
  )
  const paid = await inTurns(
    stores,
    plan,
    workerCounts.map(workers => ({ apis: 1, workers }))
  )
  const gain = ({ rows }: { rows: Row[] }) => (rows.at(-1)?.values.rate ?? 0) / (rows[0]?.values.rate ?? 0)
  const busy = ({ rows }: { rows: Row[] }) => (rows[0]?.values.busyCores ?? 0).toFixed(1)
  return {
    ratios: { 'the deliveries of one ingress': gain(acknowledged), 'the payments of one worker': gain(paid) },
    rows: [...acknowledged.rows, ...paid.rows],
    notes: [
      ...acknowledged.notes,
      ...paid.notes,
      `what ${cpus().length} cores allow: one ingress and its load keep ${busy(acknowledged)} of them busy, one worker and its load ${busy(paid)}, the stores and the simulated Stripe included; more processes can only use what is left. What they give on cores of their own this machine cannot tell`
    ]
  }
}

interface Counts {
  apis: number
  workers: number
}

/** All are running the whole time, so that they can take turns; the idle ones cost next to nothing. */
async function inTurns(stores: Stores, plan: Plan, counts: Counts[]) {
  const file = join(stores.folder, 'checkouts')
  writeFileSync(file, await carts())
  const contestants: Contestant[] = []
  const running: Installation[] = []
  try {
    for (const { apis, workers } of counts) {
      const name = `scale_${apis}_${workers}`
      const own = await startTillworks(stores, { name, apis, workers, stripeMs: workers > 0 ? 0 : undefined })
      running.push(own)
      await stockProducts(own)
      contestants.push(
        withBusyCores(
          workers > 0
            ? payments(stores, own, `payments, ${workers} workers`, file)
            : deliveries(stores, own, `deliveries, ${apis} ingress`)
        )
      )
    }
    return await inRounds(contestants, plan)
  } finally {
    await Promise.all(running.map(own => own.stop()))
  }
}

function deliveries(stores: Stores, own: Installation, name: string): Contestant {
  return {
    name,
    run: seconds =>
      withCosts(stores, own, async () => {
        const each = await Promise.all(own.apis.map(({ port }) => deliver(stores, port, seconds)))
        const sum = (column: 'requests' | 'rate') => each.reduce((total, loaded) => total + loaded[column], 0)
        const p99Ms = Math.max(...each.map(loaded => loaded.p99Ms))
        return { count: sum('requests'), values: { rate: sum('rate'), p99Ms } }
      })
  }
}

/** How many cores of the machine were busy on average, with whatever. */
function withBusyCores({ name, run }: Contestant): Contestant {
  return {
    name,
    async run(seconds) {
      const before = coreMs()
      const values = await run(seconds)
      const after = coreMs()
      const busyCores = (cpus().length * (after.busy - before.busy)) / (after.all - before.all)
      return { ...values, busyCores }
    }
  }
}

function coreMs(): { busy: number; all: number } {
  const times = cpus().map(({ times: { idle, ...busy } }) => ({ idle, busy: Object.values(busy) }))
  const busy = times.flatMap(each => each.busy).reduce((sum, ms) => sum + ms, 0)
  return { busy, all: busy + times.reduce((sum, { idle }) => sum + idle, 0) }
}
