import type { Queryable } from '../database/database.js'

/** All names of this installation, the one in use first. */
export const INSTALLATION_NAMES = `ARRAY(SELECT "name" FROM "Installation" ORDER BY "namedAt" DESC, "name")`

/** All names by which what is at Stripe can be of this installation, the one in use first. */
export async function readInstallation(db: Queryable): Promise<[name: string, ...earlier: string[]]> {
  const { rows } = await db.query<{ names: string[] }>({
    name: 'read-installation',
    text: `SELECT ${INSTALLATION_NAMES} AS "names"`
  })
  const [name, ...earlier] = rows[0]?.names ?? []
  if (name === undefined) throw new Error('The table "Installation" is empty: its migration puts a name into it')
  return [name, ...earlier]
}

/** The name in use from now on; what bears an earlier one stays ours. */
export async function nameInstallation(db: Queryable, name: string, now: Date): Promise<void> {
  await db.query(
    `INSERT INTO "Installation" ("name", "namedAt") VALUES ($1, $2)
     ON CONFLICT ("name") DO UPDATE SET "namedAt" = EXCLUDED."namedAt"`,
    [name, now]
  )
}

/** What bears an earlier name is of another installation from now on. Returns those names. */
export async function forgetEarlierNames(db: Queryable, name: string): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>('DELETE FROM "Installation" WHERE "name" <> $1 RETURNING "name"', [
    name
  ])
  return rows.map(row => row.name)
}
