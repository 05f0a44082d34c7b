import type { Queryable } from '../database/database.js'

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

const RUN = ['started', 'ended', 'failed'] as const

/** Writes down that a run of a scheduled job has begun or ended. */
export async function markRun(db: Queryable, job: string, what: (typeof RUN)[number], at: Date): Promise<void> {
  await reachCheckpoint(db, runName(job, what), at)
}

/** What is written down of these jobs' runs. */
export async function readRuns(
  db: Queryable,
  jobs: string[]
): Promise<Map<string, Partial<Record<(typeof RUN)[number], Date>>>> {
  const { rows } = await db.query<{ name: string; at: Date }>({
    name: 'read-runs',
    text: 'SELECT "name", "at" FROM "Checkpoint" WHERE "name" = ANY($1)',
    values: [jobs.flatMap(job => RUN.map(what => runName(job, what)))]
  })
  const at = new Map(rows.map(row => [row.name, row.at]))
  return new Map(jobs.map(job => [job, Object.fromEntries(RUN.map(what => [what, at.get(runName(job, what))]))]))
}

/** The one that ended well stands under the schedule's own name. */
function runName(job: string, what: (typeof RUN)[number]): string {
  return what === 'ended' ? `schedule:${job}` : `schedule:${job}:${what}`
}

/** Where to go on with long work; undefined when none was broken off. */
export async function readBookmark<T>(db: Queryable, name: string): Promise<{ at: Date; value: T } | undefined> {
  const { rows } = await db.query<{ at: Date; value: T | null }>(
    'SELECT "at", "value" FROM "Checkpoint" WHERE "name" = $1',
    [name]
  )
  const [row] = rows
  return row === undefined || row.value === null ? undefined : { at: row.at, value: row.value }
}

export async function keepBookmark(db: Queryable, name: string, at: Date, value: unknown): Promise<void> {
  await db.query(
    `INSERT INTO "Checkpoint" ("name", "at", "value") VALUES ($1, $2, $3)
     ON CONFLICT ("name") DO UPDATE SET "at" = EXCLUDED."at", "value" = EXCLUDED."value"`,
    [name, at, JSON.stringify(value)]
  )
}

export async function removeBookmark(db: Queryable, name: string): Promise<void> {
  await db.query('DELETE FROM "Checkpoint" WHERE "name" = $1', [name])
}
