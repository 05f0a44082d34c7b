-- What the customer gave at Stripe's page: email, name and phone. The release before does not know of it.
-- AlterTable
ALTER TABLE "Order" ADD COLUMN "contact" JSONB;

-- For `retention`: what still holds it.
CREATE INDEX "Order_contact_idx" ON "Order"("updatedAt") WHERE "contact" IS NOT NULL;
