import { Redis } from 'ioredis'
import { SECOND } from '../duration.js'
import { type Finding, fine, must, should } from './finding.js'
import { reasonOf } from './reason.js'

const ANSWER_WITHIN = 3 * SECOND
/** Source: BullMQ's RedisConnection, which refuses older ones and warns of those before 6.2. */
const OLDEST = [5, 0]
const OLDEST_ADVISED = [6, 2]
/** Of its memory. */
const FULL = 0.8

/** By INFO alone: hosts that manage a Redis forbid CONFIG. */
export async function lookAtRedis(url: string): Promise<Finding[]> {
  const { hostname, port } = new URL(url)
  const place = `${hostname}:${port || 6379}`
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: ANSWER_WITHIN,
    commandTimeout: ANSWER_WITHIN
  })
  let broken: unknown
  redis.on('error', error => {
    broken = error
  })
  try {
    await redis.connect()
    const state = stateOf(await redis.info())
    const findings = findingsOf(state)
    const { redis_version: version, maxmemory_policy: policy } = state
    return findings.length > 0 ? findings : [fine(`Redis ${version} at ${place}, ${policy}, append-only file on`)]
  } catch (error) {
    return [
      must(
        `Redis at ${place} cannot be used: ${reasonOf(broken ?? error)}. Does it run, and are REDIS_URL's user and password right?`
      )
    ]
  } finally {
    redis.disconnect()
  }
}

type State = Record<string, string | undefined>

function stateOf(info: string): State {
  return Object.fromEntries(
    info
      .split(/\r?\n/)
      .filter(line => line.includes(':'))
      .map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)])
  )
}

function findingsOf(state: State): Finding[] {
  const findings: Finding[] = []
  const { redis_version: version = '0', maxmemory_policy: policy } = state
  if (isOlder(version, OLDEST)) findings.push(must(`Redis ${version}: BullMQ needs ${OLDEST.join('.')} or newer`))
  else if (isOlder(version, OLDEST_ADVISED))
    findings.push(should(`Redis ${version}: BullMQ advises ${OLDEST_ADVISED.join('.')} or newer`))
  if (policy !== undefined && policy !== 'noeviction')
    findings.push(must(`maxmemory-policy is ${policy}, so that jobs can vanish: set noeviction`))
  if (state.role === 'slave' || state.role === 'replica')
    findings.push(must('it is a replica, which takes no jobs: let REDIS_URL name the primary'))
  if (state.cluster_enabled === '1')
    findings.push(
      must('it is a Redis Cluster, which REDIS_URL cannot name: use a Redis of one node, or QUEUE_ENGINE=postgres')
    )
  if (state.loading === '1') findings.push(should('it is still loading its data: look again in a moment'))
  if (state.aof_enabled !== '1')
    findings.push(
      should(
        'it has no append-only file: a restart of it forgets the queue, until the sweep has enqueued again what is due; set appendonly yes'
      )
    )
  else if (state.aof_last_write_status !== undefined && state.aof_last_write_status !== 'ok')
    findings.push(must('it could not write its append-only file: is its disk full?'))
  const most = Number(state.maxmemory ?? 0)
  if (most > 0 && Number(state.used_memory ?? 0) > FULL * most)
    findings.push(should('more than 80 % of its maxmemory is used; once it is full, no job is taken: give it more'))
  return findings
}

function isOlder(version: string, than: number[]): boolean {
  const parts = version.split('.').map(Number)
  const first = than.findIndex((part, at) => (parts[at] ?? 0) !== part)
  return first !== -1 && (parts[first] ?? 0) < (than[first] ?? 0)
}
