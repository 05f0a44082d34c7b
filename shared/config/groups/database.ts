import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { systemUser } from '../../database/access.js'
import { type Purpose, readConnectionUrl } from '../../database/connection-url.js'
import type { Pooling } from '../../database/database.js'
import { pemProblem, type TlsWanted, tlsFiles, tlsProblem } from '../../database/tls.js'
import { type Group, optional, required, setting, type ValuesOf } from '../setting.js'
import { integer, text, type ValueType } from '../value-types.js'

const roleName = text('the name of a role, or none', text => /^[a-z_][a-z0-9_]{0,62}$/.test(text))
const role: ValueType<string | undefined> = {
  takes: roleName.takes,
  schema: roleName.schema.transform(name => (name === 'none' ? undefined : name))
}

function connection(purpose: Purpose): ValueType<string> {
  return {
    takes: 'a URL such as postgresql://user:password@host:5432/tillworks?sslmode=verify-full',
    schema: z.string('missing').superRefine((text, { addIssue }) => {
      for (const message of readConnectionUrl(text, { purpose }).problems) addIssue({ code: 'custom', message })
    })
  }
}

const file = text('the path of a file')

export const database = {
  title: 'Database',
  settings: {
    url: required('DATABASE_URL', connection('primary'), {
      secret: true,
      doc: 'PostgreSQL, all data; it may be a pooler ([what a URL may say](postgresql.md))',
      npmStart: 'embedded PostgreSQL'
    }),
    directUrl: optional('DATABASE_DIRECT_URL', connection('direct'), {
      secret: true,
      doc: 'the database itself, where `DATABASE_URL` is a pooler: for migrations, notifications and `QUEUE_ENGINE=postgres`'
    }),
    replicaUrl: optional('DATABASE_REPLICA_URL', connection('replica'), {
      secret: true,
      doc: "a replica, for what may be seconds old: reports, the operators' search and the money by day ([what reads it](postgresql.md#a-replica))"
    }),
    replicaMaxLagSeconds: setting('DATABASE_REPLICA_MAX_LAG_SECONDS', integer(1, 3_600), {
      default: '30',
      doc: 'how far the replica may be behind; the primary is read while it is further'
    }),
    caFile: optional('DATABASE_CA_FILE', file, {
      doc: "PEM file of the authorities that the server's certificate has to come from; without `sslmode` it has to be that of the host, too"
    }),
    passwordFile: optional('DATABASE_PASSWORD_FILE', file, {
      doc: 'a file with the password, read again for each connection: tokens that expire, secrets that are rotated'
    }),
    poolSize: setting('DATABASE_POOL_SIZE', integer(2, 500), {
      default: '20',
      doc: 'connections of a process, besides a few for notifications, health and the queue; or `connection_limit` in the URL'
    }),
    /** What every connection acts as: it can add to the audit trail and the ledger, and change neither. */
    role: setting('DATABASE_ROLE', role, {
      default: 'tillworks_app',
      doc: "what connections act as; `none` for the login's own rights ([operations](operations.md))"
    })
  }
} satisfies Group

const { url, directUrl, replicaUrl, caFile, passwordFile, poolSize } = database.settings
const urls = [
  { setting: url, purpose: 'primary' },
  { setting: directUrl, purpose: 'direct' },
  { setting: replicaUrl, purpose: 'replica' }
] as const

/** What the connections are is found out by whoever opens them. */
export function readDatabase(values: ValuesOf<typeof database>) {
  const asked = readConnectionUrl(values.url ?? '').url?.poolSize
  return { ...values, poolSize: asked ?? values.poolSize, pooling: undefined as Pooling | undefined }
}

/** What the settings of the database say together. */
export function databaseProblems(env: Record<string, string | undefined>): string[] {
  const authorities = env[caFile.variable]
  const problems = [caFile, passwordFile].flatMap(({ variable }) => unreadable(variable, env[variable]))
  if (problems.length === 0) {
    const problem = pemProblem(authorities, 'CERTIFICATE')
    if (problem !== undefined) problems.push(`${caFile.variable}: expected a file with certificates, not ${problem}`)
  }
  const areAuthoritiesUsable = problems.length === 0
  for (const { setting, purpose } of urls) {
    const { variable } = setting
    const text = env[variable]
    if (text === undefined || readConnectionUrl(text, { purpose }).url === undefined) continue
    const { url: read, problems: withAuthorities } = readConnectionUrl(text, { purpose, caFile: authorities })
    problems.push(...withAuthorities.map(problem => `${variable}: ${problem}`))
    if (read === undefined) continue
    if (read.user === undefined && systemUser() === undefined)
      problems.push(`${variable}: names no user, and this process has none with a name`)
    const named = tlsFiles(read.tls ?? { mode: 'require' }).filter(file => file !== authorities)
    problems.push(...named.flatMap(file => unreadable(variable, file)))
    if (areAuthoritiesUsable) problems.push(...unusable(variable, read.tls))
    if (read.channelBinding === 'require' && read.tls === undefined)
      problems.push(`${variable}: has channel_binding=require, which needs TLS: write sslmode=verify-full, too`)
    if (read.password !== undefined && env[passwordFile.variable] !== undefined)
      problems.push(`${passwordFile.variable}: is set although ${variable} has a password; take one of the two out`)
  }
  const asked = readConnectionUrl(env[url.variable] ?? '').url?.poolSize
  const given = env[poolSize.variable]
  if (asked !== undefined && given !== undefined && Number(given) !== asked)
    problems.push(`${poolSize.variable}: is ${given} although ${url.variable} has connection_limit=${asked}; keep one`)
  return problems
}

function unusable(variable: string, tls: TlsWanted | undefined): string[] {
  if (tls === undefined || tlsFiles(tls).some(file => unreadable(variable, file).length > 0)) return []
  const problem = tlsProblem(tls)
  return problem === undefined ? [] : [`${variable}: ${problem}`]
}

function unreadable(variable: string, path: string | undefined): string[] {
  try {
    if (path !== undefined) readFileSync(path)
    return []
  } catch (error) {
    return [`${variable}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`]
  }
}
