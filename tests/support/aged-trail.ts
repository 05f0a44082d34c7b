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
