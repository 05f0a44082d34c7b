-- AlterTable
ALTER TABLE "Checkout" ADD COLUMN     "expireReason" TEXT,
ADD COLUMN     "sessionParams" JSONB;

-- AlterTable
ALTER TABLE "Payment" ADD COLUMN     "mismatch" TEXT,
ADD COLUMN     "sessionId" TEXT;

-- AlterTable
ALTER TABLE "Refund" ADD COLUMN     "serverErrorAt" TIMESTAMPTZ(3);

-- What we refused without an object of Stripe's is told apart from what Stripe made and then failed.
UPDATE "Refund" SET "status" = 'REFUSED' WHERE "status" = 'FAILED' AND "stripeId" IS NULL;
-- From now on the time of the last error counts; what met one before waits its ten minutes from the last change.
UPDATE "Refund" SET "serverErrorAt" = "updatedAt" WHERE "serverErrors" > 0;
-- A difference that put a payment in review is a fact of its own, beside the reason that follows from all facts.
UPDATE "Payment" SET "mismatch" = "reviewReason" WHERE "reviewReason" LIKE '%: expected %, Stripe has %';

-- An earlier release took a refund for failed once we had refused it, although Stripe had made it, and booked it as
-- returned. Its reason is our sentence; Stripe's are words such as lost_or_stolen_card. What Stripe says of it decides now
-- (the next event, or reconcile --objects); the return that never was is reversed beside it.
WITH victim AS (
  UPDATE "Refund" SET "status" = 'REFUSED' WHERE "status" = 'FAILED' AND "stripeId" IS NOT NULL AND "failureReason" LIKE '% %'
  RETURNING "id", "stripeId", "orderId"
), reversed AS (
  INSERT INTO "LedgerPosting" ("entry", "account", "currency", "orderId", "amount", "source")
  SELECT 'correction:refused-' || victim."stripeId", l."account", l."currency", l."orderId", -l."amount", l."entry"
  FROM victim JOIN "LedgerPosting" l ON l."entry" = 'refund_returned:' || victim."stripeId"
  RETURNING "entry"
)
INSERT INTO "PaymentAuditLog" ("action", "status", "orderId", "before", "after", "metadata")
SELECT 'refund_reopened', 'SUCCESS', "orderId", 'FAILED', 'REFUSED',
  jsonb_build_object('refundId', "id", 'stripeId', "stripeId", 'correction', (SELECT min("entry") FROM reversed WHERE "entry" = 'correction:refused-' || "stripeId"))
FROM victim ORDER BY "orderId", "id";
