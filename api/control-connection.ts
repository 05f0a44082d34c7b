import type pg from 'pg'
import { openPool } from '../shared/database/database.js'
import { SECOND } from '../shared/duration.js'
import type { Services } from '../shared/runtime/services.js'

/**
 * The one connection for what the process asks for itself: whether the database is there, and whether checkouts are open. It
 * waits behind no customer's statement, and ends no connection but itself when it is not answered. It is opened when first
 * asked, and anew when it was lost.
 */
export function openControlConnection({ config, log }: Pick<Services, 'config' | 'log'>): pg.Pool {
  return openPool({
    ...config.database,
    log,
    name: 'tillworks-control',
    poolSize: 1,
    statementTimeoutMs: SECOND,
    connectTimeoutMs: 2 * SECOND
  })
}
