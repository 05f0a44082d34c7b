import type { RedisConfig } from '../config/groups/redis.js'
import { showHost } from '../config/redis/hosts.js'
import { messageOf } from '../errors.js'
import { placeOf } from './redis-connection.js'
import type { RedisNode } from './redis-nodes.js'

/** `never`: it cannot work like this. `must`: it will hurt. `should`: it can stay, with what the text says. */
export interface RedisTrouble {
  weight: 'never' | 'must' | 'should'
  /** Begins with the variable to change, for `never`. */
  text: string
}

/** Source: BullMQ's RedisConnection, which refuses older ones and warns of those before 6.2. */
const OLDEST = [5, 0]
const OLDEST_ADVISED = [6, 2]
/** Of its memory. */
const FULL = 0.8

/** What an error of the first connection means when trying again cannot help; undefined for a Redis that is away. */
export function refusalOf(config: RedisConfig, error: unknown): string | undefined {
  const message = messageOf(error)
  const { code = '' } = error as { code?: string }
  const variable = { single: 'REDIS_URL', sentinel: 'REDIS_SENTINELS', cluster: 'REDIS_CLUSTER_NODES' }[config.form]
  const place = placeOf(config)
  if (message.includes('cluster support disabled'))
    return `${variable}: ${place} is no cluster but one server; set REDIS_URL instead`
  if (/invalid reply: null|No such master/.test(message))
    return `REDIS_SENTINEL_NAME: ${place}: they do not know a primary of that name`
  if (/^(WRONGPASS|ERR invalid password)|AUTH .*without any password/.test(message))
    return `${passwordVariable(config)}: ${place} refuses user and password (${message})`
  if (/^NOAUTH|Authentication required/.test(message))
    return `${passwordVariable(config)}: missing; ${place} wants a password`
  if (/^NOPERM/.test(message))
    return `${passwordVariable(config)}: the user at ${place} lacks a right: BullMQ needs +@all -@dangerous +info (${message})`
  if (/DB index is out of range|invalid DB index/.test(message))
    return `REDIS_DATABASE: ${place} has no database ${config.database}`
  if (
    /^(CERT_|ERR_TLS_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|HOSTNAME_MISMATCH)/.test(code) ||
    /certificate|alert/i.test(message)
  )
    return `REDIS_CA_FILE: the TLS of ${place} is not trusted, or wants our certificate (${message}); see also REDIS_TLS_NAME and REDIS_CERT_FILE`
  return undefined
}

/** What may be the reason when it only ends connections, or says nothing: not sure enough to refuse a start. */
export function hintOf({ tls }: RedisConfig, error: unknown): string {
  const text = `${(error as { code?: string }).code} ${messageOf(error)}`
  const isEnded = /ECONNRESET|EPIPE|Connection is closed/.test(text)
  if (tls === undefined) return isEnded ? '; does it want TLS (rediss:// or REDIS_TLS=true)?' : ''
  if (isEnded && tls.cert === undefined) return '; does it want a certificate of ours (REDIS_CERT_FILE)?'
  return /ETIMEDOUT|EPROTO|wrong version|packet length|did not answer/.test(text)
    ? '; does it speak TLS at that port?'
    : ''
}

function passwordVariable(config: RedisConfig): string {
  return config.password === undefined || config.form !== 'single' ? 'REDIS_PASSWORD' : 'REDIS_URL'
}

/** What is to be said of the servers that answer. */
export function troublesOf(config: RedisConfig, nodes: RedisNode[]): RedisTrouble[] {
  return nodes.flatMap(node => {
    const found = troublesOfNode(config, node)
    return nodes.length === 1 ? found : found.map(trouble => ({ ...trouble, text: `${node.place}: ${trouble.text}` }))
  })
}

