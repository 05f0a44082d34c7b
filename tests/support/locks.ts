import type pg from 'pg'
import { eventually } from '../../local/eventually.js'

/** How many statements of the shop's database wait for a lock. */
export async function locksWaitedFor(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query(
    `SELECT count(*)::int AS waiting FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()`
  )
  return rows[0].waiting
}

/** Does what reserves stock so many times that all of them wait for each other before they reserve. */
export async function meeting<T>(pool: pg.Pool, size: number, work: () => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN; LOCK TABLE "Reservation" IN SHARE MODE')
    const result = work()
    const seen = await eventually(
      () => locksWaitedFor(pool),
      count => count === size,
      8_000
    )
    await client.query('COMMIT')
    expect(seen).toBe(size)
    return await result
  } finally {
    client.release()
  }
}
