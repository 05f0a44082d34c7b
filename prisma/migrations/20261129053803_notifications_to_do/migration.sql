-- As 20261129053801_events_to_do.
CREATE INDEX CONCURRENTLY "Notification_to_do_idx" ON "Notification"("status", "nextAttemptAt") WHERE "status" IN ('PENDING', 'FAILED');
