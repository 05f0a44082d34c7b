import { z } from 'zod'
import { type Host, parseHost } from '../redis/hosts.js'
import { certificates, privateKey } from '../redis/pem.js'
import { EXPECTED, parseRedisUrl, type RedisUrl } from '../redis/url.js'
import { optional, setting, type ValuesOf } from '../setting.js'
import { flag, given, integer, list, text, type ValueType } from '../value-types.js'

const redisUrl: ValueType<RedisUrl> = {
  takes: EXPECTED.replace('expected ', ''),
  schema: given().transform((value, context) => {
    const url = parseRedisUrl(value)
    if (typeof url !== 'string') return url
    context.addIssue({ code: 'custom', message: url })
    return z.NEVER
  })
}

function hosts(port: number): ValueType<Host[]> {
  const { takes, schema } = list(
    `host:port, several with commas, such as 10.0.0.1:${port},10.0.0.2:${port}; user, password and TLS are settings of their own`,
    parts => parts.length > 0 && parts.every(part => parseHost(part, port) !== undefined)
  )
  return { takes, schema: schema.transform(parts => parts.map(part => parseHost(part, port) as Host)) }
}

const pair = /^([^=]+)=([^=]+)$/
/** Hosts by the `host:port` that a server tells of itself. */
const natMap: ValueType<Record<string, Host>> = (() => {
  const { takes, schema } = list(
    'told=reached, several with commas, such as 10.0.0.1:6379=redis-1.example:7001',
    parts =>
      parts.length > 0 &&
      parts.every(part =>
        pair
          .exec(part)
          ?.slice(1)
          .every(each => parseHost(each.trim(), 6379) !== undefined)
      )
  )
  return {
    takes,
    schema: schema.transform(parts =>
      Object.fromEntries(
        parts.map(part => {
          const [told = '', reached = ''] = part.split('=').map(each => each.trim())
          return [told, parseHost(reached, 6379) as Host]
        })
      )
    )
  }
})()

/** Where the queue's Redis is and how to sign in there: one of the first three. */
export const redis = {
  redisUrl: optional('REDIS_URL', redisUrl, {
    secret: true,
    doc: 'the queue on Redis or Valkey (AOF on, `noeviction`), one server; this, one of the next two, or `QUEUE_ENGINE=postgres` ([forms](hosting-redis.md))'
  }),
  redisClusterNodes: optional('REDIS_CLUSTER_NODES', hosts(6379), {
    doc: 'the queue on a Redis Cluster: some of its nodes, or the configuration endpoint of a host'
  }),
  redisSentinels: optional('REDIS_SENTINELS', hosts(26_379), {
    doc: 'the queue on a Redis that Sentinels watch: the Sentinels'
  }),
  redisSentinelName: setting(
    'REDIS_SENTINEL_NAME',
    text('the name of a primary', name => /^[\w.-]+$/.test(name)),
    {
      default: 'mymaster',
      doc: 'what the Sentinels call the primary'
    }
  ),
  redisUsername: optional('REDIS_USERNAME', text('a user'), { doc: 'an ACL user of Redis; any characters' }),
  redisPassword: optional('REDIS_PASSWORD', text('a password'), {
    secret: true,
    doc: 'of Redis, when it is not in `REDIS_URL`; any characters, as they are'
  }),
  redisSentinelUsername: optional('REDIS_SENTINEL_USERNAME', text('a user'), { doc: 'an ACL user of the Sentinels' }),
  redisSentinelPassword: optional('REDIS_SENTINEL_PASSWORD', text('a password'), {
    secret: true,
    doc: 'of the Sentinels, if they have one'
  }),
  redisDatabase: optional('REDIS_DATABASE', integer(0, 65_535), {
    doc: 'the number of the database; a cluster has only 0'
  }),
  redisTls: optional('REDIS_TLS', flag, {
    doc: '`true` for TLS to a cluster or to Sentinel’s servers; `rediss://` says it of a URL'
  }),
  redisSentinelTls: optional('REDIS_SENTINEL_TLS', flag, {
    doc: 'TLS to the Sentinels themselves; else as `REDIS_TLS`'
  }),
  redisCa: optional('REDIS_CA_FILE', certificates, {
    doc: 'the authority that signed the certificates of Redis, when it is not a public one'
  }),
  redisCertificate: optional('REDIS_CERT_FILE', certificates, { doc: 'the certificate that we show to Redis' }),
  redisKey: optional('REDIS_KEY_FILE', privateKey, { doc: 'the key of `REDIS_CERT_FILE`' }),
  redisTlsName: optional(
    'REDIS_TLS_NAME',
    text('a host name', name => /^[a-z0-9.-]+$/i.test(name)),
    {
      doc: 'the name in the certificates of Redis, when it is reached by another one'
    }
  ),
  redisTlsVerify: setting('REDIS_TLS_VERIFY', flag, {
    default: 'true',
    doc: '`false` takes any certificate, which stops nobody in between; for hosts that sign their own and tell no CA'
  }),
  redisNatMap: optional('REDIS_NAT_MAP', natMap, {
    doc: 'where the servers of a cluster or of Sentinel are reached from here, by what they tell of themselves'
  }),
  spread: setting('QUEUE_SPREAD', flag, {
    default: 'true',
    doc: 'on a cluster, each queue has a slot of its own, so that its nodes share the work; `false` keeps all in one'
  })
} as const

