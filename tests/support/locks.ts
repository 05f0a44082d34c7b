import type pg from 'pg'

/** How many statements of the shop's database wait for a lock. */
export async function locksWaitedFor(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query(
    `SELECT count(*)::int AS waiting FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()`
  )
  return rows[0].waiting
}
