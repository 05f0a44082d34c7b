import type { Queryable } from '../database/database.js'
import { personalTables } from './personal-tables.js'

export interface PersonalRows {
  table: string
  rows: Record<string, unknown>[]
  /** There are more than were read. */
  isCut: boolean
}

/** What every table holds about these users. At most `limit` rows of each. */
export async function readPersonalRows(db: Queryable, users: string[], limit: number): Promise<PersonalRows[]> {
  const found: PersonalRows[] = []
  for (const { table, of, record, personal } of personalTables) {
    const columns = [...record, ...personal].map(column => `"${column}"`).join(', ')
    const { rows } = await db.query<Record<string, unknown>>(
      `SELECT ${columns} FROM "${table}" WHERE ${of} ORDER BY 1 LIMIT $2`,
      [users, limit + 1]
    )
    found.push({ table, rows: rows.slice(0, limit), isCut: rows.length > limit })
  }
  return found
}

/** The users whose orders bear this e-mail of their sign-in; what is typed at Stripe's page may be anybody's. */
export async function findUsersByEmail(db: Queryable, email: string): Promise<string[]> {
  const { rows } = await db.query<{ userId: string }>(
    `SELECT DISTINCT "userId" FROM "Order" WHERE lower("email") = lower($1) ORDER BY 1`,
    [email]
  )
  return rows.map(({ userId }) => userId)
}

/** Whether anything is known of a user. */
export async function knowsUser(db: Queryable, userId: string): Promise<boolean> {
  const { rows } = await db.query<{ known: boolean }>(
    `SELECT EXISTS (SELECT FROM "Order" WHERE "userId" = $1) OR EXISTS (SELECT FROM "Checkout" WHERE "userId" = $1)
       OR EXISTS (SELECT FROM "PaymentAuditLog" WHERE "userId" = $1) OR EXISTS (SELECT FROM "GuestClaim" WHERE "userId" = $1) AS known`,
    [userId]
  )
  return rows[0]?.known ?? false
}