export const redisVariables: readonly string[] = Object.values(redis).map(({ variable }) => variable)

/** Whether the environment says where a Redis is. */
export function namesRedis(env: Record<string, string | undefined>): boolean {
  return [redis.redisUrl, redis.redisClusterNodes, redis.redisSentinels].some(
    ({ variable }) => (env[variable] ?? '') !== ''
  )
}

interface Tls {
  ca?: string
  cert?: string
  key?: string
  servername?: string
  rejectUnauthorized: boolean
}

type Form =
  | { form: 'single'; at: Host | { path: string }; family?: 0 | 4 | 6 }
  | {
      form: 'sentinel'
      sentinels: Host[]
      name: string
      sentinelUsername: string | undefined
      sentinelPassword: string | undefined
      sentinelTls: Tls | undefined
    }
  | { form: 'cluster'; nodes: Host[]; spread: boolean }

/** How the queue's Redis is reached. */
export type RedisConfig = Form & {
  username: string | undefined
  password: string | undefined
  database: number
  tls: Tls | undefined
  natMap: Record<string, Host> | undefined
}

type Values = ValuesOf<{ title: string; settings: typeof redis }>

/** Undefined when the queue is not on Redis. */
export function readRedis(values: Values): RedisConfig | undefined {
  const form = formOf(values)
  if (form === undefined) return undefined
  const { redisUrl: url } = values
  return {
    ...form,
    username: url?.username ?? values.redisUsername,
    password: url?.password ?? values.redisPassword,
    database: url?.database ?? values.redisDatabase ?? 0,
    tls: url?.tls || values.redisTls ? tlsOf(values) : undefined,
    natMap: values.redisNatMap
  }
}

function formOf(values: Values): Form | undefined {
  const { redisUrl: url, redisClusterNodes: nodes, redisSentinels: sentinels, spread } = values
  if (url !== undefined)
    return { form: 'single', at: url.at, ...(url.family === undefined ? {} : { family: url.family }) }
  if (nodes !== undefined) return { form: 'cluster', nodes, spread }
  if (sentinels === undefined) return undefined
  const hasTls = values.redisSentinelTls ?? values.redisTls ?? false
  return {
    form: 'sentinel',
    sentinels,
    name: values.redisSentinelName,
    sentinelUsername: values.redisSentinelUsername,
    sentinelPassword: values.redisSentinelPassword,
    sentinelTls: hasTls ? tlsOf(values) : undefined
  }
}

function tlsOf(values: Values): Tls {
  return {
    ...(values.redisCa === undefined ? {} : { ca: values.redisCa }),
    ...(values.redisCertificate === undefined ? {} : { cert: values.redisCertificate }),
    ...(values.redisKey === undefined ? {} : { key: values.redisKey }),
    ...(values.redisTlsName === undefined ? {} : { servername: values.redisTlsName }),
    rejectUnauthorized: values.redisTlsVerify
  }
}
