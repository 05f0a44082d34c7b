-- AlterTable
ALTER TABLE "Alert" ADD COLUMN     "onceKey" TEXT;

-- AlterTable
ALTER TABLE "Checkout" ADD COLUMN     "stripeAwaySince" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "Refund" ADD COLUMN     "stripeAwaySince" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "WebhookEvent" ADD COLUMN     "stripeAwaySince" TIMESTAMPTZ(3);

-- CreateIndex
CREATE INDEX "Notification_deliveredAt_idx" ON "Notification"("deliveredAt");

-- What is open already and was raised once keeps its place: of several, the oldest.
UPDATE "Alert" SET "onceKey" = COALESCE("context"->>'userId', '') || '|' || COALESCE("context"->>'orderId', '') || '|'
WHERE "id" IN (
  SELECT DISTINCT ON ("name", "context"->>'userId', "context"->>'orderId') "id" FROM "Alert"
  WHERE "resolvedAt" IS NULL AND "name" IN ('order_of_another_user', 'session_unknown')
  ORDER BY "name", "context"->>'userId', "context"->>'orderId', "createdAt", "id");

-- Two processes that see the same thing at once raise one alert. Once resolved, it can be raised again.
CREATE UNIQUE INDEX "Alert_open_once" ON "Alert"("name", "onceKey") WHERE "resolvedAt" IS NULL;
