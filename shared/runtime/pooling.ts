import { randomUUID } from 'node:crypto'
import type { Access } from '../database/access.js'
import { type BoundedClient, connectBounded } from '../database/bounded-client.js'
import { connectionUrl } from '../database/connection-url.js'
import { isServerUnavailable, type Pooling } from '../database/database.js'
import { optionsText } from '../database/postgres-options.js'
import { SECOND } from '../duration.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../logger.js'
import { readBackend, readStart, START_MARK } from '../statements/server-state.js'

const ROUNDS = 3
const ANSWER_WITHIN = 3 * SECOND
const PROBE_TIMEOUT_MS = 15_000

/**
 * Finds out what our connections are, by looking: whether what a connection asks for at its start arrives, and whether two of
 * them are served by the same process of the server. Fails as connecting does.
 */
export async function findPooling(access: Access): Promise<Pooling> {
  if (connectionUrl(access.url, access.caFile).isTransactionPooler) return 'transaction'
  const clients: BoundedClient[] = []
  try {
    const first = await connectAsking(access)
    clients.push(first.client)
    const { pid, arrived } = await lookFrom(first)
    // A pooler makes up the number that it tells its client.
    if (arrived && toldPid(first.client) === pid) return 'none'
    clients.push(await connectBounded(access, ANSWER_WITHIN))
    if (await shareBackends(clients)) return 'transaction'
    // Also where all arrived: the next client of the pooler's connection may not have asked for it.
    return 'session'
  } finally {
    await Promise.allSettled(clients.map(client => client.end()))
  }
}

/**
 * As findPooling(), for a process that starts, and says what it means. While the database is away, transactions have the form
 * that works behind everything.
 */
export async function settlePooling<D extends Access & { directUrl?: string }>(
  database: D,
  log: Logger
): Promise<D & { pooling: Pooling }> {
  try {
    const pooling = await findPooling(database)
    if (pooling === 'session')
      log.info(
        'DATABASE_URL leads to a pooler that passes no settings on: each transaction sets the role and the time limits'
      )
    if (pooling === 'transaction')
      log.info(
        {
          notifications:
            database.directUrl === undefined
              ? 'none: waiting checkouts are polled; set DATABASE_DIRECT_URL'
              : 'by DATABASE_DIRECT_URL'
        },
        'DATABASE_URL leads to a pooler in transaction mode: each transaction sets the role and the time limits'
      )
    return { ...database, pooling }
  } catch (error) {
    log.warn(
      { reason: messageOf(error) },
      'the database could not be looked at; each transaction sets the role and the time limits'
    )
    return { ...database, pooling: 'session' }
  }
}

/** The way that keeps a session: for LISTEN, migrations and the queue. */
export function directAccess<D extends Access & { directUrl?: string }>({ directUrl, ...access }: D): Access {
  return { ...access, url: directUrl ?? access.url }
}

interface Asking {
  client: BoundedClient
  /** Undefined when the start of the connection was refused with it. */
  mark: string | undefined
}

async function connectAsking(access: Access): Promise<Asking> {
  const mark = randomUUID()
  const { routing } = connectionUrl(access.url, access.caFile).options
  const options = optionsText({ settings: { [START_MARK]: mark }, routing })
  try {
    return {
      client: await connectBounded(access, ANSWER_WITHIN, { statement_timeout: PROBE_TIMEOUT_MS, options }),
      mark
    }
  } catch (error) {
    // What is wrong otherwise is as wrong without it.
    if (isAway(error)) throw error
    const plain = optionsText({ settings: {}, routing })
    return { client: await connectBounded(access, ANSWER_WITHIN, { options: plain }), mark: undefined }
  }
}

function isAway(error: unknown): boolean {
  const isRefused = /^(28|3D)/.test((error as { code?: string }).code ?? '')
  return isRefused || (isServerUnavailable(error) && !/startup parameter/.test(messageOf(error)))
}

async function lookFrom({ client, mark }: Asking): Promise<{ pid: number; arrived: boolean }> {
  const { pid, mark: seen, statementTimeoutMs } = await readStart(client)
  return { pid, arrived: mark !== undefined && seen === mark && statementTimeoutMs === PROBE_TIMEOUT_MS }
}

function toldPid(client: BoundedClient): number | null {
  return (client as unknown as { processID: number | null }).processID
}

/** Whether two connections that are open at once are answered by one process of the server, or one by several. */
async function shareBackends(clients: BoundedClient[]): Promise<boolean> {
  const seen = new Map<number, BoundedClient>()
  for (let round = 0; round < ROUNDS; round++) {
    for (const client of clients) {
      const pid = await readBackend(client)
      const other = seen.get(pid)
      if (other !== undefined && other !== client) return true
      seen.set(pid, client)
    }
  }
  return seen.size > clients.length
}
