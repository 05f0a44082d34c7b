import type { Pool } from 'pg'

/**
 * Of the application, for a checkout (from the request to its page at Stripe) and for an event (from its delivery to what
 * follows from it), with some room for what runs beside. One more has to be worth it: every shop pays for it.
 */
export const MOST_STATEMENTS = { checkout: 13.5, event: 10 }

const OWN = 'dbid = (SELECT oid FROM pg_database WHERE datname = current_database())'
/** The application's role: what the queue sends to PostgreSQL acts as the login. */
const APPLICATION = "userid = (SELECT oid FROM pg_roles WHERE rolname = 'tillworks_app')"

/**
 * Counts the statements that the application sends for each of what `work` does, of which it returns the number. The server
 * has to have pg_stat_statements among its shared_preload_libraries; the login is a superuser's.
 */
export async function countStatements(database: Pick<Pool, 'query'>, work: () => Promise<number>): Promise<number> {
  await database.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements')
  await database.query(`SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()`)
  const times = await work()
  const { rows } = await database.query(
    `SELECT COALESCE(sum(calls), 0)::int AS calls FROM pg_stat_statements WHERE toplevel AND ${OWN} AND ${APPLICATION}`
  )
  return rows[0].calls / times
}
