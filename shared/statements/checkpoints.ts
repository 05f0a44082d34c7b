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

/** Writes down how scheduled jobs are repeated, and since when: an equal one keeps its time. */
export async function keepRepeats(db: Queryable, repeats: { name: string; repeat: object }[], at: Date): Promise<void> {
  await db.query({
    name: 'keep-repeats',
    text: `
    INSERT INTO "Checkpoint" ("name", "at", "value")
    SELECT "name", $3, "value" FROM unnest($1::text[], $2::jsonb[]) AS kept("name", "value") ORDER BY "name"
    ON CONFLICT ("name") DO UPDATE SET "at" = EXCLUDED."at", "value" = EXCLUDED."value"
    WHERE "Checkpoint"."value" IS DISTINCT FROM EXCLUDED."value"`,
    values: [repeats.map(({ name }) => repeatName(name)), repeats.map(({ repeat }) => JSON.stringify(repeat)), at]
  })
}

type KnownRuns = Partial<Record<(typeof RUN)[number] | 'set', Date>> & { repeat?: unknown }

/** What is written down of these jobs and their runs. */
export async function readRuns(db: Queryable, jobs: string[]): Promise<Map<string, KnownRuns>> {
  const { rows } = await db.query<{ name: string; at: Date; value: unknown }>({
    name: 'read-runs',
    text: 'SELECT "name", "at", "value" FROM "Checkpoint" WHERE "name" = ANY($1)',
    values: [jobs.flatMap(job => [repeatName(job), ...RUN.map(what => runName(job, what))])]
  })
  const known = new Map(rows.map(row => [row.name, row]))
  return new Map(
    jobs.map(job => {
      const runs = Object.fromEntries(RUN.map(what => [what, known.get(runName(job, what))?.at]))
      const repeat = known.get(repeatName(job))
      return [job, { ...runs, set: repeat?.at, repeat: repeat?.value }]
    })
  )
}

/** The one that ended well stands under the schedule's own name. */
function runName(job: string, what: (typeof RUN)[number]): string {
  return what === 'ended' ? `schedule:${job}` : `schedule:${job}:${what}`
}

function repeatName(job: string): string {
  return `schedule:${job}:repeat`
}
