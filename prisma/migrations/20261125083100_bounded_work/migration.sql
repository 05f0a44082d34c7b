-- Work of every night and of every quarter of an hour finds what is left to do by an index of just that, so that it takes
-- as long as there is to do, and not as long as there are rows. (Prisma's schema has no partial indexes.)

-- What still holds personal data, for `retention` and `ops privacy erase`.
CREATE INDEX "WebhookEvent_forgettable_idx" ON "WebhookEvent"("receivedAt", "id")
  WHERE "payload" <> '{}' AND "status" IN ('PROCESSED', 'IGNORED', 'RESOLVED');
CREATE INDEX "Order_forgettable_idx" ON "Order"("updatedAt") WHERE "email" IS NOT NULL OR "address" IS NOT NULL;
CREATE INDEX "Checkout_forgettable_idx" ON "Checkout"("updatedAt") WHERE "email" <> 'erased@invalid';
CREATE INDEX "PaymentSignal_forgettable_idx" ON "PaymentSignal"("createdAt")
  WHERE "detail"->>'fingerprint' IS NOT NULL OR "detail"->>'message' IS NOT NULL;
CREATE INDEX "PaymentAuditLog_forgettable_idx" ON "PaymentAuditLog"("createdAt") WHERE "personalSalt" IS NOT NULL;

-- What the ledger does not have yet, for `reconcile`.
CREATE INDEX "Payment_unbooked_idx" ON "Payment"("askedAt" NULLS FIRST, "createdAt") WHERE "status" = 'SUCCEEDED' AND "balanceTransactionId" IS NULL;
CREATE INDEX "Payment_uncaptured_idx" ON "Payment"("askedAt" NULLS FIRST, "createdAt") WHERE "status" = 'SUCCEEDED' AND "captured" = 0;
CREATE INDEX "LedgerPosting_exchange_idx" ON "LedgerPosting"("orderId") WHERE "account" = 'EXCHANGE';

-- What the fraud rules did in the last day, for `/metrics`.
CREATE INDEX "PaymentAuditLog_fraud_idx" ON "PaymentAuditLog"("createdAt")
  WHERE "action" = 'checkout_payment_blocked' OR ("action" = 'checkout_verified' AND "metadata"->>'fraud' = 'challenge');

-- CreateIndex
CREATE INDEX "Notification_createdAt_idx" ON "Notification"("createdAt");
