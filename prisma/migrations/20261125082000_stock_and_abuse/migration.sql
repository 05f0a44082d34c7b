-- AlterTable
ALTER TABLE "Checkout" ADD COLUMN     "expireFailedAt" TIMESTAMPTZ(3);

-- The few that the sweep looks for. Prisma does not know partial indexes and leaves them alone.
CREATE INDEX "Checkout_expiring_idx" ON "Checkout" ("updatedAt") WHERE "expireReason" IS NOT NULL AND "status" = 'OPEN';

-- Counts under a lock that lasts until the commit of the statement that calls it. A volatile function takes a snapshot for
-- each of its statements (https://www.postgresql.org/docs/18/xfunc-volatility.html), so that it counts what was committed
-- while it waited; a statement with the lock and the count in it would count what there was before.
CREATE FUNCTION "count_attempts"(customer text, since timestamptz) RETURNS TABLE ("made" int, "oldest" timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('attempts:' || customer, 0));
  RETURN QUERY SELECT count(*)::int, min(c."createdAt") FROM "Checkout" c WHERE c."userId" = customer AND c."createdAt" > since
    AND c."createdAt" > COALESCE((SELECT f."clearedAt" FROM "FraudClearance" f WHERE f."subject" = 'user:' || customer), '-infinity');
END $$;
GRANT EXECUTE ON FUNCTION "count_attempts"(text, timestamptz) TO tillworks_app;
