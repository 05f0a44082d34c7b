import { setTimeout as sleep } from 'node:timers/promises'
import { SECOND } from '../../shared/duration.js'
import { runShutdown } from '../../shared/runtime/shutdown.js'
import { eventually } from '../eventually.js'
import { startPrivateRedis } from '../private-redis.js'
import { type ReplicatedPostgres, startReplicatedPostgres } from '../replicated-postgres.js'
import type { Stack } from '../stack.js'
import { startTcpRelay, type TcpRelay } from '../tcp-relay.js'
import { drillShopper, openDrillShop } from './drill-shop.js'
import { findLosses } from './losses.js'
import { PaymentLoad } from './payment-load.js'

export interface PostgresFigures {
  engine: Engine
  address: AddressMoves
  acknowledged: { checkouts: number; events: number; paid: number }
  /** What was acknowledged and is not in the promoted database, or is not what Stripe says; in words. */
  lost: string[]
  /** Answers that were no acknowledgement, by kind and status. */
  refused: Record<string, number>
  slowestAnswerMs: number
  /** From the kill until the address leads to a server that takes writes. */
  takesWritesMs: number
  /** From then on. */
  firstEventMs: number
  firstCheckoutMs: number
  firstOpenMs: number
  firstPaidMs: number
  readyMs: number
  /** From then until every checkout that was acknowledged is open or paid, and every event applied. */
  settledMs: number
}

export type Engine = 'postgres' | 'redis'
/** Whether the address leads to the standby only once that is promoted, or already before, while it takes no writes. */
export type AddressMoves = 'after the promotion' | 'before the promotion'

/** How long whoever watches the primary takes to see that it is gone, and how long the standby is read-only behind the address. */
const SEEN_AFTER = SECOND
const READ_ONLY_FOR = SECOND
const SETTLED_WITHIN = 120 * SECOND

/** Kills the primary under load and promotes its synchronous standby behind the same address; all on loopback. */
export async function drillPostgres(
  engine: Engine,
  address: AddressMoves,
  { loadMs, env }: { loadMs: number; env: NodeJS.ProcessEnv }
): Promise<PostgresFigures> {
  const servers = await startReplicatedPostgres()
  const redis = engine === 'redis' ? await startPrivateRedis() : undefined
  if (engine === 'redis' && redis === undefined) throw new Error('There is no redis-server on PATH.')
  const relay = await startTcpRelay(portOf(servers.primary.url('drill')))
  try {
    await servers.primary.createDatabase('drill')
    const url = new URL(servers.primary.url('drill'))
    url.port = String(relay.port)
    const queue = redis === undefined ? { QUEUE_ENGINE: 'postgres' } : { REDIS_URL: redis.url }
    const stack = await openDrillShop(url.href, { ...queue, ...env })
    try {
      return { engine, address, ...(await failOverUnderLoad({ stack, servers, relay }, address, loadMs)) }
    } finally {
      await runShutdown(stack.shutdown, stack.services.log)
    }
  } finally {
    await relay.close()
    await Promise.all([servers.stop(), redis?.stop()])
  }
}

interface Parts {
  stack: Stack
  servers: ReplicatedPostgres
  relay: TcpRelay
}

async function failOverUnderLoad(
  parts: Parts,
  address: AddressMoves,
  loadMs: number
): Promise<Omit<PostgresFigures, 'engine' | 'address'>> {
  const { stack, servers } = parts
  const shopper = await drillShopper(stack)
  const load = await PaymentLoad.begin(shopper)
  await sleep(loadMs / 3)
  const killedAt = Date.now()
  await failOver(parts, address)
  const movedAt = Date.now()
  const isReady = async () => (await shopper.request('/readyz')).status === 200
  const readyAt = eventually(isReady, Boolean, SETTLED_WITHIN).then(() => Date.now())
  await sleep((2 * loadMs) / 3)
  await load.untilAgain(movedAt, SETTLED_WITHIN)
  await load.end()
  const lost = await findLosses(load.acknowledged, stack, servers.standby.url('drill'), SETTLED_WITHIN)
  const since = (at: number | undefined) => (at ?? Number.POSITIVE_INFINITY) - movedAt
  const again = load.firstSince(movedAt)
  return {
    acknowledged: load.counts(),
    lost,
    refused: load.refused,
    slowestAnswerMs: load.slowestAnswerMs,
    takesWritesMs: movedAt - killedAt,
    firstEventMs: since(again.event),
    firstCheckoutMs: since(again.checkout),
    firstOpenMs: since(again.open),
    firstPaidMs: since(again.paid),
    readyMs: since(await readyAt),
    settledMs: since(Date.now())
  }
}

async function failOver({ servers, relay }: Parts, address: AddressMoves): Promise<void> {
  await servers.primary.kill()
  relay.pointTo(undefined)
  await sleep(SEEN_AFTER)
  const standby = portOf(servers.standby.url('drill'))
  if (address === 'before the promotion') {
    relay.pointTo(standby)
    await sleep(READ_ONLY_FOR)
    await servers.promote()
  } else {
    await servers.promote()
    relay.pointTo(standby)
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}
