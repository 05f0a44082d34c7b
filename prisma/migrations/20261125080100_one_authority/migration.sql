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