function troublesOfNode(config: RedisConfig, node: RedisNode): RedisTrouble[] {
  const { info, place } = node
  const found: RedisTrouble[] = []
  const say = (weight: RedisTrouble['weight'], text: string) => found.push({ weight, text })
  const version = info.redis_version ?? '0'
  if (isOlder(version, OLDEST)) say('never', `REDIS_URL: Redis ${version}: BullMQ needs ${OLDEST.join('.')} or newer`)
  else if (isOlder(version, OLDEST_ADVISED))
    say('should', `Redis ${version}: BullMQ advises ${OLDEST_ADVISED.join('.')} or newer`)
  if (info.cluster_enabled === '1' && config.form !== 'cluster') say('never', clusterText(config, place))
  if (info.role === 'slave' || info.role === 'replica')
    say('must', 'it is a replica, which takes no jobs: let REDIS_URL name the primary, or set REDIS_SENTINELS')
  if (info.loading === '1') say('should', 'it is still loading its data: look again in a moment')
  if (config.tls?.rejectUnauthorized === false)
    say(
      'should',
      'REDIS_TLS_VERIFY=false: whoever stands in between can read and change the queue; REDIS_CA_FILE is better'
    )
  return [...found, ...memoryTroubles(node), ...persistenceTroubles(node)]
}

function clusterText(config: RedisConfig, place: string): string {
  if (config.form !== 'single') return 'REDIS_SENTINELS: leads to a Redis Cluster; set REDIS_CLUSTER_NODES instead'
  const nodes = 'path' in config.at ? 'host:port of its nodes' : showHost(config.at)
  return `REDIS_URL: ${place} is a Redis Cluster: set REDIS_CLUSTER_NODES=${nodes} instead, with REDIS_PASSWORD and REDIS_TLS as needed`
}

/** The rows are the truth: a job that Redis forgets is enqueued again by the sweep. */
const COSTS = 'this costs time, not a payment: the sweep enqueues again what is due'

function memoryTroubles({ info, policy }: RedisNode): RedisTrouble[] {
  const found: RedisTrouble[] = []
  if (policy === undefined)
    found.push({
      weight: 'should',
      text: `whether it evicts keys cannot be seen (INFO does not say, CONFIG is forbidden): make sure of maxmemory-policy noeviction`
    })
  else if (policy.startsWith('allkeys'))
    found.push({
      weight: 'must',
      text: `maxmemory-policy is ${policy}, so that jobs can vanish (${COSTS}): set noeviction`
    })
  else if (policy !== 'noeviction')
    found.push({
      weight: 'should',
      text: `maxmemory-policy is ${policy}, so that locks of jobs can vanish and jobs run twice (rows decide, nothing is done twice): set noeviction`
    })
  const most = Number(info.maxmemory ?? 0)
  if (most > 0 && Number(info.used_memory ?? 0) > FULL * most)
    found.push({
      weight: 'should',
      text: 'more than 80 % of its maxmemory is used; once it is full, no job is taken: give it more'
    })
  return found
}

function persistenceTroubles({ info, snapshots }: RedisNode): RedisTrouble[] {
  if (info.aof_enabled === '1') {
    const isWritten = info.aof_last_write_status === undefined || info.aof_last_write_status === 'ok'
    return isWritten ? [] : [{ weight: 'must', text: 'it could not write its append-only file: is its disk full?' }]
  }
  const kept =
    snapshots === undefined
      ? 'it has no append-only file, and whether it makes snapshots cannot be seen (CONFIG is forbidden); a restart of it may forget jobs'
      : snapshots === ''
        ? 'it has no append-only file and makes no snapshots: a restart of it forgets the queue'
        : `it has no append-only file: a restart of it forgets what came after its last snapshot (save ${snapshots})`
  return [{ weight: 'should', text: `${kept} (${COSTS}); set appendonly yes, or let a replica take over` }]
}

function isOlder(version: string, than: number[]): boolean {
  const parts = version.split('.').map(Number)
  const first = than.findIndex((part, at) => (parts[at] ?? 0) !== part)
  return first !== -1 && (parts[first] ?? 0) < (than[first] ?? 0)
}
