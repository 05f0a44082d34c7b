import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { redis } from '../groups/redis.js'
import { parseRedisUrl } from './url.js'

type Environment = Record<string, string | undefined>

const { redisUrl, redisClusterNodes, redisSentinels } = redis
const FORMS = [redisUrl, redisClusterNodes, redisSentinels].map(({ variable }) => variable)

/** What means something only beside one of others. */
const COMPANIONS: [variable: string, ofAny: string[]][] = [
  ['REDIS_USERNAME', FORMS],
  ['REDIS_PASSWORD', FORMS],
  ['REDIS_DATABASE', FORMS],
  ['REDIS_TLS', FORMS],
  ['REDIS_SENTINEL_USERNAME', ['REDIS_SENTINELS']],
  ['REDIS_SENTINEL_PASSWORD', ['REDIS_SENTINELS']],
  ['REDIS_SENTINEL_TLS', ['REDIS_SENTINELS']],
  ['REDIS_NAT_MAP', ['REDIS_CLUSTER_NODES', 'REDIS_SENTINELS']],
  ['REDIS_CERT_FILE', ['REDIS_KEY_FILE']],
  ['REDIS_KEY_FILE', ['REDIS_CERT_FILE']],
  ['REDIS_SENTINEL_USERNAME', ['REDIS_SENTINEL_PASSWORD']]
]
const TLS_ONLY = ['REDIS_CA_FILE', 'REDIS_CERT_FILE', 'REDIS_KEY_FILE', 'REDIS_TLS_NAME']

/** What no single variable can tell of where the queue is. */
export function redisProblems(env: Environment): string[] {
  const parsed = parseRedisUrl(env.REDIS_URL ?? '')
  const url = typeof parsed === 'string' ? undefined : parsed
  return [
    ...placeProblems(env),
    ...COMPANIONS.flatMap(([variable, ofAny]) =>
      env[variable] === undefined || ofAny.some(each => env[each] !== undefined)
        ? []
        : [`${variable}: expected beside ${ofAny.join(' or ')}, which is not set; set that, or unset this`]
    ),
    ...signInProblems(env, url),
    ...databaseProblems(env, url),
    ...tlsProblems(env, url)
  ]
}

function placeProblems(env: Environment): string[] {
  const given = FORMS.filter(variable => env[variable] !== undefined)
  const [first, ...more] = given
  if (first === undefined)
    return env.QUEUE_ENGINE === 'postgres'
      ? []
      : [
          'REDIS_URL: missing; set it (or REDIS_CLUSTER_NODES, REDIS_SENTINELS), or QUEUE_ENGINE=postgres to keep the queue in PostgreSQL'
        ]
  return [
    ...more.map(variable => `${variable}: is set although ${first} is; unset one of the two`),
    ...(env.QUEUE_ENGINE === 'postgres'
      ? [`QUEUE_ENGINE: is postgres although ${first} is set; unset one of the two`]
      : [])
  ]
}

type Url = Exclude<ReturnType<typeof parseRedisUrl>, string> | undefined

function signInProblems(env: Environment, url: Url): string[] {
  const problems: string[] = []
  for (const [variable, own] of [
    ['REDIS_USERNAME', url?.username],
    ['REDIS_PASSWORD', url?.password]
  ] as const) {
    if (env[variable] !== undefined && own !== undefined)
      problems.push(`${variable}: is set although REDIS_URL has one; unset it, or take it out of the URL`)
  }
  const username = env.REDIS_USERNAME ?? url?.username
  if (username !== undefined && env.REDIS_PASSWORD === undefined && url?.password === undefined)
    problems.push('REDIS_PASSWORD: missing; a user of Redis signs in with a password')
  return problems
}

function databaseProblems(env: Environment, url: Url): string[] {
  const { REDIS_DATABASE: database } = env
  if (database === undefined) return []
  if (env.REDIS_CLUSTER_NODES !== undefined && Number(database) !== 0)
    return ['REDIS_DATABASE: a Redis Cluster has only database 0; unset it. QUEUE_PREFIX keeps installations apart']
  if (url?.database !== undefined && url.database !== Number(database))
    return ['REDIS_DATABASE: REDIS_URL names another database; unset one of the two']
  return []
}

function tlsProblems(env: Environment, url: Url): string[] {
  const problems: string[] = []
  if (env.REDIS_TLS === 'false' && url?.tls)
    problems.push('REDIS_TLS: is false although REDIS_URL asks for TLS; unset it, or write redis://')
  if (env.REDIS_TLS === 'true' && url !== undefined && 'path' in url.at)
    problems.push('REDIS_TLS: a socket of this machine has no TLS; unset it')
  const hasTls = url?.tls || env.REDIS_TLS === 'true' || env.REDIS_SENTINEL_TLS === 'true'
  const without = [
    ...TLS_ONLY.filter(variable => env[variable] !== undefined),
    ...(env.REDIS_TLS_VERIFY === 'false' ? ['REDIS_TLS_VERIFY'] : [])
  ]
  if (!hasTls)
    problems.push(
      ...without.map(variable => `${variable}: means nothing without TLS; write rediss:// or set REDIS_TLS=true`)
    )
  if (
    env.REDIS_CERT_FILE !== undefined &&
    env.REDIS_KEY_FILE !== undefined &&
    !belong(env.REDIS_CERT_FILE, env.REDIS_KEY_FILE)
  )
    problems.push('REDIS_KEY_FILE: is not the key of the certificate in REDIS_CERT_FILE')
  return problems
}

/** True also for what cannot be read, which its own setting tells. */
function belong(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(readFileSync(certificate)).checkPrivateKey(createPrivateKey(readFileSync(key)))
  } catch {
    return true
  }
}
