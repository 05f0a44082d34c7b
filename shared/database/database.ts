import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { PrismaClient } from '../../prisma/generated/client.js'
import { SECOND } from '../duration.js'
import type { Logger } from '../logger.js'
import { countDatabaseError, countStatement } from '../metrics/database.js'
import { type Access, type AccessConfig, accessConfig } from './access.js'
import { allowAnswers, isNotAnswered, isOfOldSchema } from './bounded-client.js'
import { connectionFailure, isConnectionFailure } from './connection-failure.js'
import { connectionUrl } from './connection-url.js'
import { gatherUntilCommit } from './on-commit.js'
import { optionsText } from './postgres-options.js'
import { createPool } from './postgres-pool.js'
import { type LateReads, openLateReads } from './replica.js'
import type { Scope } from './scope.js'

export type Client = pg.PoolClient
export type Queryable = Pick<pg.PoolClient, 'query'>

/** One pool for everything: short typed statements through `pg` where it is hot, Prisma for the rest. */
export interface Database {
  pool: pg.Pool
  prisma: PrismaClient
  /** For reads that may be seconds old. */
  late: LateReads
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 15_000
const LOCK_TIMEOUT_MS = 10_000
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000
/** So much later than the server, which ends a statement by itself, we stop waiting for one that does not answer. */
const ANSWER_MARGIN_MS = 2 * SECOND

/** A few people who look. */
const REPLICA_POOL = 5

/** bigint columns hold amounts, which stay far below 2^53; one that does not is refused rather than rounded. */
const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === pg.types.builtins.INT8 && format !== 'binary') return parseBigInt
    return pg.types.getTypeParser(oid, format ?? 'text')
  }
} as pg.CustomTypesConfig

/**
 * What a connection of ours is: one of PostgreSQL's (`none`), one that a pooler keeps for us and to which it passes nothing on
 * at its start (`session`), or another one in each transaction (`transaction`).
 */
export type Pooling = 'none' | 'session' | 'transaction'

export interface PoolOptions extends Access {
  /** Undefined as `none`. */
  pooling?: Pooling
  poolSize: number
  role: string | undefined
  log: Logger
  name: string
  /** How long a statement may take, in milliseconds; two seconds later we stop waiting for it. */
  statementTimeoutMs?: number
  connectTimeoutMs?: number
}

/** Connections that act as the application's role, with our bounds. */
export function openPool(options: PoolOptions): pg.Pool {
  const { statementTimeoutMs = STATEMENT_TIMEOUT_MS } = options
  const { connectTimeoutMs = connectionUrl(options.url, options.caFile).connectTimeoutMs ?? CONNECT_TIMEOUT_MS } =
    options
  return createPool(
    {
      ...rulesOf(options, statementTimeoutMs),
      max: options.poolSize,
      connectionTimeoutMillis: connectTimeoutMs,
      idleTimeoutMillis: 30_000,
      // For together(). Not all poolers are known to bear it.
      pipeline: (options.pooling ?? 'none') === 'none',
      query_timeout: statementTimeoutMs + ANSWER_MARGIN_MS,
      types
    },
    options.log,
    {
      answered: (statement, ms) => countStatement(statement, ms / SECOND),
      failed: error => countDatabaseError(error, isNotAnswered(error))
    }
  )
}

/** The role and the time limits: at the start of a connection, or in each transaction where that cannot set them. */
function rulesOf(
  options: PoolOptions,
  statementTimeoutMs: number
): AccessConfig & { scope?: Scope; onConnect?: pg.PoolConfig['onConnect'] } {
  const access = accessConfig(options, options.name)
  const given = connectionUrl(options.url, options.caFile).options
  const limits = {
    statement_timeout: statementTimeoutMs,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS
  }
  // Prisma's adapter drops the offset of a time, which is right in UTC alone.
  const settings = { ...given.settings, ...(options.role === undefined ? {} : { role: options.role }), TimeZone: 'UTC' }
  if ((options.pooling ?? 'none') === 'none')
    return {
      ...access,
      ...limits,
      options: optionsText({ settings, routing: given.routing }),
      ...(options.role === undefined ? {} : { onConnect: actingAs(options.role) })
    }
  const inWords = Object.fromEntries(Object.entries(limits).map(([name, ms]) => [name, String(ms)]))
  return {
    ...access,
    options: optionsText({ settings: {}, routing: given.routing }),
    scope: { ...settings, ...inWords, search_path: 'public' }
  }
}

/** A pooler that has come into the way since the start may drop what connections ask for: they would act as the login. */
function actingAs(role: string): (client: pg.ClientBase) => Promise<void> {
  return async client => {
    const question = { text: 'SELECT current_user AS role', query_timeout: CONNECT_TIMEOUT_MS }
    const { rows } = await client.query<{ role: string }>(question)
    const [seen] = rows
    if (seen?.role === role) return
    throw connectionFailure(new Error(`A connection acts as ${seen?.role}, not as ${role} (DATABASE_ROLE)`))
  }
}

export interface DatabaseOptions extends PoolOptions {
  replicaUrl?: string
  /** 30 when left out. */
  replicaMaxLagSeconds?: number
}

