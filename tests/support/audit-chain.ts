import { writeAudit } from '../../shared/audit/audit.js'
import { type VerificationState, verifyTrail } from '../../shared/audit/trail-verification.js'
import { asOwner, type Shop } from './shop.js'

/** Makes chains of the trail look as if they had been written so many days earlier, hashes and all, as nobody but the owner can. */
export async function ageTrail(shop: Shop, days: number, where = 'true'): Promise<void> {
  await asOwner(
    shop,
    `SET session_replication_role = replica;
     DO $$
     DECLARE
       entry "PaymentAuditLog";
       before_hash text := '';
     BEGIN
       FOR entry IN SELECT l.* FROM "PaymentAuditLog" l WHERE l."chain" IN (SELECT "chain" FROM "AuditChain" c WHERE ${where}) ORDER BY l."chain", l."sequence" LOOP
         entry."createdAt" := entry."createdAt" - make_interval(days => ${days});
         entry."previousHash" := CASE WHEN entry."sequence" = 1 THEN '' ELSE before_hash END;
         entry."hash" := "audit_hash"(entry);
         before_hash := entry."hash";
         UPDATE "PaymentAuditLog" SET "createdAt" = entry."createdAt", "previousHash" = entry."previousHash", "hash" = entry."hash" WHERE "id" = entry."id";
         UPDATE "AuditChain" SET "updatedAt" = entry."createdAt", "hash" = entry."hash" WHERE "chain" = entry."chain";
       END LOOP;
     END $$`
  )
}

/** A chain of so many rows, with an address and a browser in each. */
export async function writeChain({ stack }: Shop, orderId: string, rows = 3): Promise<void> {
  for (let row = 1; row <= rows; row++) {
    await writeAudit(stack.services.db.pool, {
      action: `row_${row}`,
      status: 'SUCCESS',
      userId: `owner of ${orderId}`,
      orderId,
      ipAddress: '203.0.113.9',
      userAgent: 'a browser'
    })
  }
}

export const countRows = ({ stack }: Shop, orderId: string) =>
  stack.services.db.prisma.paymentAuditLog.count({ where: { orderId } })

export const headOf = ({ stack }: Shop, chain: string) =>
  stack.services.db.prisma.auditChain.findUniqueOrThrow({ where: { chain } })

export const olderThan = (shop: Shop, days: number, chain: string) => ageTrail(shop, days, `"chain" = '${chain}'`)

/** The whole verification as a list of what it finds. */
export async function verify(
  { stack }: Shop,
  most: number,
  from?: VerificationState,
  whileItRuns?: (state: VerificationState) => Promise<void>
) {
  const findings: string[] = []
  let state: VerificationState | undefined
  for await (const step of verifyTrail(stack.services.db, stack.config, { most, from })) {
    findings.push(...step.findings)
    state = step.state
    await whileItRuns?.(step.state)
  }
  return { findings: findings.sort(), state }
}
