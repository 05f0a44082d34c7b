import { setTimeout as sleep } from 'node:timers/promises'
import { SECOND } from '../../shared/duration.js'
import { runShutdown } from '../../shared/runtime/shutdown.js'
import { eventually } from '../eventually.js'
import { startRedisCluster } from '../redis-cluster.js'
import { SENTINEL_NAME, startWatchedRedis } from '../redis-sentinel.js'
import { data, lineOf, type Shopper } from '../shopper.js'
import { startThrowAwayPostgres } from '../throw-away-postgres.js'
import { drillShopper, openDrillShop } from './drill-shop.js'

export interface DrillFigures {
  form: string
  /** Checkouts that the ingress has acknowledged, and those of them that never opened. */
  acknowledged: number
  lost: number
  /** Answers that were no acknowledgement, by status. */
  refused: Record<string, number>
  slowestAnswerMs: number
  /** From the kill until a checkout made after it was open, and until all were. */
  firstOpenMs: number
  allOpenMs: number
}

interface RedisUnderTest {
  form: string
  env: NodeJS.ProcessEnv
  kill(): Promise<void>
  stop(): Promise<void>
}

const EVERY_MS = 50
const SETTLED_WITHIN = 120 * SECOND

/** Kills the primary under load, with Sentinel and with a cluster; each on servers of its own on loopback. */
export async function drillRedis(loadMs: number): Promise<DrillFigures[]> {
  const postgres = await startThrowAwayPostgres()
  try {
    const figures: DrillFigures[] = []
    for (const open of [openSentinel, openCluster]) {
      const redis = await open()
      try {
        await postgres.createDatabase(`drill_${figures.length}`)
        figures.push(await drill(redis, postgres.url(`drill_${figures.length}`), loadMs))
      } finally {
        await redis.stop()
      }
    }
    return figures
  } finally {
    await postgres.stop()
  }
}

async function openSentinel(): Promise<RedisUnderTest> {
  const passwords = { redis: 'password of Redis', sentinel: 'password of Sentinel' }
  const watched = await startWatchedRedis(passwords)
  if (watched === undefined) throw new Error('There is no redis-server on PATH.')
  const env = {
    REDIS_SENTINELS: watched.sentinels,
    REDIS_SENTINEL_NAME: SENTINEL_NAME,
    REDIS_PASSWORD: passwords.redis,
    REDIS_SENTINEL_PASSWORD: passwords.sentinel
  }
  return { form: 'Sentinel', env, kill: () => watched.primary.kill(), stop: watched.stop }
}

async function openCluster(): Promise<RedisUnderTest> {
  const cluster = await startRedisCluster({ replicas: true })
  if (cluster === undefined) throw new Error('There is no redis-server 7 on PATH.')
  const kill = async () => await cluster.primaries[0]?.kill()
  return {
    form: 'cluster of three with replicas',
    env: { REDIS_CLUSTER_NODES: cluster.nodes },
    kill,
    stop: cluster.stop
  }
}

async function drill(redis: RedisUnderTest, databaseUrl: string, loadMs: number): Promise<DrillFigures> {
  const stack = await openDrillShop(databaseUrl, redis.env)
  try {
    const shopper = await drillShopper(stack)
    return { form: redis.form, ...(await killUnderLoad(shopper, redis, loadMs)) }
  } finally {
    await runShutdown(stack.shutdown, stack.services.log)
  }
}

interface Sent {
  checkoutId: string
  at: number
}

async function killUnderLoad(
  shopper: Shopper,
  redis: RedisUnderTest,
  loadMs: number
): Promise<Omit<DrillFigures, 'form'>> {
  const items = [lineOf(await shopper.product('stoneware-mug'), 1)]
  const sent: Sent[] = []
  const refused: Record<string, number> = {}
  let slowestAnswerMs = 0
  let number = 0
  const send = async () => {
    const at = Date.now()
    const answer = await shopper.checkout(
      { items },
      { 'Idempotency-Key': `drill-${++number}`, Prefer: 'respond-async' }
    )
    slowestAnswerMs = Math.max(slowestAnswerMs, Date.now() - at)
    if (answer.status < 300) sent.push({ checkoutId: data(answer).checkoutId, at })
    else refused[answer.status] = (refused[answer.status] ?? 0) + 1
  }
  const load = async (ms: number) => {
    const requests: Promise<void>[] = []
    for (const until = Date.now() + ms; Date.now() < until; await sleep(EVERY_MS)) requests.push(send())
    await Promise.all(requests)
  }
  await load(loadMs / 3)
  const killedAt = Date.now()
  const [openings] = await Promise.all([firstOpen(shopper, sent, killedAt), redis.kill(), load((2 * loadMs) / 3)])
  const lost = await countLost(shopper, sent)
  return {
    acknowledged: sent.length,
    lost,
    refused,
    slowestAnswerMs,
    firstOpenMs: openings - killedAt,
    allOpenMs: Date.now() - killedAt
  }
}

async function firstOpen(shopper: Shopper, sent: Sent[], killedAt: number): Promise<number> {
  const isOpen = async () => {
    // Those just before the last are old enough to be open, were all well.
    const since = sent.filter(({ at }) => at > killedAt + SECOND)
    const statuses = await Promise.all(since.slice(-20).map(({ checkoutId }) => statusOf(shopper, checkoutId)))
    return statuses.includes('OPEN')
  }
  await eventually(isOpen, Boolean, SETTLED_WITHIN)
  return Date.now()
}

async function countLost(shopper: Shopper, sent: Sent[]): Promise<number> {
  const deadline = Date.now() + SETTLED_WITHIN
  let lost = 0
  for (const { checkoutId } of sent) {
    const left = Math.max(0, deadline - Date.now())
    const status = await eventually(
      () => statusOf(shopper, checkoutId),
      each => each === 'OPEN',
      left
    )
    if (status !== 'OPEN') lost++
  }
  return lost
}

async function statusOf(shopper: Shopper, checkoutId: string): Promise<string> {
  return data(await shopper.checkoutStatus(checkoutId)).status
}
