import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { eventually } from '../../local/eventually.js'
import { memoryMb, type Server } from '../processes.js'
import type { Stores } from '../stores.js'
import { type Installation, startTillworks } from '../tillworks.js'
import { deliver } from './ack.js'
import { carts, stockProducts } from './checkout.js'
import type { Measure, Plan, Row } from './measure.js'
import { openCheckouts, pay } from './settle.js'

/** So many times the seconds of a load; `--seconds 60` compares the fifth minute with the first. */
const LATE = 5

/** What it costs to have it: start-up, memory over time, CPU for a thousand payments, Redis for a thousand waiting deliveries. */
export const cost: Measure = async (stores, plan) => {
  const file = join(stores.folder, 'checkouts')
  writeFileSync(file, await carts())
  const own = await startTillworks(stores, { name: 'cost', workers: 1, stripeMs: 0 })
  try {
    await stockProducts(own)
    const processes = { ingress: own.apis[0] as Server, workers: own.workers[0] as Server }
    const memory = () => Object.values(processes).map(({ pid }) => memoryMb(pid))
    const idle = memory()
    const before = { ...own.cpu(), ...stores.cpu() }
    const begun = performance.now()
    let payments = await payFor(own, file, begun + plan.seconds * 1_000)
    const early = memory()
    payments += await payFor(own, file, begun + LATE * plan.seconds * 1_000)
    const late = memory()
    const after = { ...own.cpu(), ...stores.cpu() }
    plan.progress(`${payments} payments`)
    const rows = Object.entries(processes).map(([name, { start }], place): Row => {
      const values = {
        startMs: start.ms,
        startCpuMs: start.cpuMs,
        idleMb: idle[place] ?? 0,
        earlyMb: early[place] ?? 0
      }
      return { name, values: { ...values, lateMb: late[place] ?? 0 } }
    })
    const seconds = (ms: number) => ms / payments
    const thousand: Row = {
      name: 'a thousand payments, from their checkouts on',
      values: {
        apiS: seconds(after.api - before.api),
        workersS: seconds(after.workers - before.workers),
        postgresS: seconds(after.postgres - before.postgres),
        redisS: seconds(after.redis - before.redis)
      }
    }
    const growth = (place: number) => (late[place] ?? 0) / (early[place] ?? 0)
    return {
      ratios: { 'the early memory of the ingress': growth(0), 'the early memory of the workers': growth(1) },
      rows: [...rows, thousand, ...(await waitingDeliveries(stores, plan))],
      notes: [`early: after ${plan.seconds} s of load, late: after ${LATE * plan.seconds} s`]
    }
  } finally {
    await own.stop()
  }
}

/** Checks out and pays until then. Returns how many payments that were. */
async function payFor(own: Installation, file: string, until: number): Promise<number> {
  let payments = 0
  do {
    const urls = await openCheckouts(own, 1, file)
    await pay(own, urls)
    payments += urls.length
  } while (performance.now() < until)
  return payments
}

/** Deliveries share jobs (docs/decisions/0058), so they are what is counted. On PostgreSQL as the queue a job is a row among others. */
async function waitingDeliveries(stores: Stores, plan: Plan): Promise<Row[]> {
  if (stores.redisUrl === undefined) return []
  const own = await startTillworks(stores, { name: 'cost_waiting', workers: 0 })
  const redis = new Redis(stores.redisUrl)
  try {
    // The buffers of connections shrink while it runs.
    const used = async () => {
      const info = await redis.info('memory')
      const bytes = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1])
      return bytes('used_memory') - bytes('mem_clients_normal')
    }
    const before = await used()
    const { requests } = await deliver(stores, own.port, Math.min(3, plan.seconds))
    let keys = 0
    await eventually(
      async () => {
        const last = keys
        keys = await redis.dbsize()
        return keys - last
      },
      added => added === 0
    )
    const redisKb = ((await used()) - before) / 1_024 / (requests / 1_000)
    return [{ name: 'a thousand waiting deliveries', values: { redisKb } }]
  } finally {
    redis.disconnect()
    await own.stop()
  }
}
