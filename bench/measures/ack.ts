import { rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { startFloor, startInline } from '../contestants/programs.js'
import { writeDeliveries } from '../load/deliveries.js'
import { load } from '../load/wrk.js'
import { cpuMs } from '../processes.js'
import type { Stores } from '../stores.js'
import { startTillworks } from '../tillworks.js'
import type { Measure } from './measure.js'
import { type Contestant, inRounds, ratio } from './rounds.js'

const CONNECTIONS = 64
/** More than any of them answers here. */
const MOST_A_SECOND = 15_000

/** How fast a delivery is acknowledged. No workers run: what applying costs is measured by `settle`. */
export const ack: Measure = async (stores, plan) => {
  const floor = await startFloor()
  const inline = await startInline(stores)
  const own = await startTillworks(stores, { name: 'ack', workers: 0 })
  const others = await Promise.all(
    plan.against.map(async (root, place) => ({
      name: basename(root),
      installation: await startTillworks(stores, { root, name: `ack_against_${place}`, workers: 0 })
    }))
  )
  try {
    const contestants = [
      contestant(stores, 'tillworks', own.port, own.apis[0]?.pid ?? 0),
      contestant(stores, 'floor', floor.port, floor.pid),
      contestant(stores, 'inline', inline.port, inline.pid),
      ...others.map(({ name, installation: { port, apis } }) => contestant(stores, name, port, apis[0]?.pid ?? 0))
    ]
    const { rows, notes } = await inRounds(contestants, plan)
    const top = rows[0]?.values.rate ?? 0
    const half = await deliver(stores, own.port, plan.seconds, top / 2)
    const names = contestants.slice(1).map(({ name }) => name)
    const ratios = Object.fromEntries(names.map(name => [name, ratio(rows, 'tillworks', name, 'rate')]))
    return {
      ratios: { ...ratios, floorCpu: ratio(rows, 'floor', 'tillworks', 'cpuUs') },
      rows: [
        ...rows,
        { name: 'tillworks, half rate', values: { rate: half.rate, p50Ms: half.p50Ms, p99Ms: half.p99Ms } }
      ],
      notes
    }
  } finally {
    await Promise.all([
      floor.stop(),
      inline.stop(),
      own.stop(),
      ...others.map(({ installation }) => installation.stop())
    ])
  }
}

function contestant(stores: Stores, name: string, port: number, pid: number): Contestant {
  return {
    name,
    async run(seconds) {
      const before = { own: cpuMs(pid), ...stores.cpu() }
      const { requests, rate, p50Ms, p99Ms } = await deliver(stores, port, seconds)
      const after = { own: cpuMs(pid), ...stores.cpu() }
      const each = (ms: number) => (ms * 1_000) / requests
      return {
        rate,
        p50Ms,
        p99Ms,
        cpuUs: each(after.own - before.own),
        postgresUs: each(after.postgres - before.postgres),
        redisUs: each(after.redis - before.redis)
      }
    }
  }
}

export async function deliver(stores: Stores, port: number, seconds: number, rate?: number) {
  const file = join(stores.folder, `deliveries-${port}`)
  writeDeliveries(file, seconds * MOST_A_SECOND)
  const delayMs = rate === undefined ? 0 : (CONNECTIONS / rate) * 1_000
  const loaded = await load({ port, script: 'deliveries', args: [file], connections: CONNECTIONS, seconds, delayMs })
  rmSync(file)
  return loaded
}
