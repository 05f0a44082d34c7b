-- Those of a payment that wait: none, most of the time. The only statement of its migration, so that no transaction is around it.
CREATE INDEX CONCURRENTLY "WebhookEvent_together_idx" ON "WebhookEvent"("paymentIntentId") WHERE "status" = 'RECEIVED' AND "paymentIntentId" IS NOT NULL;
