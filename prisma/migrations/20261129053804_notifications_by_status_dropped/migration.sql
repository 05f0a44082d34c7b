-- Its place has 20261129053803_notifications_to_do.
DROP INDEX CONCURRENTLY "Notification_status_nextAttemptAt_idx";
