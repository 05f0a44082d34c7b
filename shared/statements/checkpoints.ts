import type { Queryable } from '../database.js'

/** How far a repeating job has come; undefined before its first time. */
export async function readCheckpoint(db: Queryable, name: string): Promise<Date | undefined> {
  const { rows } = await db.query<{ at: Date }>('SELECT "at" FROM "Checkpoint" WHERE "name" = $1', [name])
  return rows[0]?.at
}

export async function reachCheckpoint(db: Queryable, name: string, at: Date): Promise<void> {
  await db.query(
    `INSERT INTO "Checkpoint" ("name", "at") VALUES ($1, $2)
     ON CONFLICT ("name") DO UPDATE SET "at" = GREATEST("Checkpoint"."at", EXCLUDED."at")`,
    [name, at]
  )
}
