-- What is due, or waits for an operator: all others are the most, and nobody looks for them by their status. The only
-- statement of its migration, so that no transaction is around it. (Prisma's schema has no partial indexes.)
CREATE INDEX CONCURRENTLY "WebhookEvent_to_do_idx" ON "WebhookEvent"("status", "receivedAt") WHERE "status" IN ('RECEIVED', 'DEAD', 'RESOLVED');
