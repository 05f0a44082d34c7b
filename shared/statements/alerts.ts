import type { Alert } from '../../prisma/generated/client.js'
import type { Database, Queryable } from '../database/database.js'
import { maskText } from '../identity/masking.js'
import { auditInsert } from './audit-rows.js'

export interface NewAlert {
  id: string
  name: string
  /** As JSON. */
  context: string
  /** What it is raised once for while it is open; null for one that is raised each time. */
  onceKey: string | null
  /** As auditParameter() makes it. */
  audit: string
  /** Writes the audit row though an equal alert is open. */
  auditsEach: boolean
}

/**
 * False when one with this name and key is open: the index decides, so that two processes raise one. The alert and its
 * audit row are one statement: neither is ever without the other, on a pool as well.
 */
export async function raiseAlert(db: Queryable, alert: NewAlert): Promise<boolean> {
  const { rowCount } = await db.query(
    `WITH raised AS (
       INSERT INTO "Alert" ("id", "name", "context", "onceKey") VALUES ($1, $2, $3, $4)
       ON CONFLICT ("name", "onceKey") WHERE "resolvedAt" IS NULL DO NOTHING RETURNING "id"
     ), audited AS (
       ${auditInsert(5, alert.auditsEach ? 'true' : 'EXISTS (SELECT FROM raised)')}
     )
     SELECT FROM raised`,
    [alert.id, alert.name, alert.context, alert.onceKey, alert.audit]
  )
  return rowCount !== 0
}

/** One process at a time looks at the open alerts of a name and raises one, until the end of the transaction. */
export async function lockAlertName(db: Queryable, name: string): Promise<void> {
  await db.query(`SELECT pg_advisory_xact_lock(hashtextextended('alert:' || $1, 0))`, [name])
}

/** The subjects that the open alerts of a name are about. */
export async function findOpenSubjects(db: Queryable, name: string): Promise<string[]> {
  const { rows } = await db.query<{ subject: string }>(
    `SELECT "context"->>'subject' AS subject FROM "Alert"
     WHERE "name" = $1 AND "resolvedAt" IS NULL AND "context"->>'subject' IS NOT NULL`,
    [name]
  )
  return rows.map(({ subject }) => subject)
}

/** False when it is not open. */
export async function closeAlert(
  db: Queryable,
  id: string,
  end: { by: string; note: string; now: Date }
): Promise<boolean> {
  const { rowCount } = await db.query(
    'UPDATE "Alert" SET "resolvedAt" = $2, "resolvedBy" = $3, "note" = $4 WHERE "id" = $1 AND "resolvedAt" IS NULL',
    [id, end.now, end.by, maskText(end.note)]
  )
  return rowCount !== 0
}

/** Oldest first. */
export async function listOpenAlerts({ prisma }: Database, limit: number): Promise<Alert[]> {
  return await prisma.alert.findMany({ where: { resolvedAt: null }, orderBy: { createdAt: 'asc' }, take: limit })
}

/** By name; those that have none are left out. */
export async function countOpenAlerts(db: Queryable): Promise<Map<string, number>> {
  const { rows } = await db.query<{ name: string; count: number }>(
    `SELECT "name", count(*)::int FROM "Alert" WHERE "resolvedAt" IS NULL GROUP BY 1`
  )
  return new Map(rows.map(({ name, count }) => [name, count]))
}
