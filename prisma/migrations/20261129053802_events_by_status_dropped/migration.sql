-- Its place has 20261129053801_events_to_do.
DROP INDEX CONCURRENTLY "WebhookEvent_status_receivedAt_idx";
