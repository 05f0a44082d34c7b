import type { QueryConfig } from 'pg'
import type { Queryable } from '../database/database.js'

/** Whether the database has had this migration. Waits `withinMs` milliseconds for the answer. */
export async function isMigrated(db: Queryable, migration: string | undefined, withinMs: number): Promise<boolean> {
  const statement: QueryConfig & { query_timeout: number } = {
    text: 'SELECT FROM "_prisma_migrations" WHERE "migration_name" = $1 AND "finished_at" IS NOT NULL',
    values: [migration],
    query_timeout: withinMs
  }
  const { rowCount } = await db.query(statement)
  return rowCount !== 0
}