export function openDatabase(options: DatabaseOptions): Database {
  const pool = openPool(options)
  const replica = openReplica(options)
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
  return {
    pool,
    prisma,
    late: openLateReads({
      primary: pool,
      replica,
      maxLagMs: (options.replicaMaxLagSeconds ?? 30) * SECOND,
      log: options.log
    }),
    async close() {
      await prisma.$disconnect()
      await Promise.all([pool.end(), replica?.end()])
    }
  }
}

/** In the form that works behind every pooler: nobody has looked at it. */
function openReplica({ replicaUrl, ...options }: DatabaseOptions): pg.Pool | undefined {
  if (replicaUrl === undefined) return undefined
  return openPool({
    ...options,
    url: replicaUrl,
    pooling: 'session',
    poolSize: Math.min(options.poolSize, REPLICA_POOL)
  })
}

interface TransactionOptions {
  statementTimeoutMs?: number
  /** How long one of its statements may wait for a lock; that of the connection when left out. */
  lockTimeoutMs?: number
}

/** Runs `work` in one transaction. Make no network call in it (docs/golden-rules.md#rule-6). */
export async function transaction<T>(
  pool: pg.Pool,
  work: (client: Client) => Promise<T>,
  options: TransactionOptions = {}
): Promise<T> {
  return await within(pool, 'BEGIN', work, options)
}

/**
 * As transaction(), for reads that name their tables and functions with the schema. Of everything else PostgreSQL's own is
 * meant: a login can put views, functions and operators of its own on its search_path. Works on a replica, too.
 */
export async function undeceivedRead<T>(
  pool: pg.Pool,
  work: (client: Client) => Promise<T>,
  options: TransactionOptions = {}
): Promise<T> {
  return await within(pool, 'BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp', work, options)
}

async function within<T>(
  pool: pg.Pool,
  begin: string,
  work: (client: Client) => Promise<T>,
  { statementTimeoutMs, lockTimeoutMs }: TransactionOptions
): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  const committed = gatherUntilCommit(client)
  try {
    if (statementTimeoutMs !== undefined) allowAnswers(client, statementTimeoutMs + ANSWER_MARGIN_MS)
    await client.query(
      [
        begin,
        ...(statementTimeoutMs === undefined ? [] : [`SET LOCAL statement_timeout = ${statementTimeoutMs}`]),
        ...(lockTimeoutMs === undefined ? [] : [`SET LOCAL lock_timeout = ${lockTimeoutMs}`])
      ].join('; ')
    )
    const result = await work(client)
    await client.query('COMMIT')
    committed(true)
    return result
  } catch (error) {
    committed(false)
    await client.query('ROLLBACK').catch((rollbackError: Error) => {
      broken = rollbackError
    })
    throw error
  } finally {
    allowAnswers(client, undefined)
    client.release(broken)
  }
}

/** Where Prisma keeps what the driver has told. */
interface PrismaError {
  meta?: { driverAdapterError?: { cause?: { kind?: string; originalCode?: string } } }
}

/** What @prisma/adapter-pg makes of a connection that is not there, or was not made. */
const CONNECTION_KINDS = [
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
  'TlsConnectionError',
  'AuthenticationFailed',
  'DatabaseAccessDenied',
  'DatabaseDoesNotExist'
]

/**
 * The connection or the server is gone, or it is starting or stopping: the same statement may work in a moment. So it may where
 * no connection is made, for whatever reason: passwords and certificates are changed on both sides, never in one moment.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  return isConnectionFailure(error) || isServerUnavailable(error)
}

/** As isDatabaseUnavailable(), without what the server or we refuse. */
export function isServerUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (isNotAnswered(error)) return true
  const prisma = (error as PrismaError).meta?.driverAdapterError?.cause
  if (prisma?.kind !== undefined && CONNECTION_KINDS.includes(prisma.kind)) return true
  const code = prisma?.originalCode ?? (error as { code?: string }).code ?? ''
  // Class 08 connection exceptions, 40 rollbacks (deadlocks), 53 insufficient resources, 57 operator intervention
  // (statement timeouts too), 55P03 lock timeouts, 25006 a primary that is a standby by now:
  // https://www.postgresql.org/docs/18/errcodes-appendix.html
  if (/^(08|40|53|57|55P03|25006)/.test(code) || isOfOldSchema(error)) return true
  if (['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND', 'ETIMEDOUT', 'EAI_AGAIN'].includes(code)) return true
  return /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error/.test(
    error.message
  )
}

/**
 * Of what isDatabaseUnavailable() is true for: the server is there, and this transaction has met a lock, another transaction or
 * its time limit. What others do may work.
 */
export function isOfOneTransaction(error: unknown): boolean {
  const { code = '' } = error as { code?: string }
  return /^(40|55P03|57014)/.test(code) || isNotAnswered(error)
}

/** The schema has not had its migration yet: https://www.postgresql.org/docs/18/errcodes-appendix.html */
export function isUndefinedColumn(error: unknown): boolean {
  return (error as { code?: string } | undefined)?.code === '42703'
}

function parseBigInt(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`The database holds ${text}, which is beyond exact numbers`)
  return value
}
