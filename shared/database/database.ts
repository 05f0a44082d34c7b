import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { PrismaClient } from '../../prisma/generated/client.js'
import { SECOND } from '../duration.js'
import type { Logger } from '../logger.js'
import { countDatabaseError, countStatement } from '../metrics/database.js'
import { allowAnswers, isNotAnswered } from './bounded-client.js'
import { gatherUntilCommit } from './on-commit.js'
import { createPool } from './postgres-pool.js'

export type Client = pg.PoolClient
export type Queryable = Pick<pg.PoolClient, 'query'>

/** One pool for everything: short typed statements through `pg` where it is hot, Prisma for the rest. */
export interface Database {
  pool: pg.Pool
  prisma: PrismaClient
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 15_000
const LOCK_TIMEOUT_MS = 10_000
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000
/** So much later than the server, which ends a statement by itself, we stop waiting for one that does not answer. */
const ANSWER_MARGIN_MS = 2 * SECOND

/** bigint columns hold amounts, which stay far below 2^53; one that does not is refused rather than rounded. */
const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === pg.types.builtins.INT8 && format !== 'binary') return parseBigInt
    return pg.types.getTypeParser(oid, format ?? 'text')
  }
} as pg.CustomTypesConfig

interface PoolOptions {
  url: string
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
  const { statementTimeoutMs = STATEMENT_TIMEOUT_MS, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options
  return createPool(
    {
      connectionString: options.url,
      max: options.poolSize,
      connectionTimeoutMillis: connectTimeoutMs,
      idleTimeoutMillis: 30_000,
      statement_timeout: statementTimeoutMs,
      query_timeout: statementTimeoutMs + ANSWER_MARGIN_MS,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
      application_name: options.name,
      // Prisma's adapter drops the offset of a time, which is right in UTC alone.
      ...(options.role === undefined ? {} : { options: `-c role=${options.role} -c TimeZone=UTC` }),
      keepAlive: true,
      // A connection that is silently gone is noticed in minutes; by itself Linux waits two hours.
      keepAliveInitialDelayMillis: 10_000,
      types
    },
    options.log,
    {
      answered: (statement, ms) => countStatement(statement, ms / SECOND),
      failed: error => countDatabaseError(error, isNotAnswered(error))
    }
  )
}

export function openDatabase(options: PoolOptions): Database {
  const pool = openPool(options)
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
  return {
    pool,
    prisma,
    async close() {
      await prisma.$disconnect()
      await pool.end()
    }
  }
}

interface TransactionOptions {
  statementTimeoutMs?: number
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
  { statementTimeoutMs }: TransactionOptions
): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  const committed = gatherUntilCommit(client)
  try {
    if (statementTimeoutMs !== undefined) allowAnswers(client, statementTimeoutMs + ANSWER_MARGIN_MS)
    await client.query(
      statementTimeoutMs === undefined ? begin : `${begin}; SET LOCAL statement_timeout = ${statementTimeoutMs}`
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

/** What @prisma/adapter-pg makes of a connection that is not there. */
const CONNECTION_KINDS = ['DatabaseNotReachable', 'ConnectionClosed', 'SocketTimeout', 'TooManyConnections']

/** The connection or the server is gone, or it is starting or stopping: the same statement may work in a moment. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (isNotAnswered(error)) return true
  const prisma = (error as PrismaError).meta?.driverAdapterError?.cause
  if (prisma?.kind !== undefined && CONNECTION_KINDS.includes(prisma.kind)) return true
  const code = prisma?.originalCode ?? (error as { code?: string }).code ?? ''
  // Class 08 connection exceptions, 40 rollbacks (deadlocks), 53 insufficient resources, 57 operator intervention
  // (statement timeouts too), 55P03 lock timeouts: https://www.postgresql.org/docs/18/errcodes-appendix.html
  if (/^(08|40|53|57|55P03)/.test(code)) return true
  if (['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTFOUND', 'ETIMEDOUT', 'EAI_AGAIN'].includes(code)) return true
  return /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error/.test(
    error.message
  )
}

function parseBigInt(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new RangeError(`The database holds ${text}, which is beyond exact numbers`)
  return value
}
