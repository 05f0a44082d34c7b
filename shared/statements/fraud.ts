import type { Queryable } from '../database.js'
import { DAY, HOUR, MINUTE } from '../duration.js'
import type { FraudSignals } from '../fraud.js'
import { maskText } from '../masking.js'

export interface FraudSubject {
  userId: string
  /** As networkOf() has it. */
  network: string | null
  /** Not counted: the checkout that is being decided about. */
  exceptId?: string
}

/** What the fraud rules look at, in one statement. `smallAmount` in minor units. */
export async function readFraudSignals(
  db: Queryable,
  subject: FraudSubject,
  smallAmount: number,
  now: Date
): Promise<FraudSignals> {
  const ago = (ms: number) => new Date(now.getTime() - ms)
  const { rows } = await db.query<FraudSignals>({
    name: 'read-fraud-signals',
    text: `
    WITH cleared AS (
      SELECT max("clearedAt") FILTER (WHERE "subject" = 'user:' || $1) AS user_at, max("clearedAt") FILTER (WHERE "subject" = 'ip:' || $2) AS ip_at
      FROM "FraudClearance" WHERE "subject" IN ('user:' || $1, 'ip:' || $2)
    ), seen AS (
      SELECT c."id", c."status", c."amount", c."createdAt",
        c."userId" = $1 AND c."createdAt" > COALESCE(cleared.user_at, '-infinity') AS own,
        COALESCE(c."network" = $2, false) AND c."createdAt" > COALESCE(cleared.ip_at, '-infinity') AS same_address
      FROM "Checkout" c, cleared WHERE c."createdAt" > $6 AND c."id" <> $7 AND (c."userId" = $1 OR c."network" = $2)
    ), declined AS (
      SELECT s."createdAt", s."detail"->>'fingerprint' AS card, seen.own, seen.same_address
      FROM "PaymentSignal" s JOIN seen ON seen."id" = s."checkoutId" WHERE s."kind" = 'DECLINE'
    )
    SELECT
      (SELECT count(*) FROM seen WHERE own AND "createdAt" > $4)::int AS attempts,
      ((SELECT count(*) FROM seen WHERE own AND "createdAt" > $4 AND "status" IN ('REJECTED', 'FAILED'))
        + (SELECT count(*) FROM declined WHERE own AND "createdAt" > $4))::int AS failures,
      (SELECT count(*) FROM seen WHERE own AND "createdAt" > $5 AND "amount" <= $3)::int AS "smallCarts",
      (SELECT count(*) FROM declined WHERE own AND "createdAt" > $5)::int AS declines,
      (SELECT count(*) FROM declined WHERE same_address AND "createdAt" > $5)::int AS "declinesOfAddress",
      (SELECT count(DISTINCT card) FROM declined WHERE own)::int AS cards,
      (SELECT count(DISTINCT card) FROM declined WHERE same_address)::int AS "cardsOfAddress"`,
    values: [
      subject.userId,
      subject.network,
      smallAmount,
      ago(10 * MINUTE),
      ago(HOUR),
      ago(DAY),
      subject.exceptId ?? ''
    ]
  })
  return rows[0] as FraudSignals
}

/** From now on the rules count for this subject ("user:…" or "ip:…") from zero. */
export async function clearFraud(
  db: Queryable,
  subject: string,
  by: { operator: string; note: string; now: Date }
): Promise<void> {
  await db.query(
    `INSERT INTO "FraudClearance" ("subject", "clearedAt", "clearedBy", "note") VALUES ($1, $2, $3, $4)
     ON CONFLICT ("subject") DO UPDATE SET "clearedAt" = EXCLUDED."clearedAt", "clearedBy" = EXCLUDED."clearedBy", "note" = EXCLUDED."note"`,
    [subject, by.now, by.operator, maskText(by.note)]
  )
}
